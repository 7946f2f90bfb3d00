package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/shareddata"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers/providertest"
	"github.com/reweigh/reweigh/providers/sim"
)

// TestFirstTestOfAnEndpoint: the logging policy and its clone, on models that cost
// nothing, is what people try first.
func TestFirstTestOfAnEndpoint(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	code, stdout, stderr := sample(t, "-out", out, "-n", "25", "-json",
		"-policies", shareddata.File(t, "cases/policies/aa.json"),
		"-prices", shareddata.File(t, "cases/policies/free_prices.json"))
	if code != exitGO {
		t.Fatalf("exit %d:\n%s%s", code, stderr, stdout)
	}
	var v pilot.Verdict
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		t.Fatal(err)
	}
	for _, f := range v.Checks {
		switch f.ID {
		case "cost.estimate":
			if f.Status != record.Pass || !strings.Contains(f.Summary, "$0 expected and $0 spent") {
				t.Errorf("%s is %s: %s", f.ID, f.Status, f.Summary)
			}
		case "weights.identical", "projection.cost":
			if f.Status != record.NotApplicable {
				t.Errorf("%s is %s: %s", f.ID, f.Status, f.Summary)
			}
		}
	}
	for _, name := range []string{"report.json", "report.md", "report.html"} {
		b, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"$NaN", "unknown price", "unpriced"} {
			if strings.Contains(string(b), bad) {
				t.Errorf("%s says %q of a free run", name, bad)
			}
		}
	}
}

