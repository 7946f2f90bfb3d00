package providers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
	"github.com/reweigh/reweigh/providers/sim"
)

// named returns a provider that answers with its own name and the model it was asked for.
func named(name string, models ...string) providers.Provider {
	return providertest.Func{ProviderName: name,
		OnGenerate: func(_ context.Context, req providers.GenerateRequest) (providers.Generation, error) {
			if strings.HasPrefix(req.Model, "bad") {
				return providers.Generation{}, &providers.Error{Op: "generate", Provider: name, Model: req.Model,
					Class: providers.ClassModelNotFound}
			}
			return providers.Generation{Text: name, FinishReason: providers.FinishStop, Usage: &providers.Usage{},
				Meta: providers.Meta{Model: req.Model}}, nil
		},
		OnModels: func(context.Context) ([]providers.Model, error) {
			var out []providers.Model
			for _, m := range models {
				out = append(out, providers.Model{ID: m, Serverless: true})
			}
			return out, nil
		}}
}

func ask(model string) providers.GenerateRequest {
	return providers.GenerateRequest{Model: model, Prompt: "x", Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1,
		MaxTokens: 1}}
}

func TestRouter(t *testing.T) {
	r, err := providers.NewRouter(
		providers.Endpoint{Name: "local", Provider: named("l", "Qwen/Qwen3-8B"), Free: true},
		providers.Endpoint{Name: "o", Provider: named("o", "gpt-4o", "bad/one")})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ model, by, local, served, reason string }{
		{"Qwen/Qwen3-8B", "l", "Qwen/Qwen3-8B", "Qwen/Qwen3-8B", "what stands before the slash is no endpoint"},
		{"local/Qwen/Qwen3-8B", "l", "Qwen/Qwen3-8B", "local/Qwen/Qwen3-8B", "the first slash alone separates"},
		{"o/gpt-4o", "o", "gpt-4o", "o/gpt-4o", "it names its endpoint"},
		{"gpt-4o", "l", "gpt-4o", "gpt-4o", "the first endpoint is the default"},
		{"o", "l", "o", "o", "an endpoint alone names no model"},
		{"o/", "l", "o/", "o/", "nor does this"},
		{"O/gpt-4o", "l", "O/gpt-4o", "O/gpt-4o", "names are told apart by case"},
	}
	for _, tt := range tests {
		e, local := r.Route(tt.model)
		g, err := r.Generate(context.Background(), ask(tt.model))
		if err != nil || local != tt.local || g.Text != tt.by || g.Meta.Model != tt.served || r.NameOf(tt.model) != e.Name {
			t.Errorf("%s: %q of %s, answered as %q by %q, %v (%s)", tt.model, local, e.Name, g.Meta.Model, g.Text, err,
				tt.reason)
		}
	}
	var e *providers.Error
	if _, err := r.Generate(context.Background(), ask("o/bad/one")); !errors.As(err, &e) || e.Model != "o/bad/one" {
		t.Errorf("the error names the model as its endpoint has it: %v", err)
	}
	listed, err := r.Models(context.Background())
	var ids []string
	for _, m := range listed {
		ids = append(ids, m.ID)
	}
	if want := []string{"Qwen/Qwen3-8B", "local/Qwen/Qwen3-8B", "o/gpt-4o", "o/bad/one"}; err != nil ||
		!slices.Equal(ids, want) {
		t.Errorf("listed are %q, want %q: %v", ids, want, err)
	}
	for _, names := range [][]string{{}, {"a", "a"}, {"a/b"}, {""}, {"-a"}, {"a b"}} {
		var es []providers.Endpoint
		for _, n := range names {
			es = append(es, providers.Endpoint{Name: n, Provider: named(n)})
		}
		if _, err := providers.NewRouter(es...); err == nil {
			t.Errorf("endpoints named %q were taken", names)
		}
	}
}

