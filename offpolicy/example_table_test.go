package offpolicy_test

import (
	"errors"
	"fmt"
	"math"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// Two workers read a part of the logs each. What they hold goes to a third as bytes, which
// puts the parts together and evaluates the whole.
func ExampleTable() {
	sampling := dataset.Scored{Distribution: dataset.SamplingDistribution}
	plan := offpolicy.Plan{Logging: "p0", Judge: "rubric@1",
		Scored: map[string]dataset.Scored{"p0": sampling, "warmer": sampling}}
	var states [][]byte
	for part := range 2 {
		t := offpolicy.NewTable(plan)
		for i := part; i < 400; i += 2 {
			score := float64(i*37%400) / 400
			row := offpolicy.Row{PromptID: fmt.Sprint("q", i), Score: dataset.Known(score), LogProbs: map[string]dataset.Float{
				"p0": dataset.Known(-20), "warmer": dataset.Known(-20 + math.Log(.5+score))}}
			if i%4 == 0 {
				row.Label = dataset.Known(.2 + .5*score + .1*float64(i%3))
			}
			t.AddRow(row)
			// Its own scores have the density that the weights say, .5 + score.
			own := math.Sqrt(.25+2*score) - .5
			t.AddDraw("warmer", offpolicy.Draw{PromptID: row.PromptID, Score: dataset.Known(own)})
		}
		state, err := t.MarshalBinary()
		if err != nil {
			fmt.Println(err)
			return
		}
		states = append(states, state)
	}
	whole := offpolicy.NewTable(plan)
	for _, state := range states {
		var part offpolicy.Table
		if err := part.UnmarshalBinary(state); err != nil {
			fmt.Println(err)
			return
		}
		if err := whole.Merge(&part); err != nil {
			fmt.Println(err)
			return
		}
	}
	r, err := whole.Evaluate(offpolicy.Config{Seed: 42})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(r)

	other := offpolicy.NewTable(offpolicy.Plan{Logging: "p0", Judge: "rubric@2"})
	err = offpolicy.NewTable(plan).Merge(other)
	fmt.Println("another judge's part refused:", errors.Is(err, offpolicy.ErrOtherPlan))
	// Output:
	// policy  value  95% interval    by
	// p0      0.549  [0.526, 0.572]  dr
	// warmer  0.592  [0.568, 0.615]  dr
	//
	// difference           95% interval      p (Holm)
	// warmer - p0  +0.042  [+0.037, +0.048]  1.64e-26
	// another judge's part refused: true
}
