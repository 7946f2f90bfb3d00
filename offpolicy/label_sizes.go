package offpolicy

import (
	"fmt"
	"maps"
	"math"

	"github.com/reweigh/reweigh/dataset"
)

// Aim is an estimate that labels are to make narrow: the value of Policy, or what it differs
// by from Against, if that is not empty.
type Aim struct{ Policy, Against string }

// LabelSizes says what a label of each logged row is worth to estimates by weights, for
// labels to be drawn in proportion to it (AssignBySize of oracle.Design):
//
//	C (1 + spread/mean spread)/2,   C = √(Σ_aims c²),   c = w/Σw of the policy, less that of Against
//
// the mean being weighted by C. Labels drawn with probability p add Σ (c · residual)²/p to
// the square of an estimate's error, and that is least, for a number of labels, at
// p ∝ |c| spread (Neyman 1934); half goes by weight alone, because labels of responses that are
// said to vary little would weigh too much. Of several aims it is their sum that is least.
// The logging policy's c is 1 over the number of rows.
//
// spread is how far the label of each row is likely to lie from the judge's calibrated
// score, as a standard deviation in any unit; nil means all alike. A row without a weight,
// or whose log-prob is an interval, is NaN, for which an average size is taken. Sizes need
// no label, and must not be made of the labels that are drawn by them.
//
// It panics without an aim, if an aim's policy has no log-prob on any row, or if spread has
// another length than the rows.
func LabelSizes(s Samples, spread []float64, aims ...Aim) []float64 {
	if spread != nil && len(spread) != len(s.Rows) || len(aims) == 0 {
		panic(fmt.Sprintf("offpolicy: label sizes: %d spreads of %d rows, %d aims: want one of each row or none, and "+
			"an aim", len(spread), len(s.Rows), len(aims)))
	}
	parts := map[string][]float64{}
	of := func(policy string) []float64 {
		if parts[policy] == nil {
			parts[policy] = s.parts(policy)
		}
		return parts[policy]
	}
	out := make([]float64, len(s.Rows))
	for _, aim := range aims {
		a, b := of(aim.Policy), make([]float64, len(out))
		if aim.Against != "" {
			b = of(aim.Against)
		}
		for i := range out {
			out[i] += (a[i] - b[i]) * (a[i] - b[i])
		}
	}
	var all, sum float64 // Σ |c|, Σ |c| spread
	for i, v := range out {
		out[i] = math.Sqrt(v)
		if spread != nil && !math.IsNaN(out[i]*spread[i]) {
			all += out[i]
			sum += out[i] * spread[i]
		}
	}
	if !(sum > 0) {
		return out
	}
	for i := range out {
		out[i] *= byWeight + (1-byWeight)*spread[i]*all/sum
	}
	return out
}

// byWeight is the part of sizes that goes by weight alone: labels of responses that are
// said to vary little would weigh too much, and count for too few.
const byWeight = .5

// parts are each row's part of Σw of a policy, NaN without a weight.
func (s Samples) parts(policy string) []float64 {
	out := make([]float64, len(s.Rows))
	if policy == s.Logging {
		for i := range out {
			out[i] = 1 / float64(len(out))
		}
		return out
	}
	rows := map[string]int{s.Logging: len(s.Rows)}
	if s.Pooled {
		clear(rows)
		for _, r := range s.Rows {
			rows[r.Logger]++
		}
	}
	top := math.Inf(-1)
	for i, r := range s.Rows {
		exact := maps.Clone(r.LogProbs)
		maps.DeleteFunc(exact, func(name string, _ dataset.Float) bool { _, ok := r.Intervals[name]; return ok })
		out[i] = exact[policy].OrNaN() - MixtureLogProb(rows, exact).OrNaN()
		if out[i] > top {
			top = out[i]
		}
	}
	if math.IsInf(top, -1) {
		panic(fmt.Sprintf("offpolicy: label sizes: no row has a weight of %q above 0", policy))
	}
	var sum float64
	for i, l := range out {
		out[i] = math.Exp(l - top)
		if !math.IsNaN(l) {
			sum += out[i]
		}
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}
