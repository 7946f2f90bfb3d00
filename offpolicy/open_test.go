package offpolicy

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// The middle of a weight's interval stands for it, the e-value is that of the least weights,
// and the part of the weight that intervals leave open is counted: by hand.
func TestWeightsBetween(t *testing.T) {
	ln := math.Log
	for _, test := range []struct {
		lower, upper, log []float64
		open              float64
		reason            string
	}{
		{[]float64{0, 1}, []float64{0, 1}, []float64{0, 1}, 0, "numbers"},
		{[]float64{0, nan}, []float64{ln(3), nan}, []float64{ln(2), nan}, .5, "(3-1)/(3+1)"},
		{[]float64{-inf, -inf, 0}, []float64{ln(2), -inf, 0}, []float64{0, -inf, 0}, .5, "a row may weigh 0, another does"},
		{[]float64{900, 900}, []float64{900 + ln(3), 900}, []float64{900 + ln(2), 900}, 1. / 3, "beyond float64"},
		{[]float64{0, 0}, []float64{0, inf}, []float64{0, 0}, 1, "no upper bound"},
	} {
		w, err := WeightsBetween(test.lower, test.upper)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(w.Open-test.open) > 1e-12 {
			t.Errorf("%s: open %v, want %v", test.reason, w.Open, test.open)
		}
		for i, l := range w.Log {
			if l != test.log[i] && !(math.Abs(l-test.log[i]) < 1e-12) && !(math.IsNaN(l) && math.IsNaN(test.log[i])) {
				t.Errorf("%s: row %d at %v, want %v", test.reason, i, l, test.log[i])
			}
		}
		if want := logEValue(test.lower); math.Abs(w.LogEValue-want) > 1e-12*(1+math.Abs(want)) {
			t.Errorf("%s: e-value %v, at the least weights %v", test.reason, w.LogEValue, want)
		}
	}
	if _, err := WeightsBetween([]float64{1}, []float64{0}); err == nil {
		t.Error("an interval that ends before it begins was taken")
	}
}

// The slack of a weighted mean reaches as far as any weights within the intervals do, and
// no farther than the best of the corners.
func TestOpenMean(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for trial := range 300 {
		n := 1 + rng.IntN(9)
		fixed := float64(trial % 2 * 3)
		terms := make([]weighedTerm, n)
		value := func(w func(i int) float64) float64 {
			num, den := 0.0, fixed
			for i, t := range terms {
				num, den = num+w(i)*t.num, den+w(i)*t.den
			}
			return num / den
		}
		for i := range terms {
			x := weighedTerm{num: 2*rng.Float64() - 1, den: float64(rng.IntN(3)), lower: float64(rng.IntN(2)) * rng.Float64()}
			if i == 0 {
				x.den = 1
			}
			x.upper = x.lower + rng.Float64()
			x.w = (x.lower + x.upper) / 2
			if x.den == 0 && fixed == 0 {
				x.num = 0
			}
			terms[i] = x
		}
		at := value(func(i int) float64 { return terms[i].w })
		least, most := at, at
		for corner := range 1 << n {
			v := value(func(i int) float64 {
				if corner>>i&1 == 1 {
					return terms[i].upper
				}
				return terms[i].lower
			})
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				least, most = min(least, v), max(most, v)
			}
		}
		s := openMean(terms, fixed)
		if math.Abs(at-s.below-least) > 1e-9 || math.Abs(at+s.above-most) > 1e-9 {
			t.Fatalf("trial %d: [%v, %v], by corners [%v, %v]: %+v", trial, at-s.below, at+s.above, least, most, terms)
		}
	}
}

