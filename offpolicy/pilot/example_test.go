package pilot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/arenagen"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// A pilot of 30 prompts against the simulator. With keys of one's own and
// without the in-memory HTTP client, the same code runs against the real
// services.
func ExampleRun() {
	server := sim.New(sim.Config{})
	defer server.Close()
	fireworks, err := providers.NewFireworks(providers.HTTPConfig{BaseURL: "http://sim/inference/v1",
		Key: providers.NewSecret("key"), HTTP: server.Client()})
	if err != nil {
		log.Fatal(err)
	}
	openai, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: "http://sim/v1", Key: providers.NewSecret("key"),
		HTTP: server.Client()})
	if err != nil {
		log.Fatal(err)
	}
	prices, err := providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "the simulator's prices")
	if err != nil {
		log.Fatal(err)
	}
	var prompts []dataset.Prompt
	for i, text := range arenagen.Prompts(30, 1) {
		prompts = append(prompts, dataset.Prompt{ID: fmt.Sprintf("q%02d", i), Text: text})
	}
	dir, err := os.MkdirTemp("", "pilot")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	verdict, err := pilot.Run(context.Background(), pilot.Config{
		Dir: dir, Prompts: prompts, Input: record.Input{Name: "example"}, Arms: record.PlanArms(), Seed: 1,
		Policies: fireworks, Grader: openai, Prices: prices, Budget: 1,
		Judge: func(g judge.Generator) (judge.Scorer, error) {
			return judge.NewInterval(judge.Config{Name: "interval", Generator: g, Model: "gpt-4o-mini"})
		},
		Oracle: func(g judge.Generator) (oracle.Oracle, error) {
			return oracle.NewLabeler(judge.Config{Name: "oracle", Generator: g, Model: "gpt-4o"})
		},
		Labels: oracle.Design{Fraction: 1},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(verdict.Decision)
	for _, p := range verdict.Policies {
		if p.Weights != nil {
			fmt.Printf("%s: weights usable: %v\n", p.Name, p.Weights.Usable)
		}
	}
	// Output:
	// GO
	// pi_clone: weights usable: true
	// pi_cot: weights usable: false
	// pi_bigger_model: weights usable: false
	// pi_bad: weights usable: false
}

// simulated readies a pilot of n prompts against the simulator.
func simulated(server *sim.Server, dir string, n int) (c pilot.Config, err error) {
	c = pilot.Config{
		Dir: dir, Input: record.Input{Name: "example"}, Arms: record.PlanArms(), Seed: 1,
		Labels: oracle.Design{Fraction: .5, Strata: 4},
		Judge: func(g judge.Generator) (judge.Scorer, error) {
			return judge.NewDeterministic(judge.Config{Name: "judge", Generator: g, Model: "gpt-4o-mini"})
		},
		Oracle: func(g judge.Generator) (oracle.Oracle, error) {
			return oracle.NewLabeler(judge.Config{Name: "oracle", Generator: g, Model: "gpt-4o"})
		},
	}
	for i, text := range arenagen.Prompts(n, 1) {
		c.Prompts = append(c.Prompts, dataset.Prompt{ID: fmt.Sprintf("q%02d", i), Text: text})
	}
	key := providers.NewSecret("key")
	if c.Policies, err = providers.NewFireworks(providers.HTTPConfig{BaseURL: "http://sim/inference/v1", Key: key,
		HTTP: server.Client()}); err != nil {
		return c, err
	}
	if c.Grader, err = providers.NewOpenAI(providers.HTTPConfig{BaseURL: "http://sim/v1", Key: key,
		HTTP: server.Client()}); err != nil {
		return c, err
	}
	c.Prices, err = providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "the simulator's prices")
	return c, err
}

// What a pilot would take, and what keeps it from starting, before anything is
// spent.
func ExampleRunPreflight() {
	server := sim.New(sim.Config{})
	defer server.Close()
	c, err := simulated(server, "never-made", 50)
	if err != nil {
		log.Fatal(err)
	}
	pf, err := pilot.RunPreflight(context.Background(), c)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range pf.Cost.Stages {
		if s.Name == "judge" || s.Name == "oracle" {
			fmt.Println(s.Name, s.Calls, "calls")
		}
	}
	c.Budget = .01
	_, err = pilot.RunPreflight(context.Background(), c)
	var refused *pilot.PreflightError
	fmt.Println(errors.As(err, &refused), errors.Is(err, providers.ErrBudget))
	fmt.Println(server.Bill().Total.Calls, "calls were paid for")
	// Output:
	// oracle 25 calls
	// judge 250 calls
	// true true
	// 0 calls were paid for
}

// A pilot of 26 prompts, made in two parts that could be on two machines, and put together.
func ExampleMerge() {
	server := sim.New(sim.Config{})
	defer server.Close()
	dir, err := os.MkdirTemp("", "pilot")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	parts := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	for i, part := range parts {
		c, err := simulated(server, part, 26)
		if err != nil {
			log.Fatal(err)
		}
		c.Arms, c.Labels = c.Arms[:3], oracle.Design{Fraction: 1}
		c.Shard = pilot.Shard{Index: i, Of: len(parts)}
		if _, err := pilot.Run(context.Background(), c); err != nil {
			log.Fatal(err)
		}
	}
	_, err = pilot.Merge(filepath.Join(dir, "half"), parts[0])
	var refused *pilot.MergeError
	fmt.Println(errors.As(err, &refused), err)
	verdict, err := pilot.Merge(filepath.Join(dir, "all"), parts...)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(verdict.State, verdict.Run.Prompts, "prompts:", verdict.Decision)
	// Output:
	// true pilot: merge: the folders of shards 1 of 2 are missing
	// done 26 prompts: GO
}

// The responses that people are to label: both of the logging policy, and one of
// each target.
func ExampleConfig_LabelKeys() {
	c := pilot.Config{
		Prompts: []dataset.Prompt{{ID: "a", Text: "Hello."}, {ID: "b", Text: "Good evening."}}, Arms: record.PlanArms(),
		Seed:   1,
		Labels: oracle.Design{Probes: 1},
	}
	for _, k := range c.LabelKeys() {
		fmt.Println(k)
	}
	// Output:
	// a/p0/0
	// a/pi_bigger_model/0
	// b/p0/0
	// b/pi_bad/0
	// b/pi_clone/0
	// b/pi_cot/0
}
