package pilot_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/arenagen"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// A pilot of 40 prompts against the simulator. With keys of one's own and
// without the in-memory HTTP client, the same code runs against the real
// services.
func ExampleRun() {
	server := sim.New(sim.Config{})
	defer server.Close()
	fireworks, err := providers.NewFireworks(providers.HTTPConfig{BaseURL: "http://sim/inference/v1", Key: providers.NewSecret("key"), HTTP: server.Client()})
	if err != nil {
		log.Fatal(err)
	}
	openai, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: "http://sim/v1", Key: providers.NewSecret("key"), HTTP: server.Client()})
	if err != nil {
		log.Fatal(err)
	}
	prices, err := providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "the simulator's prices")
	if err != nil {
		log.Fatal(err)
	}
	var prompts []dataset.Prompt
	for i, text := range arenagen.Prompts(40, 1) {
		prompts = append(prompts, dataset.Prompt{ID: fmt.Sprintf("q%02d", i), Text: text})
	}
	dir, err := os.MkdirTemp("", "pilot")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	verdict, err := pilot.Run(context.Background(), pilot.Config{
		Dir: dir, Prompts: prompts, Input: pilot.Input{Name: "example"}, Arms: pilot.PlanArms(), Seed: 1,
		Policies: fireworks, Grader: openai, Prices: prices, Budget: 1,
		Judge: func(g judge.Generator) (judge.Scorer, error) {
			return judge.NewInterval(judge.Config{Name: "interval", Generator: g, Model: "gpt-4o-mini"})
		},
		Oracle: func(g oracle.Generator) (oracle.Oracle, error) {
			return oracle.NewLabeler(oracle.Config{Name: "oracle", Generator: g, Model: "gpt-4o"})
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

// Policies are read from JSON. Every sampling setting must be stated.
func ExampleReadArms() {
	_, err := pilot.ReadArms(strings.NewReader(`[
		{"name": "now", "role": "logging", "model": "m", "template": "llama4",
		 "temperature": 1, "top_p": 1, "top_k": 0, "max_tokens": 512, "expected_tokens": 300},
		{"name": "next", "role": "target", "model": "n", "template": "llama4",
		 "top_p": 1, "top_k": 0, "max_tokens": 512, "expected_tokens": 300}
	]`), "policies.json")
	fmt.Println(err)
	// Output:
	// pilot: policies.json: policy 2 ("next") does not state temperature: a server's defaults must never decide
}

// A waived check stays what it is and does not count; the decision names it.
func ExampleDecide() {
	decision, reasons := pilot.Decide([]pilot.Check{
		{ID: "logprobs.zero", Status: pilot.Pass, Summary: "no unexplained 0.0"},
		{ID: "cost.estimate", Status: pilot.Fail, Summary: "60% over", Waived: "prices rose yesterday"},
	})
	fmt.Println(decision)
	for _, r := range reasons {
		fmt.Println(r)
	}
	// Output:
	// GO
	// waived (prices rose yesterday): cost.estimate: 60% over
}
