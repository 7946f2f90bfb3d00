package oracle_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
)

// canned stands for a *providers.Client.
type canned string

func (c canned) Generate(context.Context, providers.GenerateRequest) (providers.Generation, error) {
	return providers.Generation{Text: string(c), FinishReason: "stop"}, nil
}

func ExampleNewLabeler() {
	o, err := oracle.NewLabeler(judge.Config{
		Name:      "gpt-4o",
		Generator: canned(`{"reason": "Right, and nothing is missing.", "label": 97}`),
		Model:     "gpt-4o",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := dataset.Key{PromptID: "p1", Policy: "p0"}
	tag := providers.Tag{Stage: "oracle", Key: key}
	prompt := dataset.Prompt{ID: "p1", Text: "What is the capital of France?"}
	label, err := o.Label(context.Background(), tag, prompt, "Paris.")
	fmt.Println(label, err)
	// Output:
	// 0.97 <nil>
}

// An oracle can be a plain function: here, of whether the answer is the known one.
func ExampleFunc() {
	answers := map[string]string{"p1": "Paris"}
	o := oracle.Func("exact match@1", func(_ context.Context, prompt dataset.Prompt, response string) (float64, error) {
		want, ok := answers[prompt.ID]
		switch {
		case !ok:
			return 0, errors.New("the answer is not known")
		case strings.Contains(response, want):
			return 1, nil
		}
		return 0, nil
	})
	for _, id := range []string{"p1", "p2"} {
		key := dataset.Key{PromptID: id, Policy: "p0"}
		label, err := o.Label(context.Background(), providers.Tag{Key: key}, dataset.Prompt{ID: id}, "It is Paris.")
		r := oracle.Record(oracle.Assignment{Key: key, InclusionProb: dataset.Known(1), Role: oracle.RoleCalibration},
			"0123456789abcdef", o, label, err)
		fmt.Println(r.Label, r.Error)
	}
	// Output:
	// 1 <nil>
	// missing error: oracle: exact match@1 [p2/p0/0]: the answer is not known
}

// Labels given by people come from a file, and a mistake in it has a line.
func ExampleReadLabels() {
	labels, err := oracle.ReadLabels(strings.NewReader("prompt_id,policy,draw_idx,label\np1,p0,0,0.9\np2,p0,0,0.4\n"),
		"people.csv", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	o, err := oracle.NewFile("people", labels)
	if err != nil {
		fmt.Println(err)
		return
	}
	tag := providers.Tag{Key: dataset.Key{PromptID: "p2", Policy: "p0"}}
	label, err := o.Label(context.Background(), tag, dataset.Prompt{}, "")
	fmt.Println(label, err)

	_, err = oracle.ReadLabels(strings.NewReader("prompt_id,policy,draw_idx,label\np1,p0,0,90\n"), "people.csv", nil)
	fmt.Println(err)
	// Output:
	// 0.4 <nil>
	// oracle: read labels: people.csv:2: label 90 is not in [0, 1]; map labels to [0, 1] first: the scale is not guessed
}

// Labels that a program has in hand make an oracle like any other; what it has no
// label for is unlabeled.
func ExampleNewFile() {
	key := dataset.Key{PromptID: "p1", Policy: "p0"}
	o, err := oracle.NewFile("people", map[dataset.Key]float64{key: .75})
	if err != nil {
		fmt.Println(err)
		return
	}
	label, err := o.Label(context.Background(), providers.Tag{Key: key}, dataset.Prompt{}, "Paris.")
	fmt.Println(label, err)
	key.PromptID = "p2"
	_, err = o.Label(context.Background(), providers.Tag{Key: key}, dataset.Prompt{}, "Rome.")
	var unlabeled *judge.UnscoredError
	fmt.Println(errors.As(err, &unlabeled), unlabeled.Reason)
	// Output:
	// 0.75 <nil>
	// true missing
}

// Half of the logged responses calibrate, one response of the target probes.
func ExampleDesign_Assign() {
	var keys []dataset.Key
	for _, id := range []string{"p1", "p2", "p3", "p4"} {
		keys = append(keys, dataset.Key{PromptID: id, Policy: "p0"}, dataset.Key{PromptID: id, Policy: "pi_cot"})
	}
	probes := 0
	for _, a := range (oracle.Design{Seed: 42, Fraction: .5, Probes: 1}).Assign(keys, "p0") {
		if a.Role == oracle.RoleProbe {
			probes++
		}
		fmt.Println(a.Key, a.Role, a.InclusionProb)
	}
	fmt.Println(probes, "probe")
	// Output:
	// p3/p0/0 calibration 0.5
	// p4/p0/0 calibration 0.5
	// p4/pi_cot/0 probe 0.25
	// 1 probe
}

// A record holds a label or an error, never a number that stands for one.
func ExampleRecord() {
	o, err := oracle.NewLabeler(judge.Config{Name: "gpt-4o", Generator: canned("Very good!"), Model: "gpt-4o"})
	if err != nil {
		fmt.Println(err)
		return
	}
	a := oracle.Assignment{Key: dataset.Key{PromptID: "p1", Policy: "p0"}, InclusionProb: dataset.Known(1),
		Role: oracle.RoleCalibration}
	label, err := o.Label(context.Background(), providers.Tag{Key: a.Key}, dataset.Prompt{}, "Paris.")
	r := oracle.Record(a, "0123456789abcdef", o, label, err)
	fmt.Println(r.Key(), r.Label.Valid(), r.Error.Class)
	// Output:
	// p1/p0/0 false unparsable
}

// Labels spread over the range of the judge's scores, whatever most scores are.
func ExampleDesign_AssignByScore() {
	scores := map[dataset.Key]float64{}
	for i, s := range []float64{.9, .85, .9, .95, .9, .85, .2, .9} {
		scores[dataset.Key{PromptID: fmt.Sprintf("p%d", i), Policy: "p0"}] = s
	}
	for _, a := range (oracle.Design{Seed: 42, Fraction: .5, Strata: 2}).AssignByScore(scores, "p0") {
		fmt.Printf("%s scored %.2f: chosen with probability %.3f\n", a.Key, scores[a.Key], a.InclusionProb.OrNaN())
	}
	// Output:
	// p3/p0/0 scored 0.95: chosen with probability 0.429
	// p4/p0/0 scored 0.90: chosen with probability 0.429
	// p6/p0/0 scored 0.20: chosen with probability 1.000
	// p7/p0/0 scored 0.90: chosen with probability 0.429
}

// instant stands for a batch.Runner.
type instant struct{}

func (instant) Run(_ context.Context, _ batch.Config,
	requests []providers.GenerateRequest) (map[providers.Tag]batch.Result, error) {
	out := map[providers.Tag]batch.Result{}
	for _, r := range requests {
		out[r.Tag] = batch.Result{Generation: providers.Generation{Text: `{"reason": "Right.", "label": 90}`,
			FinishReason: "stop"}}
	}
	return out, nil
}

func ExampleLabeler_LabelBatch() {
	o, err := oracle.NewLabeler(judge.Config{Name: "gpt-4o", Generator: canned(""), Model: "gpt-4o"})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := dataset.Key{PromptID: "p1", Policy: "p0"}
	items := []oracle.Item{{
		Tag:    providers.Tag{Stage: "oracle", Key: key},
		Prompt: dataset.Prompt{ID: "p1", Text: "What is the capital of France?"}, Response: "Paris.",
	}}
	config := batch.Config{Store: &batch.MemoryStore{}, Run: "2026-11-25"}
	outcomes, err := o.LabelBatch(context.Background(), instant{}, config, items)
	fmt.Println(outcomes[0].Label.OrNaN(), outcomes[0].Err, err)
	// Output:
	// 0.9 <nil> <nil>
}

// Two labels of one response show how well the oracle agrees with itself.
func ExampleDuplicateVariance() {
	labels := []dataset.OracleLabel{
		{PromptID: "p1", Policy: "p0", Role: oracle.RoleCalibration, Label: dataset.Known(.8)},
		{PromptID: "p1", Policy: "p0", Role: oracle.RoleDuplicate, Label: dataset.Known(.7)},
		{PromptID: "p2", Policy: "p0", Role: oracle.RoleCalibration, Label: dataset.Known(.4)},
	}
	variance, n := oracle.DuplicateVariance(labels)
	fmt.Printf("sd %.3f from %d pair\n", math.Sqrt(variance.OrNaN()), n)
	// Output:
	// sd 0.071 from 1 pair
}

// The seed plan's hundred labels, over a logging policy and three targets; and sixty, which
// are too few for all of them.
func ExampleShare() {
	responses := map[string]int{"p0": 100, "pi_bad": 100, "pi_bigger_model": 100, "pi_cot": 100}
	fmt.Println(oracle.Share(100, "p0", responses, nil))
	fmt.Println(oracle.Share(60, "p0", responses, nil))
	// Output:
	// map[p0:25 pi_bad:25 pi_bigger_model:25 pi_cot:25]
	// map[p0:25 pi_bad:18 pi_bigger_model:17]
}

// Two responses have nearly all of a target's weight, and are labeled in any case; the others
// share the two labels that are left.
func ExampleDesign_AssignBySize() {
	s := offpolicy.Samples{Logging: "p0"}
	for i, w := range []float64{4, .1, .2, .1, 4, .2, .1, .2} {
		s.Rows = append(s.Rows, offpolicy.Row{PromptID: fmt.Sprintf("p%d", i), LogProbs: map[string]dataset.Float{
			"p0": dataset.Known(-10), "pi": dataset.Known(-10 + math.Log(w))}})
	}
	sizes := map[dataset.Key]float64{}
	for i, size := range offpolicy.LabelSizes(s, nil, offpolicy.Aim{Policy: "pi"}) {
		sizes[dataset.Key{PromptID: s.Rows[i].PromptID, Policy: "p0"}] = size
	}
	drawn, p := oracle.Design{Seed: 42, Fraction: .5}.AssignBySize(sizes, "p0")
	for _, a := range drawn {
		fmt.Printf("%s: chosen with probability %.2f\n", a.Key, a.InclusionProb.OrNaN())
	}
	fmt.Printf("p1 was not, with probability %.2f\n", p[dataset.Key{PromptID: "p1", Policy: "p0"}].OrNaN())
	// Output:
	// p0/p0/0: chosen with probability 1.00
	// p3/p0/0: chosen with probability 0.33
	// p4/p0/0: chosen with probability 1.00
	// p7/p0/0: chosen with probability 0.33
	// p1 was not, with probability 0.33
}

// A response that the oracle declines gives way to the next of the same draw.
func ExampleDesign_AssignAround() {
	var keys []dataset.Key
	for _, id := range []string{"p1", "p2", "p3", "p4", "p5", "p6"} {
		keys = append(keys, dataset.Key{PromptID: id, Policy: "p0"})
	}
	d := oracle.Design{Seed: 42, Shares: map[string]int{"p0": 2}}
	first := d.Assign(keys, "p0")
	fmt.Println(first[0].Key, first[1].Key, "with probability", first[0].InclusionProb)
	again := d.AssignAround(keys, "p0", map[dataset.Key]bool{first[0].Key: true})
	fmt.Printf("%d were tried; the probability of each is %.3f\n", len(again), again[0].InclusionProb.OrNaN())
	// Output:
	// p3/p0/0 p4/p0/0 with probability 0.3333333333333333
	// 3 were tried; the probability of each is 0.667
}
