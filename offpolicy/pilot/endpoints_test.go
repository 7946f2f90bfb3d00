package pilot_test

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
	"github.com/reweigh/reweigh/providers/sim"
)

// endpoint is one of the simulator's servers under a name.
func endpoint(t *testing.T, s *sim.Server, name string, k providers.Kind, url string) providers.Endpoint {
	t.Helper()
	p, err := providers.NewOfKind(k, name, "", providers.HTTPConfig{BaseURL: url, HTTP: s.Client(),
		Key: providers.NewSecret("k")})
	if err != nil {
		t.Fatal(err)
	}
	return providers.Endpoint{Name: name, Provider: p}
}

// TestRoutedPilot: policies on two servers of different kinds, and judge and oracle on a
// third, which labels by batch: every call is the endpoint's that serves its model.
func TestRoutedPilot(t *testing.T) {
	s := serve(t, "")
	cfg := config(t, s, t.TempDir(), 4)
	router, err := providers.NewRouter(endpoint(t, s, "a", providers.KindVLLM, s.VLLMURL()),
		endpoint(t, s, "b", providers.KindFireworks, s.FireworksURL()),
		endpoint(t, s, "o", providers.KindOpenAI, s.OpenAIURL()))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Arms = slices.Clone(cfg.Arms)
	last := &cfg.Arms[len(cfg.Arms)-1].Policy
	last.Model = "b/" + last.Model
	cfg.Policies, cfg.Grader = router, router
	cfg.BatchLabels = &batch.Config{PollMin: time.Millisecond, PollMax: time.Millisecond, ListDelay: time.Millisecond}
	cfg.Judge = func(g judge.Generator) (judge.Scorer, error) {
		return judge.NewInterval(judge.Config{Name: "interval", Generator: g, Model: "o/gpt-4o-mini"})
	}
	cfg.Oracle = func(g judge.Generator) (oracle.Oracle, error) {
		return oracle.NewLabeler(judge.Config{Name: "oracle", Generator: g, Model: "o/gpt-4o"})
	}
	v, err := pilot.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"logprobs.complete", "oracle.range", "run.errors", "endpoint.certified"} {
		if f := finding(v, id); f.Status != record.Pass {
			t.Errorf("%s is %s: %s", id, f.Status, f.Summary)
		}
	}
	ledger, err := dataset.ReadFile[providers.Entry](filepath.Join(cfg.Dir, "ledger.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	batched := 0
	for _, e := range ledger {
		if want := router.NameOf(e.Model); e.Model != "" && e.Provider != want {
			t.Errorf("%s of %s is in the ledger as %s's", e.Endpoint, e.Model, e.Provider)
		}
		if e.Endpoint == "batch" && e.Model == "o/gpt-4o" && e.Cost > 0 {
			batched++
		}
		if e.Stage == "oracle" && e.Endpoint == "chat/completions" {
			t.Error("a label was bought by a single call")
		}
	}
	if batched != len(cfg.Prompts) {
		t.Errorf("%d labels were bought by batch, want %d", batched, len(cfg.Prompts))
	}
	if bill := float64(s.Bill().Total.USD); math.Abs(float64(v.Run.Spent)-bill) > 1e-9 {
		t.Errorf("the ledger says $%v, the bill $%v", v.Run.Spent, bill)
	}
}

// TestKindIsSuggested: policies on a server that nobody said the kind of are warned of.
func TestKindIsSuggested(t *testing.T) {
	s := serve(t, "")
	cfg := config(t, s, t.TempDir(), 3)
	for kind, want := range map[providers.Kind]string{
		providers.KindCompatible: "shows itself to be of kind vllm",
		providers.KindVLLM:       "",
	} {
		cfg.Policies = endpoint(t, s, "e", kind, s.VLLMURL()).Provider
		found, err := pilot.RunPreflight(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Join(found.Warnings, "\n"); strings.Contains(said, "of kind") != (want != "") ||
			!strings.Contains(said, want) {
			t.Errorf("%s: warned of %q, want %q", kind, said, want)
		}
	}
}
