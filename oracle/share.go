package oracle

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/reweigh/reweigh/offpolicy"
)

// Share divides a budget of labels among policies so that as many of them as possible are
// answered, and then so that the widest of their intervals is narrow. responses are how
// many each has, and pilots what is known of how their labels vary about the calibrated judge:
// [offpolicy.Result.Planning] of the logging policy and TargetPlanning of each target, of the
// first labels. A policy that pilots lacks counts for an average one, and nil for all alike.
//
// First come [offpolicy.MinLabels] of each, the least that a calibration takes and that
// targets are advised. Where the budget is too small for that, the logging policy has its
// own, the calibration of all others, and as many targets as can have
// [offpolicy.MinProbes] share the rest alike, by name; ones with fewer responses than that
// come last, since no number of labels answers them. Each further label goes to where
//
//	v / labels
//
// is largest, that is to the widest interval, which is best for the widest. v is the
// pilot's ResidualSD², drawn towards the geometric mean of all as far as the two differ
// by no more than so few labels do by themselves:
//
//	log v = mean + B (log ResidualSD² - mean),   B = max(0, 1 - noise/variance)
//
// the variance being that of the logarithms, and noise the mean of (κ - 1)/Labels, what it
// would be if all were alike (empirical Bayes: Efron and Morris, J. Am. Stat. Assoc. 70
// (1975), 311-319). If the pilots are the same, a larger budget has no smaller shares, but for
// one that is the first to be enough for another target.
//
// It panics if the budget is negative or the logging policy has no responses.
func Share(budget int, logging string, responses map[string]int, pilots map[string]offpolicy.Planning) map[string]int {
	if budget < 0 || responses[logging] == 0 {
		panic(fmt.Sprintf("oracle: share: %d labels, %d responses of %s: want a budget of 0 or more, and some responses",
			budget, responses[logging], logging))
	}
	names := slices.Sorted(maps.Keys(responses))
	targets := slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == logging })
	out := map[string]int{logging: min(offpolicy.MinLabels, budget, responses[logging])}
	left := budget - out[logging]
	most, enough := offpolicy.MinLabels, 0
	for _, name := range targets {
		enough += min(most, responses[name])
	}
	if rest := left; rest < enough {
		least := func(name string) int { return min(offpolicy.MinProbes, responses[name]) }
		slices.SortStableFunc(targets, func(a, b string) int { return cmp.Compare(least(b), least(a)) })
		targets = slices.DeleteFunc(targets, func(name string) bool {
			n := least(name)
			if n > rest {
				return true
			}
			rest -= n
			return false
		})
		slices.Sort(targets)
	}
	give := func(names []string, worth func(name string) float64) bool {
		best, at := math.Inf(-1), ""
		for _, name := range names {
			if v := worth(name); out[name] < responses[name] && v > best {
				best, at = v, name
			}
		}
		if left == 0 || at == "" || math.IsInf(best, -1) {
			return false
		}
		out[at]++
		left--
		return true
	}
	for give(targets, func(name string) float64 {
		if out[name] >= most {
			return math.Inf(-1)
		}
		return -float64(out[name])
	}) {
	}
	variance := shrunk(pilots)
	served := append([]string{logging}, targets...)
	for give(served, func(name string) float64 {
		v, ok := variance[name]
		if !ok {
			v = 1
		}
		return v / float64(max(out[name], 1))
	}) {
	}
	return out
}

// shrunk are the variances of residuals, in units of their geometric mean.
func shrunk(pilots map[string]offpolicy.Planning) map[string]float64 {
	var mean, noise, squares, n float64
	out := map[string]float64{}
	for _, name := range slices.Sorted(maps.Keys(pilots)) {
		p := pilots[name]
		if !(p.ResidualSD > 0) {
			continue
		}
		n++
		v := 2 * math.Log(p.ResidualSD)
		out[name] = v
		squares += (v - mean) * (v - mean) * (n - 1) / n
		mean += (v - mean) / n
		if p.Labels > 0 {
			noise += (cmp.Or(p.ResidualKurtosis, 3) - 1) / float64(p.Labels)
		}
	}
	keep := 0.0
	if n > 1 && squares > 0 {
		keep = max(0, 1-noise/n/(squares/(n-1)))
	}
	for name, v := range out {
		out[name] = math.Exp(keep * (v - mean))
	}
	return out
}
