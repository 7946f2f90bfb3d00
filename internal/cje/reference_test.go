package cje

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

var nan = math.NaN()

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name   string
		mode   Mode
		change func(s *offpolicy.Samples)
		want   string
		reason string
	}{
		{"mode", "auto", func(*offpolicy.Samples) {}, `mode "auto"`,
			"a choice that depends on the order of rows is not made here"},
		{"no rows", Monotone, func(s *offpolicy.Samples) { s.Rows = nil }, "log-prob of a target policy",
			"nothing to estimate"},
		{"no labels", Monotone, func(s *offpolicy.Samples) {
			for i := range s.Rows {
				s.Rows[i].Label = dataset.Known(nan)
			}
		}, "0 labels, 10 needed", "two for each fold, as in the reference"},
		{"no score", Monotone, func(s *offpolicy.Samples) { s.Rows[3].Score = dataset.Known(nan) },
			"row 3 (p3): score missing", "the reference reads no row without a score"},
		{"score", Monotone, func(s *offpolicy.Samples) { s.Rows[3].Score = dataset.Known(7) }, "row 3 (p3): score 7",
			"scales are not guessed"},
		{"label", Monotone, func(s *offpolicy.Samples) { s.Rows[4].Label = dataset.Known(-1) }, "row 4 (p4): label -1",
			"labels are in [0, 1]"},
		{"id", Monotone, func(s *offpolicy.Samples) { s.Rows[5].PromptID = "" }, "row 5 has no prompt id",
			"folds are by prompt"},
		{"log-probs", Monotone, func(s *offpolicy.Samples) {
			for i := range s.Rows {
				s.Rows[i].LogProbs["base"] = dataset.Known(nan)
			}
		}, "no row has the log-probs", "missing is no weight"},
		{"one score", TwoStage, func(s *offpolicy.Samples) {
			for i := range s.Rows {
				s.Rows[i].Score = dataset.Known(.5)
			}
		}, "no spline can be fitted", "a spline needs two knots"},
	}
	for _, tt := range tests {
		s := simulate(100, rand.New(rand.NewPCG(1, 1)))
		tt.change(&s)
		ref, err := New(tt.mode, s)
		if err == nil || ref != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one that says %q: %s", tt.name, err, tt.want, tt.reason)
		}
	}
}

func TestEstimateRefuses(t *testing.T) {
	s := simulate(100, rand.New(rand.NewPCG(1, 1)))
	for i := range s.Rows {
		// weights of 0 once they are exponentiated, but not self-normalised
		s.Rows[i].LogProbs["never"] = dataset.Known(-5000)
		s.Rows[i].LogProbs["bare"] = dataset.Known(-20)
	}
	s.Draws["never"] = slices.Clone(s.Draws["target"][1:])
	ref, err := New(Monotone, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id                   Estimator
		policy, want, reason string
	}{
		{SNIPS, "nobody", "no log-probs of policy", "an unknown policy"},
		{"cje_mrdr", "target", "no estimator", "left out"},
		{DRCPO, "bare", "no fresh draws", "nothing to predict"},
		{TMLE, "never", "1 of 100 logged prompts have no scored fresh draw (first p0)", "the reference needs every prompt"},
	} {
		e, err := ref.Estimate(tt.id, tt.policy)
		if e != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s of %s: %v, %v; want %q: %s", tt.id, tt.policy, e, err, tt.want, tt.reason)
		}
	}
	// A weight that underflows is 0 on its own and 1 among its equals.
	e, err := ref.Estimate(SNIPS, "never")
	if err != nil || math.Abs(e.Value-mean(ref.reward)) > 1e-12 {
		t.Errorf("equal weights, however small: %+v, %v", e, err)
	}
}

// The order of rows decides nothing, beyond rounding, and neither does whether
// an estimator was asked before.
func TestPermutation(t *testing.T) {
	for _, mode := range []Mode{Monotone, TwoStage} {
		rng := rand.New(rand.NewPCG(2, 2))
		s := simulate(300, rng)
		shuffled := s
		shuffled.Rows = slices.Clone(s.Rows)
		rng.Shuffle(len(s.Rows), func(i, j int) { shuffled.Rows[i], shuffled.Rows[j] = shuffled.Rows[j], shuffled.Rows[i] })
		a, err := New(mode, s)
		if err != nil {
			t.Fatal(err)
		}
		b, err := New(mode, shuffled)
		if err != nil {
			t.Fatal(err)
		}
		tol := 1e-12
		if mode == TwoStage {
			tol = 1e-9 // the decomposition's rounding depends on the order
		}
		for _, id := range append(Estimators(), Estimators()...) {
			x, err := a.Estimate(id, "target")
			if err != nil {
				t.Fatal(err)
			}
			y, err := b.Estimate(id, "target")
			if err != nil {
				t.Fatal(err)
			}
			for what, v := range map[string][2]float64{"value": {x.Value, y.Value}, "SE": {x.SE, y.SE},
				"lower": {x.Lower, y.Lower}} {
				if math.Abs(v[0]-v[1]) > tol {
					t.Errorf("%s, %s: %s %v and %v after shuffling", mode, id, what, v[0], v[1])
				}
			}
		}
	}
}

// Whatever the data, an estimate is a number or there is an error, and nothing
// panics.
func FuzzReference(f *testing.F) {
	f.Add(uint64(1), 40, 3, uint8(0))
	f.Add(uint64(2), 11, 1, uint8(1))
	f.Add(uint64(3), 100, 30, uint8(2))
	f.Fuzz(func(t *testing.T, seed uint64, n, spread int, kind uint8) {
		if n < 0 || n > 200 || spread < 0 || spread > 1000 {
			t.Skip()
		}
		rng := rand.New(rand.NewPCG(seed, seed))
		s := simulate(n, rng)
		for i := range s.Rows {
			r := &s.Rows[i]
			r.LogProbs["wild"] = dataset.Known(min(r.LogProbs["base"].OrNaN()+rng.NormFloat64()*float64(spread), 0))
			if kind&1 != 0 {
				r.Label = dataset.Known(float64(rng.IntN(2)))
			}
			if kind&2 != 0 && rng.IntN(3) == 0 {
				r.LogProbs["wild"] = dataset.Known(nan)
			}
			if kind&4 != 0 {
				r.PromptID = fmt.Sprintf("p%d", i%7)
			}
			if kind&8 != 0 {
				r.Score = dataset.Known(float64(rng.IntN(3)) / 2)
			}
		}
		s.Draws["wild"] = s.Draws["target"]
		for _, mode := range []Mode{Monotone, TwoStage} {
			ref, err := New(mode, s)
			if err != nil {
				continue
			}
			for _, id := range Estimators() {
				e, err := ref.Estimate(id, "wild")
				if err != nil {
					continue
				}
				if math.IsNaN(e.Value) || math.IsInf(e.Value, 0) {
					t.Errorf("%s, %s: value %v", mode, id, e.Value)
				}
				ref.Diagnostics(id, "wild", e)
			}
		}
	})
}
