package oracle_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
)

// canned stands for a *providers.Client.
type canned string

func (c canned) Generate(context.Context, providers.GenerateRequest) (providers.Generation, error) {
	return providers.Generation{Text: string(c), FinishReason: "stop"}, nil
}

func ExampleNewLabeler() {
	o, err := oracle.NewLabeler(oracle.Config{
		Name:      "gpt-4o",
		Generator: canned(`{"reason": "Right, and nothing is missing.", "label": 97}`),
		Model:     "gpt-4o",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := dataset.Key{PromptID: "p1", Policy: "p0"}
	tag := providers.Tag{Stage: "oracle", Key: key.String(), Policy: key.Policy}
	prompt := dataset.Prompt{ID: "p1", Text: "What is the capital of France?"}
	label, err := o.Label(context.Background(), tag, key, prompt, "Paris.")
	fmt.Println(label, err)
	// Output:
	// 0.97 <nil>
}

// Labels given by people come from a file, and a mistake in it has a line.
func ExampleReadLabels() {
	labels, err := oracle.ReadLabels(strings.NewReader("prompt_id,policy,draw_idx,label\np1,p0,0,0.9\np2,p0,0,0.4\n"), "people.csv", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	o, err := oracle.NewFile("people", labels)
	if err != nil {
		fmt.Println(err)
		return
	}
	label, err := o.Label(context.Background(), providers.Tag{}, dataset.Key{PromptID: "p2", Policy: "p0"}, dataset.Prompt{}, "")
	fmt.Println(label, err)

	_, err = oracle.ReadLabels(strings.NewReader("prompt_id,policy,draw_idx,label\np1,p0,0,90\n"), "people.csv", nil)
	fmt.Println(err)
	// Output:
	// 0.4 <nil>
	// oracle: read labels: people.csv:2: label 90 is not in [0, 1]; map labels to [0, 1] before they come here: the scale is not guessed
}

// Half of the logged responses calibrate, one response of the target probes.
func ExampleDesign() {
	var keys []dataset.Key
	for _, id := range []string{"p1", "p2", "p3", "p4"} {
		keys = append(keys, dataset.Key{PromptID: id, Policy: "p0"}, dataset.Key{PromptID: id, Policy: "pi_cot"})
	}
	for _, a := range (oracle.Design{Seed: 42, Fraction: .5, Probes: 1}).Assign(keys, "p0") {
		fmt.Println(a.Key, a.Role, a.InclusionProb)
	}
	// Output:
	// p3/p0/0 calibration 0.5
	// p4/p0/0 calibration 0.5
	// p4/pi_cot/0 probe 0.25
}

// A record holds a label or an error, never a number that stands for one.
func ExampleRecord() {
	o, err := oracle.NewLabeler(oracle.Config{Name: "gpt-4o", Generator: canned("Very good!"), Model: "gpt-4o"})
	if err != nil {
		fmt.Println(err)
		return
	}
	a := oracle.Assignment{Key: dataset.Key{PromptID: "p1", Policy: "p0"}, InclusionProb: 1, Role: oracle.RoleCalibration}
	label, err := o.Label(context.Background(), providers.Tag{}, a.Key, dataset.Prompt{}, "Paris.")
	r := oracle.Record(a, "0123456789abcdef", o, label, err)
	fmt.Println(r.Key(), r.Label.Valid(), r.Error.Class)
	// Output:
	// p1/p0/0 false unparsable
}
