package teacherforce_test

import (
	"context"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
	"github.com/reweigh/reweigh/teacherforce"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// Of values that are not of what the policies sample from, a ratio can be had by
// this name alone; it is not an importance weight.
func ExampleRawLogRatio() {
	base := teacherforce.Result{LogProb: dataset.Known(-12), Distribution: dataset.SamplingDistribution}
	// of another temperature
	target := teacherforce.Result{LogProb: dataset.Known(-10), Distribution: dataset.RawDistribution}
	_, err := teacherforce.LogRatio(target, base)
	fmt.Println(err != nil, teacherforce.RawLogRatio(target, base))
	// Output: true 2
}

// A generation is a response to score: its ids, whether it ended by itself, and
// what its tokens were drawn with.
func ExampleResponseOf() {
	cold := scout
	cold.Sampling.Temperature = 0.5
	r := teacherforce.ResponseOf(cold, providers.Generation{
		Text: "Fine.", TokenIDs: []int{11, 12}, FinishReason: "stop",
		Tokens: []providers.Token{{Text: "Fine", Sampling: dataset.Known(-0.3)}, {Text: ".", Sampling: dataset.Known(-0.1)},
			{Text: "<|eot|>", Sampling: dataset.Known(-0.2)}},
	})
	fmt.Println(r.Text, r.TokenIDs, r.Ended, r.Sampling)
	// Output: Fine. [11 12] true [-0.3 -0.1 -0.2]
}

// One token without a value, and the sum over the response is not known.
func ExampleSamplingOf() {
	g := providers.Generation{TokenIDs: []int{11, 12}, FinishReason: "length",
		Tokens: []providers.Token{{Sampling: dataset.Known(-0.3)}, {Sampling: dataset.Known(-0.1)}}}
	fmt.Println(teacherforce.SamplingOf(g))
	g.Tokens[1].Sampling = dataset.Float{}
	fmt.Println(teacherforce.SamplingOf(g) == nil)
	// Output:
	// [-0.3 -0.1]
	// true
}

func ExampleFiltered() {
	fmt.Println(teacherforce.Filtered("content_filter"), teacherforce.Filtered("stop"))
	// Output: true false
}

func ExampleFlag_Anomaly() {
	for _, flag := range []teacherforce.Flag{teacherforce.FlagZero, teacherforce.FlagBOSAdded} {
		fmt.Println(flag, flag.Anomaly())
	}
	// Output:
	// zero true
	// bos_added false
}

// Half of a character is shown as U+FFFD, and is placed by what stands around it.
func ExampleNewEcho() {
	raw, _ := chat.Lookup("raw")
	text := "naïve"
	e := teacherforce.NewEcho(text, providers.PromptScore{Text: text, Tokens: []providers.Token{
		{Text: "na", ID: -1, Offset: -1}, {Text: "\uFFFD", ID: -1, Offset: -1}, {Text: "\uFFFD", ID: -1, Offset: -1},
		{Text: "ve", ID: -1, Offset: -1},
	}}, raw)
	fmt.Println(e.Boundary(len("na")))
	fmt.Println(e.Boundary(len("naï")))
	fmt.Println(e.Boundary(len("naïv"))) // inside a token
	// Output:
	// 1 true
	// 3 true
	// -1 false
}

// Where a server scores conversations, its own rendering is one more method: here
// of a template that trims what the assistant said.
func ExampleConfig_chat() {
	server := sim.New(sim.Config{})
	defer server.Close()
	vllm, err := providers.NewCompatible(providers.CompatibleConfig{
		HTTPConfig: providers.HTTPConfig{BaseURL: server.VLLMURL(), Key: providers.NewSecret("any"), HTTP: server.Client()},
		Quirks:     providers.VLLM(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := teacherforce.New(teacherforce.Config{Scorer: vllm, Chat: vllm})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := offpolicy.Policy{Name: "p0", Model: sim.PolyglotModelOf("gemma2"), Template: "gemma2", Sampling: scout.Sampling}
	for _, text := range []string{"The Rhine.", "The Rhine. "} {
		res, err := f.Score(context.Background(), providers.Tag{Stage: "logprobs", Key: dataset.Key{PromptID: "q1",
			Policy: "p0"}}, p,
			dataset.Prompt{ID: "q1", Text: "Name a river."}, teacherforce.Response{Text: text, Ended: true})
		if err != nil {
			fmt.Println(err)
			return
		}
		m := res.Methods[teacherforce.MethodChat]
		fmt.Printf("%q: %.4f by %s; chat %s %.4f %q\n", text, res.LogProb.OrNaN(), res.Method, m.Status, m.LogProb.OrNaN(),
			m.Reason)
	}
	// Output:
	// "The Rhine.": -50.1858 by token_counting; chat ok -50.1858 ""
	// "The Rhine. ": -59.5151 by token_counting; chat failed NaN "rendered"
}

// Log-probs that are known as intervals make weights that are, and an evaluation has their
// width in its intervals.
func ExampleLogRatioBounds() {
	value := func(v float64) teacherforce.ScoredRow {
		return teacherforce.ScoredRow{Result: teacherforce.Result{LogProb: dataset.Known(v),
			Distribution: dataset.SamplingDistribution}}
	}
	interval, outside := value(0), value(0)
	interval.Result.LogProb = dataset.Float{}
	interval.Result.Interval = &[2]dataset.Float{dataset.Known(-12.1), dataset.Known(-11.9)}
	outside.Result.LogProb, outside.Result.OutsideSupport = dataset.Float{}, true

	base := &teacherforce.Scores{Rows: []teacherforce.ScoredRow{value(-12), value(-12), value(-12)}}
	target := &teacherforce.Scores{Rows: []teacherforce.ScoredRow{value(-11.5), interval, outside}}
	lower, upper, err := teacherforce.LogRatioBounds(target, base)
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := offpolicy.WeightsBetween(lower, upper)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.3f\n%d row weighs 0, %.1f%% of the weight is open\n", w.Raw(), w.Zero, 100*w.Open)
	// Output:
	// [1.649 1.005 0.000]
	// 1 row weighs 0, 3.8% of the weight is open
}
