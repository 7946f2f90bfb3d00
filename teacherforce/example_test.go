package teacherforce_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// coin is a PromptScorer under which every token has probability 1/2, tokens
// being markers, words and single characters. A real one is a providers.Client.
type coin struct{}

var tokenOf = regexp.MustCompile(`(?s)<\|\w+\|>| ?\pL+|.`)

func (coin) ScorePrompt(_ context.Context, req providers.ScoreRequest) (providers.PromptScore, error) {
	s := providers.PromptScore{Text: req.Prompt}
	for _, piece := range tokenOf.FindAllString(req.Prompt, -1) {
		s.Tokens = append(s.Tokens, providers.Token{Text: piece, ID: -1, Offset: -1, LogProb: dataset.Known(-math.Ln2)})
	}
	return s, nil
}

var scout = offpolicy.Policy{
	Name: "p0", Model: "scout", Template: "llama4",
	Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 512},
}

func ExampleForcer_Score() {
	f, err := teacherforce.New(teacherforce.Config{Scorer: coin{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	prompt := dataset.Prompt{ID: "q1", Text: "How are you?"}
	res, err := f.Score(context.Background(), providers.Tag{Stage: "logprobs", Key: dataset.Key{PromptID: "q1",
		Policy: "p0"}}, scout, prompt,
		teacherforce.Response{Text: "Fine, and you?", Ended: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.4f nats for %d tokens of 1/2 each, by %s in %d calls\n", res.LogProb.OrNaN(), res.Tokens, res.Method,
		res.Calls)
	for _, s := range teacherforce.Strategies() {
		if m, asked := res.Methods[s.Name()]; asked {
			fmt.Printf("%s %s %q\n", s.Name(), m.Status, m.Reason)
		}
	}
	// Output:
	// -4.1589 nats for 6 tokens of 1/2 each, by token_counting in 2 calls
	// token_ids failed "unsupported"
	// token_counting ok ""
	// echo_based ok ""
	// continuation ok ""
}

// Many responses, each with its row: what cannot be scored says why.
func ExampleForcer_ScoreAll() {
	f, err := teacherforce.New(teacherforce.Config{Scorer: coin{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	logged := []teacherforce.Logged{
		{Prompt: dataset.Prompt{ID: "q1", Text: "How are you?"}, Response: teacherforce.Response{Text: "Fine.",
			Ended: true}},
		{Prompt: dataset.Prompt{ID: "q2", Text: "And you?"}, Response: teacherforce.Response{Filtered: true}},
	}
	clone := scout
	clone.Name = "clone"
	base, err := f.ScoreAll(context.Background(), scout, logged)
	if err != nil {
		fmt.Println(err)
		return
	}
	target, err := f.ScoreAll(context.Background(), clone, logged)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range base.Missing() {
		fmt.Println(row.Err)
	}
	fmt.Println(teacherforce.LogRatios(target, base))
	// Output:
	// teacherforce: score q2 under p0: filtered: a filter ended or withheld the response: what was sampled is not what is there to score
	// [0 NaN] <nil>
}

// A token that spans the seam belongs to neither side: no method answers, and
// the record says so instead of holding a number.
func ExampleFailedRecord() {
	f, err := teacherforce.New(teacherforce.Config{Scorer: coin{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := scout
	p.Template = "raw"
	prompt := dataset.Prompt{ID: "q2", Text: "I walk to th"}
	_, err = f.Score(context.Background(), providers.Tag{}, p, prompt, teacherforce.Response{Text: "e harbour."})
	rec := teacherforce.FailedRecord(prompt.ID, p, err)
	fmt.Println(rec.LogProb.Valid(), rec.Error.Class)
	// Output:
	// false seam
}

func ExampleForcer_GenerateRequest() {
	f, err := teacherforce.New(teacherforce.Config{Scorer: coin{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	req, err := f.GenerateRequest(providers.Tag{Stage: "p0"}, scout, dataset.Prompt{ID: "q1", Text: "How are you?"}, 42)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q\n", req.Prompt)
	// Output:
	// "<|begin_of_text|><|header_start|>user<|header_end|>\n\nHow are you?<|eot|><|header_start|>assistant<|header_end|>\n\n"
}

// A template of a family that is not built in goes into the configuration, under
// the name that policies use for it.
func ExampleConfig() {
	turn := func(role string) chat.Turn { return chat.Turn{Before: "<|" + role + "|>\n", After: "<|end|>\n"} }
	phi3, err := chat.New(chat.Format{
		Name: "phi3", System: turn("system"), User: turn("user"), Assistant: turn("assistant"), EndOfTurn: "<|end|>",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := teacherforce.New(teacherforce.Config{Scorer: coin{}, Templates: []chat.Template{phi3}})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := scout
	p.Template = "phi3"
	c, err := f.Render(p, dataset.Prompt{Text: "Hello"})
	fmt.Printf("%q %v\n", c, err)
	// Output:
	// "<|user|>\nHello<|end|>\n<|assistant|>\n" <nil>
}

func ExampleForcer_Certify() {
	f, err := teacherforce.New(teacherforce.Config{Scorer: coin{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	cert, err := f.Certify(context.Background(), mumbler{}, scout)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("certified:", cert.OK)
	for _, p := range cert.Probes {
		fmt.Println(p.Name, p.OK)
	}
	// Output:
	// certified: false
	// coverage true
	// repeatability true
	// additivity true
	// seam true
	// template true
	// known_answer false
	// mass false
	// sampled true
	// methods true
}

// mumbler answers everything alike, each token by the flip of a coin.
type mumbler struct{}

func (mumbler) Generate(context.Context, providers.GenerateRequest) (providers.Generation, error) {
	return providers.Generation{Text: "One, two, three, four.", FinishReason: "stop"}, nil
}

// Who kept the ids of the context when the policy answered scores at one call.
func ExampleForcer_ScoreKnown() {
	f, err := teacherforce.New(teacherforce.Config{Scorer: coin{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	// What the server said it made of the context, Generation.PromptIDs. The coin
	// tells no ids in its echo: the context is asked for after all.
	known := dataset.DigestTokens([]int{1, 2, 3})
	res, err := f.ScoreKnown(context.Background(), providers.Tag{Stage: "logprobs"}, scout,
		dataset.Prompt{ID: "q1", Text: "How are you?"}, known, teacherforce.Response{Text: "Fine.", Ended: true})
	fmt.Println(res.State, res.Distribution, res.Calls, err)
	// Output:
	// ended sampling 2 <nil>
}

// A policy of another temperature has raw values, whose ratio is no weight.
func ExampleLogRatio() {
	base := teacherforce.Result{LogProb: dataset.Known(-12), Distribution: dataset.SamplingDistribution}
	target := teacherforce.Result{LogProb: dataset.Known(-10), Distribution: dataset.SamplingDistribution}
	fmt.Println(teacherforce.LogRatio(target, base))
	target.Distribution = dataset.RawDistribution
	_, err := teacherforce.LogRatio(target, base)
	var refused *teacherforce.RawRatioError
	fmt.Println(errors.As(err, &refused), refused.Side)
	// Output:
	// 2 <nil>
	// true target
}

func ExampleSuspects() {
	var values []teacherforce.Value
	for i := range 40 {
		for _, p := range []string{"p0", "pi_cot"} {
			length := 20 + 7*i
			v := -float64(length) * (0.15 + 0.02*float64(i%5))
			values = append(values, teacherforce.Value{Response: fmt.Sprint("q", i), Policy: p, LogProb: dataset.Known(v),
				Length: length})
		}
	}
	values[60].LogProb = dataset.Known(0) // of 230 tokens, under one policy
	for _, s := range teacherforce.Suspects(values) {
		fmt.Println(values[s.Index].Response, values[s.Index].Policy, s.Flag)
	}
	// Output:
	// q30 p0 too_likely
}

func ExampleCountMethods() {
	row := dataset.LogProb{PromptID: "q1", Policy: "p0", Method: teacherforce.MethodTokenIDs,
		Methods: map[string]dataset.MethodResult{
			teacherforce.MethodTokenIDs:     {LogProb: dataset.Known(-20), Status: "ok"},
			teacherforce.MethodContinuation: {Status: "failed", Reason: "seam"},
		}}
	methods := teacherforce.CountMethods(slices.Values([]dataset.LogProb{row}))["p0"]
	fmt.Println(methods[teacherforce.MethodTokenIDs].Used, methods[teacherforce.MethodContinuation].Reasons)
	// Output:
	// 1 map[seam:1]
}

func ExampleStatistics() {
	row := func(id, policy string, v dataset.Float) dataset.LogProb {
		return dataset.LogProb{PromptID: id, Policy: policy, PolicyHash: "hash of " + policy, LogProb: v, Tokens: 50}
	}
	for _, s := range teacherforce.Statistics(slices.Values([]dataset.LogProb{
		row("q1", "p0", dataset.Known(-20)), row("q2", "p0", dataset.Known(-30)), row("q1", "pi_cot", dataset.Known(-25)),
		row("q2", "pi_cot", dataset.Known(-38)),
	}), "p0") {
		fmt.Printf("%s: %d of %d scored, KL %.2f nats a token\n", s.Policy, s.Scored, s.Attempts, s.KLPerToken)
	}
	// Output:
	// p0: 2 of 2 scored, KL NaN nats a token
	// pi_cot: 2 of 2 scored, KL 0.13 nats a token
}