// TestRouterPrices: 0 is a price, and a model without one is not free but on an endpoint
// that is.
func TestRouterPrices(t *testing.T) {
	r, err := providers.NewRouter(providers.Endpoint{Name: "local", Provider: named("l"), Free: true},
		providers.Endpoint{Name: "far", Provider: named("f")})
	if err != nil {
		t.Fatal(err)
	}
	given := providers.Prices{Date: "2026-01-01", Models: map[string]providers.Price{"dear": {Input: 3, Output: 3},
		"far/x": {Input: 5, Output: 5}, "x": {Input: 7, Output: 7}, "gift": {}}}
	got := r.Prices(given, "m", "local/m", "dear", "local/dear", "far/dear", "far/x", "far/gift", "far/unknown",
		"local/x")
	for model, want := range map[string]providers.PerMTok{"m": 0, "local/m": 0, "dear": 3, "local/dear": 3, "far/dear": 3,
		"far/x": 5, "far/gift": 0, "local/x": 7} {
		if p, err := got.For(model); err != nil || p.Input != want {
			t.Errorf("%s costs %v, want %v: %v", model, p.Input, want, err)
		}
	}
	if _, err := got.For("far/unknown"); !errors.Is(err, providers.ErrNoPrice) {
		t.Errorf("a remote model without a price: %v", err)
	}
	if len(given.Models) != 4 {
		t.Error("the table that was given was changed")
	}
}

// TestRouterOverTwoKinds: two models on two servers of different kinds, through one
// client.
func TestRouterOverTwoKinds(t *testing.T) {
	s := sim.New(sim.Config{})
	defer s.Close()
	open := func(k providers.Kind, url string) providers.Provider {
		p, err := providers.NewOfKind(k, string(k), "", providers.HTTPConfig{BaseURL: url, HTTP: s.Client(),
			Key: providers.NewSecret("any")})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	r, err := providers.NewRouter(
		providers.Endpoint{Name: "a", Provider: open(providers.KindVLLM, s.VLLMURL()), Free: true},
		providers.Endpoint{Name: "b", Provider: open(providers.KindFireworks, s.FireworksURL()), Free: true})
	if err != nil {
		t.Fatal(err)
	}
	models := []string{"a/" + sim.ScoutModel, "b/" + sim.MaverickModel}
	var ledger providers.MemoryLedger
	c, err := providers.NewClient(r, providers.ClientConfig{Ledger: &ledger,
		Prices: r.Prices(providers.Prices{}, models...)})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		score, err := c.ScorePrompt(context.Background(), providers.ScoreRequest{Model: m, Prompt: "Hello there."})
		if err != nil || len(score.Tokens) == 0 || score.Meta.Model != m {
			t.Errorf("%s: %d tokens of %q, %v", m, len(score.Tokens), score.Meta.Model, err)
		}
	}
	var by []string
	for _, e := range ledger.Entries() {
		by = append(by, e.Provider+" "+e.Model)
	}
	if want := []string{"a " + models[0], "b " + models[1]}; !slices.Equal(by, want) {
		t.Errorf("the ledger has %q, want %q", by, want)
	}
	if !providers.ScoresChats(r) {
		t.Error("an endpoint scores conversations, and the router does not")
	}
	if _, err := r.ScoreChat(context.Background(), providers.ChatScoreRequest{Model: models[1]}); !errors.Is(err,
		errors.ErrUnsupported) {
		t.Errorf("the other endpoint scores none: %v", err)
	}
}

func ExampleNewRouter() {
	policies, _ := providers.NewOfKind(providers.KindVLLM, "local", "",
		providers.HTTPConfig{BaseURL: "http://127.0.0.1:8000/v1"})
	graders, _ := providers.NewOfKind(providers.KindOpenAI, "openai", "",
		providers.HTTPConfig{Key: providers.NewSecret("sk-...")})
	r, err := providers.NewRouter(providers.Endpoint{Name: "local", Provider: policies, Free: true},
		providers.Endpoint{Name: "openai", Provider: graders})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, model := range []string{"Qwen/Qwen3-8B", "openai/gpt-4o-mini"} {
		e, local := r.Route(model)
		fmt.Println(e.Name, local)
	}
	// Output:
	// local Qwen/Qwen3-8B
	// openai gpt-4o-mini
}
