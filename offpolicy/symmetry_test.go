package offpolicy

import (
	"math"
	"slices"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// symmetric are samples of several kinds: plain, with rare labels, with gaps, with a
// design, and with labels that are all alike.
func symmetric(seed uint64) map[string]Samples {
	plain := world{prompts: 200, labels: 100, draws: 1, probes: 30}.samples(seed)
	edit := func(f func(i int, r *Row)) Samples {
		s := plain
		s.Rows = slices.Clone(plain.Rows)
		for i := range s.Rows {
			f(i, &s.Rows[i])
		}
		return s
	}
	return map[string]Samples{
		"plain":  plain,
		"medium": world{prompts: 150, rows: 2, labels: 150, draws: 2, probes: 20, bias: -.1}.samples(seed),
		"gaps":   world{prompts: 200, labels: 150, draws: 1, probes: 30, missing: 13}.samples(seed),
		"rare": edit(func(i int, r *Row) {
			if r.Label.Valid() {
				r.Label = dataset.Known(math.Floor(r.Score.OrNaN() + .06))
			}
		}),
		"alike": edit(func(_ int, r *Row) {
			if r.Label.Valid() {
				r.Label = dataset.Known(.25)
			}
		}),
		"unscored": edit(func(i int, r *Row) {
			if i%9 == 0 {
				r.Score = dataset.Float{}
			}
		}),
	}
}

// Labels and scores mirrored, y to 1 - y, mirror every value and limit of what is made
// of labels, and every comparison.
func TestMirror(t *testing.T) {
	flip := func(v dataset.Float) dataset.Float { return dataset.Known(1 - v.OrNaN()) }
	for name, s := range symmetric(21) {
		m := s
		m.Rows, m.Draws = slices.Clone(s.Rows), map[string][]Draw{}
		for i := range m.Rows {
			m.Rows[i].Label, m.Rows[i].Score = flip(m.Rows[i].Label), flip(m.Rows[i].Score)
		}
		for policy, draws := range s.Draws {
			draws = slices.Clone(draws)
			for i := range draws {
				draws[i].Label, draws[i].Score = flip(draws[i].Label), flip(draws[i].Score)
			}
			m.Draws[policy] = draws
		}
		c := Config{Replicates: 50, Clones: []string{"near"}}
		a, b := evaluate(t, s, c), evaluate(t, m, c)
		same := func(what string, x, y float64) {
			t.Helper()
			if !(math.Abs(x-y) <= 1e-9 || math.IsNaN(x) && math.IsNaN(y)) {
				t.Errorf("%s: %s: %v, mirrored %v", name, what, x, y)
			}
		}
		for i := range a.Policies {
			for _, e := range []Estimator{DR, Direct, LabeledSNIPS} {
				x, y := a.Policies[i].Estimate(e), b.Policies[i].Estimate(e)
				if x.Refused() != y.Refused() {
					t.Errorf("%s: %s of %s: %v, mirrored %v", name, e, x.Policy, x.Refusals, y.Refusals)
				}
				what := string(e) + " of " + x.Policy
				same(what, x.Value, 1-y.Value)
				same(what+" lower", x.Lower, 1-y.Upper)
				same(what+" upper", x.Upper, 1-y.Lower)
				same(what+" SE", x.SE, y.SE)
			}
		}
		if len(a.Comparisons) != len(b.Comparisons) || len(a.Comparisons) == 0 {
			t.Fatalf("%s: %d comparisons, mirrored %d", name, len(a.Comparisons), len(b.Comparisons))
		}
		for i := range a.Comparisons {
			x, y := &a.Comparisons[i], &b.Comparisons[i]
			what := x.A + " - " + x.B
			same(what, x.Difference, -y.Difference)
			same(what+" lower", x.Lower, -y.Upper)
			same(what+" upper", x.Upper, -y.Lower)
			same(what+" band", x.BandLower, -y.BandUpper)
			same(what+" p", x.P, y.P)
			same(what+" Holm", x.Holm, y.Holm)
		}
	}
}

// Exchanging the policies of a pair negates their difference and its limits: here by
// their names, since the order of names is that of the comparison.
func TestExchange(t *testing.T) {
	for name, s := range symmetric(22) {
		swap := map[string]string{"near": "far", "far": "near", "p0": "p0"}
		m := s
		m.Rows, m.Draws, m.Scored = slices.Clone(s.Rows), map[string][]Draw{}, map[string]dataset.Scored{}
		for i := range m.Rows {
			m.Rows[i].LogProbs = map[string]dataset.Float{}
			for policy, v := range s.Rows[i].LogProbs {
				m.Rows[i].LogProbs[swap[policy]] = v
			}
		}
		for policy, d := range s.Draws {
			m.Draws[swap[policy]] = d
		}
		for policy, d := range s.Scored {
			m.Scored[swap[policy]] = d
		}
		a, b := evaluate(t, s, Config{Replicates: 50}), evaluate(t, m, Config{Replicates: 50})
		found := false
		for i := range a.Comparisons {
			x := &a.Comparisons[i]
			if x.A != "near" || x.B != "far" {
				continue
			}
			for j := range b.Comparisons {
				if y := &b.Comparisons[j]; y.A == "near" && y.B == "far" {
					found = true
					if !near(x.Difference, -y.Difference, 1e-12) || !near(x.Lower, -y.Upper, 1e-9) || !near(x.Upper,
						-y.Lower, 1e-9) || !near(x.P, y.P, 1e-9) {
						t.Errorf("%s: %v [%v, %v] p %v, exchanged %v [%v, %v] p %v", name, x.Difference, x.Lower,
							x.Upper, x.P, y.Difference, y.Lower, y.Upper, y.P)
					}
				}
			}
		}
		if !found {
			t.Errorf("%s: no such pair", name)
		}
	}
}

// A further policy changes no other policy's value or interval, nor the difference of
// two others.
func TestFurtherPolicy(t *testing.T) {
	for name, s := range symmetric(23) {
		more := s
		more.Rows, more.Draws, more.Scored = slices.Clone(s.Rows), map[string][]Draw{"a further": s.Draws["far"]},
			map[string]dataset.Scored{"a further": s.Scored["near"]}
		for policy, d := range s.Draws {
			more.Draws[policy] = d
		}
		for policy, d := range s.Scored {
			more.Scored[policy] = d
		}
		for i := range more.Rows {
			logs := map[string]dataset.Float{}
			for policy, v := range s.Rows[i].LogProbs {
				logs[policy] = v
			}
			if i%40 > 0 {
				logs["a further"] = dataset.Known(logs["p0"].OrNaN() - .1*float64(i%3))
			}
			more.Rows[i].LogProbs = logs
		}
		a, b := evaluate(t, s, Config{Replicates: 50}), evaluate(t, more, Config{Replicates: 50})
		for i := range a.Policies {
			for j := range a.Policies[i].Estimates {
				x := &a.Policies[i].Estimates[j]
				y := b.Policy(x.Policy).Estimate(x.Estimator)
				for k, v := range x.numbers() {
					if !near(v, y.numbers()[k], 1e-12) {
						t.Errorf("%s: %s of %s: %v, beside another policy %v", name, x.Estimator, x.Policy, x.numbers(), y.numbers())
						break
					}
				}
			}
		}
		for _, x := range a.Comparisons {
			if !slices.ContainsFunc(b.Comparisons, func(y Comparison) bool {
				return x.A == y.A && x.B == y.B && near(x.Difference, y.Difference, 1e-12) && near(x.Lower, y.Lower,
					1e-12) && near(x.Upper, y.Upper, 1e-12) && near(x.P, y.P, 1e-12)
			}) {
				t.Errorf("%s: %s - %s is another beside another policy", name, x.A, x.B)
			}
		}
	}
}
