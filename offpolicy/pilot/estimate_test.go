package pilot_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/arenagen"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers/sim"
)

// TestEstimateIsNearTheBill runs pilots whose prompts are of different lengths,
// one to eight conversations long, and compares the estimate before the run
// with the server's own bill: it has to be within 20% in 90 of 100. One is
// run here; REWEIGH_RUNS=100 runs them all, in some minutes.
func TestEstimateIsNearTheBill(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	runs, n := 1, 12
	if s := os.Getenv("REWEIGH_RUNS"); s != "" {
		var err error
		if runs, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
		n = 25
	}
	near := 0
	for k := range runs {
		s := sim.New(sim.Config{Seed: uint64(k)})
		cfg := config(t, s, t.TempDir(), n)
		cfg.Arms, cfg.Seed = record.PlanArms(), uint64(k)
		cfg.Prompts = longPrompts(n, 1+k%8, uint64(k))
		v, err := pilot.Run(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		bill := s.Bill().Total.USD
		s.Close()
		off := bill/v.Cost.ExpectedUSD - 1
		t.Logf("run %d, prompts of %d conversations: $%.4f expected, $%.4f billed (%+.1f%%)", k, 1+k%8,
			v.Cost.ExpectedUSD, bill, 100*off)
		if math.Abs(off) <= 0.2 {
			near++
		}
		if math.Abs(bill-v.Run.Spent) > 1e-9 {
			t.Errorf("run %d: the ledger has $%v, the server billed $%v", k, v.Run.Spent, bill)
		}
	}
	t.Logf("%d of %d within 20%%", near, runs)
	if float64(near) < 0.9*float64(runs) {
		t.Errorf("%d of %d estimates are within 20%% of the bill: want 90%%", near, runs)
	}
}

// longPrompts are n prompts of that many conversations each.
func longPrompts(n, conversations int, seed uint64) []dataset.Prompt {
	texts := arenagen.Prompts(n*conversations, seed)
	out := make([]dataset.Prompt, n)
	for i := range out {
		out[i] = dataset.Prompt{ID: fmt.Sprintf("q%03d", i),
			Text: strings.Join(texts[i*conversations:(i+1)*conversations], "\n\n")}
	}
	return out
}
