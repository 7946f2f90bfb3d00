package pilot_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// TestOneEchoPastTheFirstHundred: every method is computed on the first hundred
// prompts by rank, by two calls a pair; beyond, one does, but for an audit sample
// and for the sampled tokens that are not the text's. The records are the same
// whatever the concurrency.
func TestOneEchoPastTheFirstHundred(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	const n = 108
	ps := prompts(n)
	first, err := dataset.SamplePrompts(ps, 100, 42)
	if err != nil {
		t.Fatal(err)
	}
	compared := map[string]bool{}
	for _, p := range first {
		compared[p.ID] = true
	}
	var dirs [2]string
	for i, concurrency := range []int{16, 2} {
		dirs[i] = t.TempDir()
		cfg := config(t, serve(t, ""), dirs[i], n)
		cfg.Prompts, cfg.Concurrency, cfg.Seed = ps, concurrency, 42
		byFunctions(&cfg)
		cfg.Arms = nil
		for _, a := range arms() {
			if a.Policy.Name == "p0" || a.Policy.Name == "pi_clone" {
				a.Policy.Sampling.MaxTokens, a.ExpectedTokens = 24, 23
				cfg.Arms = append(cfg.Arms, a)
			}
		}
		v, err := pilot.Run(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"logprobs.complete", "logprobs.methods", "weights.clone"} {
			if c := finding(v, id); c.Status != record.Pass {
				t.Errorf("%s is %s: %s", id, c.Status, c.Summary)
			}
		}
	}
	a, errA := os.ReadFile(filepath.Join(dirs[0], "logprobs.jsonl"))
	b, errB := os.ReadFile(filepath.Join(dirs[1], "logprobs.jsonl"))
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("log-probs depend on the concurrency (%v, %v)", errA, errB)
	}

	rows, err := dataset.ReadFile[dataset.LogProb](filepath.Join(dirs[0], "logprobs.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	single := map[string]bool{} // rows made by one text call
	for _, row := range rows {
		one := row.Methods["continuation"].Reason == "not_compared"
		single[row.Key().String()] = one
		if one && compared[row.PromptID] {
			t.Errorf("%s is among the first hundred and not compared", row.Key())
		}
		if one && row.Methods["token_counting"].Status == "ok" &&
			(row.Methods["echo_based"].LogProb != row.Methods["token_counting"].LogProb || row.Method != "token_ids") {
			t.Errorf("%s: %+v by %s", row.Key(), row.Methods, row.Method)
		}
	}
	ledger, err := dataset.ReadFile[providers.Entry](filepath.Join(dirs[0], "ledger.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{}
	for _, e := range ledger {
		if e.Stage == "logprobs" && e.Call != "ids" {
			calls[e.Key]++
		}
	}
	saved := 0
	for key, one := range single {
		want := 2
		if one {
			want = 1
			saved++
		}
		if calls[key] != want {
			t.Errorf("%s took %d text calls, want %d", key, calls[key], want)
		}
	}
	if saved < (n-100)*2/2 { // an audit sample of one in 32 takes few of them
		t.Errorf("%d of %d pairs past the first hundred took one call: %s", saved, (n-100)*2, strings.Join(dirs[:], " "))
	}
}