// TestEndpoints: two models on two servers of different kinds in one run, the judge on a
// third endpoint, without a key for what is on this machine, and free.
func TestEndpoints(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	s := sim.New(sim.Config{})
	defer s.Close()
	t.Setenv("ANY", "any")
	dir := t.TempDir()
	policies := filepath.Join(dir, "policies.json")
	arm := func(name, role, endpoint, model string) map[string]any {
		return map[string]any{"name": name, "role": role, "endpoint": endpoint, "model": model, "template": "llama4",
			"temperature": 1, "top_p": 1, "top_k": 0, "max_tokens": 64, "expected_tokens": 60}
	}
	b, err := json.Marshal([]any{arm("p0", "logging", "", sim.ScoutModel), arm("twin", "clone", "", sim.ScoutModel),
		arm("bigger", "target", "b", sim.MaverickModel)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(policies, b, 0o666); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "run")
	args := []string{"-out", out, "-n", "5", "-policies", policies, "-json", "-waive", "judge.calibration=too few for it",
		"-waive", "responses.truncated=short on purpose",
		"-endpoint", "a=vllm:" + s.VLLMURL(), "-endpoint", "b=fireworks:" + s.FireworksURL() + ",key-env=ANY",
		"-endpoint", "o=openai:" + s.OpenAIURL() + ",key-env=ANY",
		"-judge-model", "o/gpt-4o-mini", "-oracle-model", "o/gpt-4o"}
	code, stdout, stderr := sample(t, args...)
	if code != exitGO {
		t.Fatalf("exit %d:\n%s%s", code, stderr, stdout)
	}
	var v pilot.Verdict
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		t.Fatal(err)
	}
	served := map[string]string{sim.ScoutModel: sim.ScoutModel, "b/" + sim.MaverickModel: "b/" + sim.MaverickModel,
		"o/gpt-4o-mini": "o/gpt-4o-mini", "o/gpt-4o": "o/gpt-4o"}
	if d := cmp.Diff(served, v.Run.Served); d != "" {
		t.Errorf("served (-want +got):\n%s", d)
	}
	if v.Run.Spent != 0 {
		t.Errorf("models on this machine cost $%v", v.Run.Spent)
	}
	by := map[string]bool{}
	rows, err := dataset.ReadFile[map[string]any](filepath.Join(out, "ledger.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		by[row["provider"].(string)] = true
	}
	if !by["a"] || !by["b"] || !by["o"] {
		t.Errorf("the ledger names the endpoints %v", by)
	}
}

// TestEndpointsAreRefused before anything is spent, with the reason.
func TestEndpointsAreRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	s := sim.New(sim.Config{})
	defer s.Close()
	ollama := providertest.NewServer(t, slices.Repeat([]providertest.Reply{{Body: `{"object":"list","data":[` +
		`{"id":"llama3.2:3b","object":"model","created":1,"owned_by":"library"}]}`}}, 4)...)
	policies := onModel(t, `m","endpoint":"x`)
	vllm := "e=vllm:" + s.VLLMURL()
	tests := []struct {
		name   string
		args   []string
		code   int
		say    string
		reason string
	}{
		{"vLLM as Fireworks", []string{"-endpoint", "e=fireworks:" + s.VLLMURL()}, exitPreflight,
			"declare it as vllm (-endpoint)", "its own sampling settings would decide"},
		{"vLLM behind -fireworks-url", []string{"-live", "-fireworks-url", s.VLLMURL(), "-openai-url", s.VLLMURL()},
			exitPreflight, "of kind vllm", "the same server by the other flag, and no dummy keys"},
		{"a policy of an endpoint that is not declared", []string{"-endpoint", vllm, "-policies", policies}, exitPreflight,
			"-endpoint x=", "the default endpoint would be asked in its place"},
		{"the same offline", []string{"-policies", policies}, exitPreflight, "-endpoint x=", "nothing is declared"},
		{"a judge that nobody serves", []string{"-endpoint", vllm, "-judge-model", "e/none"}, exitPreflight, "e/none",
			"the listing lacks it"},
		{"policies on Ollama", []string{"-endpoint", "e=compatible:" + ollama.URL() + "/v1", "-policies",
			onModel(t, "llama3.2:3b"), "-judge-model", "llama3.2:3b", "-oracle-model", "llama3.2:3b"}, exitPreflight,
			"Ollama returns log-probs of generated tokens", "it may judge alone"},
		{"policies on a service without scores", []string{"-endpoint", "e=openai:" + s.OpenAIURL() + ",key-env=ANY",
			"-policies", onModel(t, "gpt-4o")}, exitPreflight, "no log-probs of given text", "it may judge alone"},
		{"with -live", []string{"-endpoint", vllm, "-live"}, exitUsage, "-live", "the two say where to send what"},
		{"twice one name", []string{"-endpoint", vllm, "-endpoint", vllm}, exitPreflight, `named "e"`, "which is meant?"},
	}
	for _, tt := range tests {
		t.Setenv("ANY", "any")
		ctxArgs := append([]string{"-n", "3", "-waive", "judge.calibration=too few for it", "-out",
			filepath.Join(t.TempDir(), "run")}, tt.args...)
		code, _, stderr := sample(t, ctxArgs...)
		if code != tt.code || !strings.Contains(stderr, tt.say) {
			t.Errorf("%s: exit %d, want %d and %q (%s):\n%s", tt.name, code, tt.code, tt.say, tt.reason, stderr)
		}
	}
}

// onModel is a file of one policy on a model.
func onModel(t *testing.T, model string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "policies.json")
	plan := `[{"name":"p0","role":"logging","model":"` + model + `","template":"llama4","temperature":1,"top_p":1,` +
		`"top_k":0,"max_tokens":64,"expected_tokens":60}]`
	if err := os.WriteFile(name, []byte(plan), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestWaivedCertification: the run goes on past it, and what rests on it carries the mark.
func TestWaivedCertification(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	_, stdout, stderr := sample(t, "-out", out, "-n", "5", "-json", "-faults", "order=1",
		"-waive", "endpoint.certified=known to vary", "-waive", "judge.calibration=too few for it")
	var v pilot.Verdict
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		t.Fatalf("%v:\n%s", err, stderr)
	}
	rows, err := dataset.ReadFile[dataset.LogProb](filepath.Join(out, "logprobs.jsonl"))
	if err != nil || len(rows) != 25 {
		t.Fatalf("%d log-probs, %v: the waived check stopped the run", len(rows), err)
	}
	for _, row := range rows {
		if !row.LogProb.Valid() || !slices.Contains(row.Flags, record.FlagUncertified) {
			t.Errorf("%s: %v, flags %q: want a value with the mark", row.Key(), row.LogProb, row.Flags)
		}
	}
	for _, p := range v.Policies {
		if p.Weights != nil && p.Weights.Usable {
			t.Errorf("the weights of %s are usable", p.Name)
		}
	}
}
