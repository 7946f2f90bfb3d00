package check_test

import (
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/check"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// Records of one's own are checked like a run's. What is not there holds or fails.
func ExampleRun() {
	r := &record.Records{Arms: record.PlanArms(),
		Prompts: record.PromptRows([]dataset.Prompt{{ID: "a", Text: "Hello."}, {ID: "a", Text: "Good evening."}})}
	for _, f := range check.Run(check.Input{Records: r, Thresholds: check.DefaultThresholds()}, nil)[:2] {
		fmt.Println(f.ID, f.Status)
	}
	// Output:
	// prompts.fields pass
	// prompts.unique fail
}

// Every run has these checks, and one of transport for each target.
func ExampleFor() {
	checks := check.For(record.PlanArms())
	fmt.Println(checks[0].ID, checks[len(checks)-1].ID)
	for _, c := range checks {
		if c.PerTarget {
			fmt.Println(c.ID)
		}
	}
	// Output:
	// prompts.fields run.ratelimit
	// transport.pi_cot
	// transport.pi_bigger_model
	// transport.pi_bad
}

// Start from the defaults: a zero field is a threshold of zero.
func ExampleDefaultThresholds() {
	t := check.DefaultThresholds()
	t.Truncated = .5 // this pilot's answers are long on purpose
	fmt.Println(t.Truncated, t.CostPass, t.CostHold)
	// Output:
	// 0.5 0.2 0.5
}
