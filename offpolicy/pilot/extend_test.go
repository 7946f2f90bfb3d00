package pilot_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// The run that a verdict says would answer is made, in the same folder: it costs
// what was said, gives every policy about as closely as was said, and pays for
// nothing twice.
func TestTheCheapestRunAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	s, dir := serve(t, ""), t.TempDir()
	cfg := plan(t, s, dir, 40)
	cfg.Resolution, cfg.Full = 0.05, 5000
	cfg.Command = func(_ bool, changes ...record.Change) string { return fmt.Sprint(changes) }
	before, err := pilot.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	d := before.Projection.Cheapest
	if before.Decision != record.GO || d == nil || d.Labels == 0 ||
		before.Next.Command != fmt.Sprintf("[Prompts = %d Labels.Probes = %d]", d.Prompts, d.Labels) {
		t.Fatalf("%s, %+v, next %+v: want a run by labels, as the next step", before.Decision, d, before.Next)
	}
	cfg = plan(t, s, dir, d.Prompts)
	cfg.Labels.Probes = d.Labels
	cfg.Resolution, cfg.Full = 0.05, 5000
	after, err := pilot.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	// A fifth on either side, as for the estimate before a run.
	if more := after.Run.Spent - before.Run.Spent; math.Abs(more/d.USD.OrNaN()-1) > 0.2 {
		t.Errorf("$%.4f more for %d prompts and %d labels, $%.4f was said", more, d.Prompts, d.Labels, d.USD.OrNaN())
	}
	if after.Evaluation.Refused != 0 {
		t.Errorf("%d policies are refused", after.Evaluation.Refused)
	}
	for name, p := range after.Evaluation.Policies {
		// What a label varies by is known from 40 to ±11%, and differs from policy
		// to policy.
		if w := (p.Answer.CI[1].OrNaN() - p.Answer.CI[0].OrNaN()) / 2; w > 1.6*d.HalfWidth.OrNaN() || math.IsNaN(w) {
			t.Errorf("%s is known to ±%.4f by %s, ±%.4f was said", name, w, p.Answer.Estimator, d.HalfWidth.OrNaN())
		}
	}
	for id, times := range s.Bill().Replies {
		if times > 1 {
			t.Errorf("%s was paid %d times", id, times)
		}
	}

	// Fewer labels leave out what was paid for, and say so.
	cfg = plan(t, s, dir, d.Prompts)
	cfg.Labels.Probes = 3
	v, err := pilot.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%d labels of the targets' own responses that were bought are left out",
		4*(d.Labels-3)); !strings.Contains(strings.Join(v.Warnings, "\n"), want) {
		t.Errorf("warnings %q do not say that %s", v.Warnings, want)
	}
}