// withIntervals is s with the target's log-probs known as intervals of the given width that
// hold the value somewhere inside.
func withIntervals(s Samples, policy string, width float64, seed uint64) Samples {
	rng := rand.New(rand.NewPCG(seed, 3))
	s.Rows = slices.Clone(s.Rows)
	for i := range s.Rows {
		r := &s.Rows[i]
		at := width * rng.Float64()
		v := r.LogProbs[policy].OrNaN()
		r.Intervals = map[string][2]dataset.Float{policy: {dataset.Known(v - at), dataset.Known(v + width - at)}}
		logs := map[string]dataset.Float{}
		for name, l := range r.LogProbs {
			if name != policy {
				logs[name] = l
			}
		}
		r.LogProbs = logs
	}
	return s
}

// The value by the weights that are in truth within the intervals is never farther away than
// what the estimate says is open, and the interval is as much wider. Wide ones are refused.
func TestIntervalsAreInTheError(t *testing.T) {
	s := world{prompts: 300, labels: 150, draws: 1}.samples(1)
	exact := evaluate(t, s, Config{Replicates: 40}).Policy("near")
	for _, width := range []float64{.01, .05, .2} {
		r := evaluate(t, withIntervals(s, "near", width, 7), Config{Replicates: 40})
		p := r.Policy("near")
		if want := math.Tanh(width / 2); math.Abs(p.Weights.Open-want) > 1e-9 {
			t.Errorf("width %v: %v open, want %v", width, p.Weights.Open, want)
		}
		for _, e := range []Estimator{IPS, SNIPS, ClippedIPS, LabeledSNIPS, DR} {
			got, truth := p.Estimate(e), exact.Estimate(e)
			if got.Refused() || !(got.slack.below > 0) || !(got.slack.above > 0) {
				t.Errorf("width %v, %s: %+v", width, e, got)
				continue
			}
			if truth.Value < got.Value-got.slack.below-.002 || truth.Value > got.Value+got.slack.above+.002 {
				t.Errorf("width %v, %s: %v is outside of %v - %v, + %v", width, e, truth.Value, got.Value, got.slack.below,
					got.slack.above)
			}
			if lo, hi := got.sampled(1); got.Lower > lo-min(got.slack.below, lo) || got.Upper < hi+min(got.slack.above, 1-hi) {
				t.Errorf("width %v, %s: [%v, %v] does not hold what is open", width, e, got.Lower, got.Upper)
			}
		}
		for _, c := range r.Comparisons {
			if c.A == "near" && c.B == "p0" && (c.Lower < 0) != (c.P >= .05) {
				t.Errorf("width %v: difference in [%v, %v], p %v", width, c.Lower, c.Upper, c.P)
			}
		}
	}
	p := evaluate(t, withIntervals(s, "near", 1, 7), Config{Replicates: 40}).Policy("near")
	if e := p.Estimate(DR); !hasRule(e.Refusals, RuleOpen) {
		t.Errorf("weights of which %v is open: %+v", p.Weights.Open, e)
	}
}

// A logging policy whose own log-prob has no lower bound leaves weights without an upper one:
// refused, and no error. A target's that has none is a weight from 0 on.
func TestUnboundedLogProbs(t *testing.T) {
	s := world{prompts: 300, labels: 150, draws: 1}.samples(1)
	for i := range s.Rows[:3] {
		r := &s.Rows[i]
		r.Intervals = map[string][2]dataset.Float{"near": {{}, r.LogProbs["near"]}, "p0": {{}, dataset.Known(-90)}}
	}
	r := evaluate(t, s, Config{Replicates: 20})
	if w := r.Policy("near").Weights; w.Open != 1 || w.Usable() || w.Missing != 0 {
		t.Errorf("weights without an upper bound: %+v", w)
	}
	for i := range s.Rows[:3] {
		delete(s.Rows[i].Intervals, "p0")
	}
	r = evaluate(t, s, Config{Replicates: 20})
	if w := r.Policy("near").Weights; !(w.Open > 0 && w.Open < .05) || !w.Usable() || w.N != 300 {
		t.Errorf("three weights from 0 on: %+v: %v", w, w.Refusals())
	}
}
