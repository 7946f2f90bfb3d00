package pilot_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/providers/sim"
)

// TestClockJumps: between the starts of a run the machine's clock goes back ten years, and
// then forward by fifty. Every start has a bubble of its own, whose clock begins in 2000. The
// run goes on, its records are those of a run that nothing disturbed, and no line of its
// ledger becomes another.
func TestClockJumps(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	const n, year = 10, 365 * 24 * time.Hour
	calm, dir := t.TempDir(), t.TempDir()
	start := func(dir string, ahead time.Duration, after int) (v *pilot.Verdict) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(ahead)
			s := sim.New(sim.Config{Seed: 7})
			defer s.Close()
			cfg := config(t, s, dir, n)
			stop := make(chan struct{})
			policies := &slow{Provider: cfg.Policies, takes: 50 * time.Millisecond}
			policies.onCall = func(calls int) {
				if calls == after {
					close(stop)
				}
			}
			cfg.Policies, cfg.Stop, cfg.Concurrency = policies, stop, 4
			var err error
			if v, err = pilot.Run(t.Context(), cfg); v == nil || (err != nil) != (after > 0) {
				t.Fatalf("%v ahead: %v", ahead, err)
			}
		})
		return v
	}
	ledger := func() []string {
		b, err := os.ReadFile(filepath.Join(dir, "ledger.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(b)), "\n")
	}
	undisturbed := start(calm, 0, 0)
	var before []string
	var last *pilot.Verdict
	for _, s := range []struct {
		ahead time.Duration
		after int
	}{{10 * year, 50}, {0, 50}, {60 * year, 0}} {
		last = start(dir, s.ahead, s.after)
		now := ledger()
		for _, line := range before {
			if !slices.Contains(now, line) {
				t.Errorf("%v ahead: the ledger has no longer\n%s", s.ahead, line)
			}
		}
		before = now
	}
	for _, name := range []string{"prompts", "responses", "logprobs", "oracle", "judge", "samples"} {
		a, errA := os.ReadFile(filepath.Join(calm, name+".jsonl"))
		b, errB := os.ReadFile(filepath.Join(dir, name+".jsonl"))
		if errors.Join(errA, errB) != nil || !bytes.Equal(a, b) {
			t.Errorf("%s.jsonl is another than that of the undisturbed run (%v, %v)", name, errA, errB)
		}
	}
	if last.State != "done" || last.Decision != undisturbed.Decision {
		t.Errorf("%s, want %s", describe(last), describe(undisturbed))
	}
	for _, s := range last.Stages {
		if !(s.Seconds >= 0 && s.Seconds < 3600) {
			t.Errorf("stage %s took %v s", s.Name, s.Seconds)
		}
	}
}
