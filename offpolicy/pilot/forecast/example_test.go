package forecast_test

import (
	"fmt"

	"github.com/reweigh/reweigh/offpolicy/pilot/forecast"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/healthy"
)

// A sample of 100 prompts, at five calls of $0.002 each, says what 10,000 will cost.
func ExampleProject() {
	sample := healthy.New(100, 1)
	sample.Full, sample.Resolution = 10_000, 0.02
	p := forecast.Project(sample.Evaluated())
	fmt.Printf("%d prompts, about $%.2f\n", p.Prompts, p.USD.Value.OrNaN())
	for _, q := range p.Questions {
		fmt.Println(q.Policy, q.FullRun)
	}
	// Output:
	// 10000 prompts, about $100.00
	// p0 yes
	// pi_cot at best
	// pi_bigger_model no
	// pi_bad no
}
