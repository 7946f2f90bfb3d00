package forecast_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot/forecast"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/healthy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
	"github.com/reweigh/reweigh/teacherforce"
)

// nobody scores no prompt: what a run costs is known without asking.
type nobody struct{ teacherforce.PromptScorer }

// What two prompts under the plan's policies will take, before anything is sent.
func ExampleWork_Cost() {
	prices, err := providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "the simulator's prices")
	if err != nil {
		log.Fatal(err)
	}
	dry := &forecast.DryRun{}
	scorer, err := judge.NewInterval(judge.Config{Name: "judge", Generator: dry, Model: sim.JudgeModel})
	if err != nil {
		log.Fatal(err)
	}
	labeler, err := oracle.NewLabeler(judge.Config{Name: "oracle", Generator: dry, Model: sim.OracleModel})
	if err != nil {
		log.Fatal(err)
	}
	forcer, err := teacherforce.New(teacherforce.Config{Scorer: nobody{}})
	if err != nil {
		log.Fatal(err)
	}
	work := forecast.Work{
		Prompts: []dataset.Prompt{{ID: "a", Text: "Hello."}, {ID: "b", Text: "Good evening."}}, Arms: record.PlanArms(),
		Labels: oracle.Design{Fraction: 1}, Dry: dry, Judge: scorer, Oracle: labeler, Forcer: forcer, Prices: prices,
		Concurrency: 16,
	}
	e, err := work.Cost(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range e.Stages {
		fmt.Println(s.Name, s.Calls)
	}
	// Output:
	// certify 60
	// p0 2
	// targets 8
	// logprobs 20
	// oracle 2
	// judge 10
	// canaries 10
}

// A sample of 100 prompts, at five calls of $0.002 each, says what 10,000 will cost, and
// for which policies they will answer.
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
