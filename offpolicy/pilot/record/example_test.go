package record_test

import (
	"fmt"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// The plan's policies, one of which logs.
func ExamplePlanArms() {
	for _, a := range record.PlanArms() {
		fmt.Println(a.Policy.Name, a.Role)
	}
	// Output:
	// p0 logging
	// pi_clone clone
	// pi_cot target
	// pi_bigger_model target
	// pi_bad target
}

// Policies are read from JSON. Every sampling setting must be stated.
func ExampleReadArms() {
	_, err := record.ReadArms(strings.NewReader(`[
		{"name": "now", "role": "logging", "model": "m", "template": "llama4",
		 "temperature": 1, "top_p": 1, "top_k": 0, "max_tokens": 512, "expected_tokens": 300},
		{"name": "next", "role": "target", "model": "n", "template": "llama4",
		 "top_p": 1, "top_k": 0, "max_tokens": 512, "expected_tokens": 300}
	]`), "policies.json")
	fmt.Println(err)
	// Output:
	// record: policies.json: policy 2 ("next") does not state temperature: a server's defaults must never decide
}

// A waived check stays what it is and does not count; the decision names it.
func ExampleDecide() {
	decision, reasons := record.Decide([]record.Finding{
		{ID: "logprobs.zero", Status: record.Pass, Summary: "no unexplained 0.0"},
		{ID: "cost.estimate", Status: record.Fail, Summary: "60% over", Waived: "prices rose yesterday"},
	})
	fmt.Println(decision)
	for _, r := range reasons {
		fmt.Println(r)
	}
	// Output:
	// GO
	// waived (prices rose yesterday): cost.estimate: 60% over
}

// Rows are read one at a time, or by their key.
func ExampleRows() {
	scores := record.NewRows([]dataset.JudgeScore{
		{PromptID: "a", Policy: "p0", Mean: dataset.Known(0.7)},
		{PromptID: "b", Policy: "p0"},
	}, dataset.JudgeScore.Key)
	for key, s := range scores.All() {
		fmt.Println(key, s.Mean.Valid())
	}
	s, ok := scores.Get(dataset.Key{PromptID: "a", Policy: "p0"})
	fmt.Println(ok, s.Mean)
	// Output:
	// a/p0/0 true
	// b/p0/0 false
	// true 0.7
}

// Every setting that a remedy can name is a field of the pilot's configuration; a program
// has a word for each.
func ExampleFields() {
	fmt.Println(len(record.Fields()) > 0, record.Fields()[0])
	// Output:
	// true Dir
}

// A remedy names fields; the program that was started says them by its flags.
func ExampleRemedy() {
	r := record.Do("give newer prices", record.FieldPrices)
	fmt.Println(r)
	r.Changes[0].As = "-prices"
	fmt.Println(r)
	// Output:
	// give newer prices (Prices)
	// give newer prices (-prices)
}
