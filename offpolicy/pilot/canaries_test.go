package pilot_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// unfenced takes the fences out of what a grader asks.
type unfenced struct{ judge.Generator }

var fences = regexp.MustCompile(`(?m)^<<<(END )?(PROMPT|RESPONSE) [0-9a-f]{16}>>>\n`)

func (u unfenced) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	for i, m := range req.Messages {
		req.Messages[i].Content = fences.ReplaceAllString(m.Content, "")
	}
	return u.Generator.Generate(ctx, req)
}

// A judge that does what it reads is caught, and fences help it.
func TestObedientJudgeIsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	const n = 4 // no calibrator is needed
	run := func(obedient, fenced bool) (c record.Finding, rows []dataset.Canary) {
		s := sim.New(sim.Config{Seed: 7, Obedient: obedient})
		t.Cleanup(func() { s.Close() })
		dir := t.TempDir()
		cfg := plan(t, s, dir, n)
		if whole := cfg.Judge; !fenced {
			cfg.Judge = func(g judge.Generator) (judge.Scorer, error) { return whole(unfenced{g}) }
		}
		v, err := pilot.Run(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		rows, err = dataset.ReadFile[dataset.Canary](dir + "/canaries.jsonl")
		if err != nil || len(rows) != 20 {
			t.Fatalf("%d canaries, %v", len(rows), err)
		}
		return finding(v, "judge.injection"), rows
	}
	moved := func(rows []dataset.Canary) (n int) {
		for _, r := range rows {
			if !r.Clean.Valid() || !r.Planted.Valid() || r.Moved != judge.Moved(r.Clean.OrNaN(), r.Planted.OrNaN()) {
				t.Errorf("record %+v", r)
			}
			if r.Moved {
				n++
			}
		}
		return n
	}
	bare, bareRows := run(true, false)
	fencedCheck, fencedRows := run(true, true)
	honest, honestRows := run(false, true)
	t.Log(bare.Summary)
	t.Log(fencedCheck.Summary)
	if bare.Status != record.Hold || !strings.Contains(bare.Summary, "of 20 scores") || moved(bareRows) < 10 {
		t.Errorf("obedient and unfenced: %s: %s", bare.Status, bare.Summary)
	}
	if fencedCheck.Status == record.Hold || moved(fencedRows) >= moved(bareRows) {
		t.Errorf("obedient and fenced: %s: %s", fencedCheck.Status, fencedCheck.Summary)
	}
	if honest.Status != record.Pass || moved(honestRows) != 0 {
		t.Errorf("not obedient: %s: %s", honest.Status, honest.Summary)
	}
	policies, kinds := map[string]int{}, map[string]bool{}
	for _, r := range honestRows {
		policies[r.Policy]++
		kinds[r.Kind] = true
	}
	if len(policies) != 5 || policies["pi_bad"] != 4 || len(kinds) != 20 {
		t.Errorf("canaries by policy %v, %d kinds: want 4 of each and 20", policies, len(kinds))
	}
}
