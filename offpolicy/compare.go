package offpolicy

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Comparison is the paired difference of two policies' values, each by the
// estimator that the referee chose for it: prompt by prompt and replicate by
// replicate, since overlapping intervals of the separate values answer another
// question.
type Comparison struct {
	A, B       string // policies; the difference is A - B
	Estimators [2]Estimator
	Difference float64
	// SE is the larger of the replicates' standard deviation of the difference
	// and the root of the summed squares of the influences' difference.
	SE           float64
	Lower, Upper float64 // 95%, for this pair alone, within [-1, 1]
	DF           float64 // the smaller of the two estimates'
	P            float64 // two-sided, by t
	Holm         float64 // P adjusted over all pairs by Holm's procedure
	AA           bool    // B is a clone of A or A of B: the difference ought to be 0
}

// compare makes a Comparison of every pair of answered policies, and the
// simultaneous bands.
func (r *Result) compare(c *Config) {
	var answered []*Estimate
	for i := range r.Policies {
		if p := &r.Policies[i]; p.Answer.Estimator != "" {
			answered = append(answered, p.Estimate(p.Answer.Estimator))
		}
	}
	clone := func(a, b string) bool { return a == r.Logging && slices.Contains(c.Clones, b) }
	for j, b := range answered {
		for _, a := range answered[j+1:] {
			d := difference(a, b)
			d.AA = clone(b.Policy, a.Policy)
			r.Comparisons = append(r.Comparisons, d)
		}
	}
	holm(r.Comparisons)
	r.bands(answered)
}

func difference(a, b *Estimate) Comparison {
	d := Comparison{A: a.Policy, B: b.Policy, Estimators: [2]Estimator{a.Estimator, b.Estimator}, Difference: a.Value - b.Value, DF: min(a.DF, b.DF)}
	diff := func(x, y []float64, scale float64) []float64 {
		out := make([]float64, len(x))
		for i := range out {
			out[i] = (x[i] - y[i]) * scale
		}
		return out
	}
	d.SE, _ = clusterSE(diff(a.Influence, b.Influence, 1/float64(len(a.Influence))))
	if len(a.replicates) > 1 {
		d.SE = max(d.SE, standardDeviation(diff(a.replicates, b.replicates, 1)))
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: d.DF}
	half := t.Quantile(.975) * d.SE
	d.Lower, d.Upper = max(d.Difference-half, -1), min(d.Difference+half, 1)
	switch {
	case d.SE > 0:
		d.P = 2 * t.Survival(math.Abs(d.Difference)/d.SE)
	case d.Difference == 0:
		d.P = 1 // one value, twice
	}
	return d
}

// holm adjusts P over all comparisons: the k-th smallest of n, times n-k+1, and
// no smaller than the one before it.
func holm(cs []Comparison) {
	order := make([]int, len(cs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(cs[i].P, cs[j].P) })
	last := 0.0
	for k, i := range order {
		last = max(last, min(1, cs[i].P*float64(len(cs)-k)))
		cs[i].Holm = last
	}
}

// bands gives every answered policy an interval such that all of them hold
// together in 95% of runs: the 95% quantile over replicates of the largest
// standardised deviation replaces 1.96, and each interval keeps its own t.
func (r *Result) bands(answered []*Estimate) {
	for i := range r.Policies {
		a := &r.Policies[i].Answer
		a.BandLower, a.BandUpper = math.NaN(), math.NaN()
	}
	if len(answered) == 0 || len(answered[0].replicates) < 2 {
		return
	}
	worst := make([]float64, len(answered[0].replicates))
	for _, e := range answered {
		mean, _ := meanSE(e.replicates)
		sd := standardDeviation(e.replicates)
		for b, v := range e.replicates {
			if sd > 0 {
				worst[b] = max(worst[b], math.Abs(v-mean)/sd)
			}
		}
	}
	z := distuv.UnitNormal.Quantile(.975)
	factor := max(Quantiles(worst, .95)[0]/z, 1)
	for _, e := range answered {
		a := &r.Policy(e.Policy).Answer
		a.BandLower, a.BandUpper = e.within(factor)
	}
}
