package pilot_test

import (
	"context"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers/sim"
)

// A run that is looked at as it grows buys nothing more once it decides, goes on where an
// earlier start left it, and is another run than one without intervals for any time.
func TestLooks(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	server := sim.New(sim.Config{})
	defer server.Close()
	c, err := simulated(server, t.TempDir(), 62)
	if err != nil {
		t.Fatal(err)
	}
	c.Arms = arms()
	byFunctions(&c)
	c.Labels.Fraction, c.Labels.Strata = 1, 0
	c.Anytime, c.Looks, c.Resolution = 62, 10, .3
	c.Command = func(bool, ...record.Change) string { return "again" } // too few labels are refused with one
	announced := 0
	c.Announce = func(pilot.Preflight) { announced++ }
	run := func() *pilot.Verdict {
		t.Helper()
		v, err := pilot.Run(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := run()
	said := strings.Join(v.Warnings, "\n")
	if v.Run.Prompts != 31 || !strings.Contains(said, "looked at after 31 prompts: every value is known to ±0.3") {
		t.Errorf("%d prompts, %q: want 31, the first step that has labels enough", v.Run.Prompts, said)
	}
	if announced != 1 || v.Evaluation.Anytime != 62 || v.Evaluation.Policies["p0"].Answer.Anytime == nil {
		t.Errorf("announced %d times; the evaluation is narrowest at %d", announced, v.Evaluation.Anytime)
	}
	samples, config, err := pilot.ReadEvaluation(c.Dir)
	if err != nil || config.Anytime != 62 || len(samples.Rows) != 31 {
		t.Errorf("read back: %d rows, Anytime %d, %v", len(samples.Rows), config.Anytime, err)
	}

	// Values are wanted closer now: the run goes on, and a third start does nothing new.
	c.Resolution, c.Looks = .001, 2
	if v = run(); v.Run.Prompts != 62 {
		t.Errorf("%d prompts, want all 62", v.Run.Prompts)
	}
	spent := v.Run.Spent
	if v = run(); v.Run.Prompts != 62 || v.Run.Spent != spent {
		t.Errorf("a third start has %d prompts and spent %v, %v before", v.Run.Prompts, v.Run.Spent, spent)
	}
	c.Anytime, c.Looks = 0, 0
	if _, err := pilot.Run(context.Background(), c); err == nil {
		t.Error("a folder of looks goes on without intervals for them")
	}
	c.Looks = 2
	if _, err := pilot.RunPreflight(context.Background(), c); err == nil || !strings.Contains(err.Error(), "Looks is 2") {
		t.Errorf("looks without intervals for them: %v", err)
	}
}
