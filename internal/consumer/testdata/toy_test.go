package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
	"github.com/reweigh/reweigh/providers/sim"
)

func TestToyConforms(t *testing.T) {
	providertest.Run(t, func(*testing.T) providers.Provider { return toy{} },
		providertest.Options{Model: "toy", LogProbs: true, Score: true, Seeded: true, TokenIDs: true})
}

// TestToyIsShort holds the promise that a provider is little work.
func TestToyIsShort(t *testing.T) {
	b, err := os.ReadFile("toy.go")
	if n := bytes.Count(b, []byte("\n")); err != nil || n >= 60 {
		t.Errorf("toy.go has %d lines (%v)", n, err)
	}
}

// silent is a toy without chat.
type silent struct{ toy }

func (s silent) Generate(ctx context.Context, r providers.GenerateRequest) (providers.Generation, error) {
	if len(r.Messages) > 0 {
		return providers.Generation{}, errors.ErrUnsupported
	}
	return s.toy.Generate(ctx, r)
}

func TestSilentToyConforms(t *testing.T) {
	providertest.Run(t, func(*testing.T) providers.Provider { return silent{} }, providertest.Options{Model: "toy",
		CompletionsOnly: true, LogProbs: true, Score: true, Seeded: true, TokenIDs: true})
}

func TestToyRunsThePilot(t *testing.T) {
	for _, p := range []providers.Provider{toy{}, silent{}} {
		t.Run(fmt.Sprintf("%T", p), func(t *testing.T) { runs(t, p) })
	}
}

func runs(t *testing.T, p providers.Provider) {
	server := sim.New(sim.Config{})
	defer server.Close()
	openai, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: "http://sim/v1", Key: providers.NewSecret("k"),
		HTTP: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	prices, err := providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "prices")
	if err != nil {
		t.Fatal(err)
	}
	prices.Models = maps.Clone(prices.Models)
	prices.Models["toy"] = providers.Price{Input: 1, Output: 1, BytesPerToken: 1}
	arm := func(name, system string, role record.Role) record.Arm {
		return record.Arm{Role: role, ExpectedTokens: 45, Policy: offpolicy.Policy{Name: name, Model: "toy", System: system,
			Template: "llama4",
			Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 80}}}
	}
	var prompts []dataset.Prompt
	for i := range 30 {
		prompts = append(prompts, dataset.Prompt{ID: fmt.Sprintf("q%02d", i), Text: fmt.Sprintf("question number %d", i)})
	}
	v, err := pilot.Run(t.Context(), pilot.Config{
		Dir: t.TempDir(), Prompts: prompts, Arms: []record.Arm{arm("p0", "", record.Logging), arm("twin", "", record.Clone),
			arm("other", "Be brief.", record.Target)},
		Policies: p, Grader: openai, Prices: prices, Labels: oracle.Design{Fraction: 1},
		Judge: func(g judge.Generator) (judge.Scorer, error) {
			return judge.NewInterval(judge.Config{Name: "interval", Generator: g, Model: sim.JudgeModel})
		},
		Oracle: func(g judge.Generator) (oracle.Oracle, error) {
			return oracle.NewLabeler(judge.Config{Name: "oracle", Generator: g, Model: sim.OracleModel})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if v.State != "done" {
		t.Fatalf("%s: %q", v.State, v.Reasons)
	}
	for _, c := range v.Checks {
		switch c.ID {
		case "endpoint.certified", "logprobs.complete", "logprobs.sign", "weights.clone", "weights.identical", "run.errors":
			if c.Status != record.Pass {
				t.Errorf("%s is %s: %s", c.ID, c.Status, c.Summary)
			}
		}
	}
	t.Logf("%s %q", v.Decision, v.Reasons)
}
