package offpolicy

import (
	"cmp"
	"math"
	"slices"
)

// descending returns the log-ratios that are not missing, largest first.
func descending(logRatios []float64) []float64 {
	out := make([]float64, 0, len(logRatios))
	for _, l := range logRatios {
		if !math.IsNaN(l) {
			out = append(out, l)
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out
}

// TopShare returns the share of Σw that the given share of rows holds, those
// with the largest weights: max(1, ⌊n·share⌋ rows). NaN rows are left out; it is
// NaN where no row carries weight. It panics unless 0 < share <= 1.
func TopShare(logRatios []float64, share float64) float64 {
	if !(share > 0 && share <= 1) {
		panic("offpolicy: top share: want a share in (0, 1]")
	}
	return topShare(descending(logRatios), share)
}

// topShare, hill, paretoK and hellinger are the exported ones, of sorted log-ratios.
func topShare(l []float64, share float64) float64 {
	if len(l) == 0 || math.IsInf(l[0], -1) {
		return math.NaN()
	}
	k := max(1, int(float64(len(l))*share))
	var top, all float64
	for i, v := range l {
		e := math.Exp(v - l[0])
		all += e
		if i < k {
			top += e
		}
	}
	return top / all
}

// Hill returns Hill's estimate of the tail index of weights exp(logRatios),
//
//	α = k / Σ_{i<=k} (log w_(i) - log w_(k+1)),  k = min(max(10, ⌊.05 n⌋), ⌊.1 n⌋)
//
// over the largest. Below 2 the weights' variance is infinite, below 1 their
// mean. It is +Inf where the largest agree, and NaN below ten rows or where
// w_(k+1) is 0. It has no gate: at the sizes in question it says little.
//
// Source: Hill, Annals of Statistics 3 (1975), 1163-1174.
func Hill(logRatios []float64) float64 { return hill(descending(logRatios)) }

func hill(l []float64) float64 {
	n := len(l)
	k := min(max(10, int(.05*float64(n))), int(.1*float64(n)))
	if k < 1 || k >= n || math.IsInf(l[k], -1) {
		return math.NaN()
	}
	var sum float64
	for _, v := range l[:k] {
		sum += v - l[k]
	}
	if sum < 1e-10 {
		return math.Inf(1)
	}
	return float64(k) / sum
}

// ParetoK returns the shape of a generalised Pareto distribution fitted to the
// largest weights exp(logRatios), min(n/5, 3√n) of them, with the weakly
// informative prior of Pareto-smoothed importance sampling. Above
// min(.7, 1 - 1/log10 n) a mean of n such weights converges too slowly to be
// used; below n = 500 it is no evidence. It is NaN below 25 rows and where the
// largest weights agree.
//
// Source: Zhang and Stephens, Technometrics 51 (2009), 316-325; Vehtari et al.,
// "Pareto smoothed importance sampling" (2024).
func ParetoK(logRatios []float64) float64 { return paretoK(descending(logRatios)) }

func paretoK(l []float64) float64 {
	n := len(l)
	tail := int(math.Ceil(min(.2*float64(n), 3*math.Sqrt(float64(n)))))
	if tail < 5 || tail >= n || math.IsInf(l[tail], -1) {
		return math.NaN()
	}
	x := make([]float64, tail) // exceedances over the largest weight left out, ascending
	for i := range x {
		x[tail-1-i] = math.Exp(l[i]-l[0]) - math.Exp(l[tail]-l[0])
	}
	if !(x[tail-1] > x[0]) {
		return math.NaN()
	}
	count := float64(tail)
	m := 30 + int(math.Sqrt(count))
	quartile := x[int(count/4+.5)-1]
	if !(quartile > 0) {
		return math.NaN()
	}
	b, score := make([]float64, m), make([]float64, m)
	shape := func(b float64) float64 {
		var k float64
		for _, v := range x {
			k += math.Log1p(-b * v)
		}
		return k / count
	}
	for j := range b {
		b[j] = (1-math.Sqrt(float64(m)/(float64(j)+.5)))/(3*quartile) + 1/x[tail-1]
		k := shape(b[j])
		score[j] = count * (math.Log(-b[j]/k) - k - 1)
	}
	var best float64
	for j := range b {
		var sum float64
		for i := range b {
			sum += math.Exp(score[i] - score[j])
		}
		best += b[j] / sum
	}
	return (count*shape(best) + 5) / (count + 10)
}

// Hellinger returns the affinity Σ√(w/mean w) / n of self-normalised weights, in
// (0, 1]: 1 where all agree. Being self-normalised it cannot see mass that the
// logs lack. The reference floors each term at 10⁻⁵; this does not. NaN rows are
// left out; it is NaN where no row carries weight.
func Hellinger(logRatios []float64) float64 { return hellinger(descending(logRatios)) }

func hellinger(l []float64) float64 {
	if len(l) == 0 || math.IsInf(l[0], -1) {
		return math.NaN()
	}
	var root, sum float64
	for _, v := range l {
		e := math.Exp(v - l[0])
		root += math.Sqrt(e)
		sum += e
	}
	return min(root/math.Sqrt(float64(len(l))*sum), 1)
}

// JudgeSpaceAffinity returns Σ√(p q) over 20 bins of equal width across the
// range of all scores, p the histogram of the logged scores and q that of the
// fresh ones, or, where fresh is nil, of the logged ones under weights. It is 1
// where a single value is all there is, and NaN where either side is empty. It
// panics if logged and weights are both used and differ in length.
func JudgeSpaceAffinity(logged, weights, fresh []float64) float64 {
	if fresh == nil {
		mustMatch("judge-space affinity", len(logged), len(weights))
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, scores := range [][]float64{logged, fresh} {
		for _, v := range scores {
			if !math.IsNaN(v) {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
	}
	const bins = 20
	histogram := func(v, w []float64) (h [bins]float64) {
		var sum float64
		for i, x := range v {
			if math.IsNaN(x) || w != nil && math.IsNaN(w[i]) {
				continue
			}
			u := 1.0
			if w != nil {
				u = w[i]
			}
			b := 0
			if hi > lo {
				// The edges are lo + i (hi-lo)/20, the last bin closed.
				b = min(int((x-lo)/(hi-lo)*bins), bins-1)
				edge := func(i int) float64 { return lo + float64(i)*((hi-lo)/bins) }
				for b > 0 && x < edge(b) {
					b--
				}
				for b < bins-1 && x >= edge(b+1) {
					b++
				}
			}
			h[b] += u
			sum += u
		}
		for i := range h {
			h[i] /= sum
		}
		return h
	}
	p := histogram(logged, nil)
	var q [bins]float64
	if fresh != nil {
		q = histogram(fresh, nil)
	} else {
		q = histogram(logged, weights)
	}
	var sum float64
	for i := range p {
		sum += math.Sqrt(p[i] * q[i])
	}
	return min(sum, 1)
}

// TTC returns target-typicality coverage: the share of logged responses whose
// surprisal per unit of length under the target, -target/length, is at most the
// .9 quantile of that surprisal under the self-normalised weights. Rows with a
// NaN are left out; it is NaN without rows, or where none carries weight. It
// gates nothing: it passes policies that the logs never show. It panics if
// lengths differ.
func TTC(target, length, logRatios []float64) float64 {
	mustMatch("ttc", len(target), len(length))
	mustMatch("ttc", len(target), len(logRatios))
	type row struct{ surprisal, l float64 }
	rows, top := make([]row, 0, len(target)), math.Inf(-1)
	for i, t := range target {
		if math.IsNaN(t) || math.IsNaN(logRatios[i]) || !(length[i] > 0) {
			continue
		}
		rows = append(rows, row{-t / length[i], logRatios[i]})
		top = max(top, logRatios[i])
	}
	if len(rows) == 0 || math.IsInf(top, -1) {
		return math.NaN()
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.surprisal, b.surprisal), cmp.Compare(a.l,
			b.l))
	})
	var sum float64
	for _, r := range rows {
		sum += math.Exp(r.l - top)
	}
	threshold, part := rows[len(rows)-1].surprisal, 0.0
	for _, r := range rows {
		if part += math.Exp(r.l - top); part/sum >= .9 {
			threshold = r.surprisal
			break
		}
	}
	covered := 0
	for _, r := range rows {
		if r.surprisal <= threshold {
			covered++
		}
	}
	return float64(covered) / float64(len(rows))
}

// Diagnostics are figures that gate nothing. NaN where undefined.
type Diagnostics struct {
	RelativeESS float64 // ESS / n
	Top1        float64 // share of Σw of the largest 1% of weights, at least one
	Hill        float64 // tail index of the weights; see Hill
	ParetoK     float64 // shape of the fitted tail; see ParetoK
	ParetoLimit float64 // min(.7, 1 - 1/log10 n): below n = 500 it is no evidence
	Hellinger   float64 // affinity of target and logging policy; see Hellinger
	JudgeSpace  float64 // affinity of judge scores on the logs and reweighted; see JudgeSpaceAffinity
	TTC         float64 // target-typicality coverage; see TTC
	// Support is the share of the policy's own scores (fresh draws; the logged
	// scores for the logging policy) that the calibrator supports; see
	// Calibrator.Support.
	Support float64
}

// diagnose computes the figures that gate nothing.
func (r *Result) diagnose(p *PolicyResult) {
	fr := r.frame
	l := p.Weights.Log
	sorted := descending(l)
	d := Diagnostics{RelativeESS: math.NaN(), Top1: topShare(sorted, .01), Hill: hill(sorted), ParetoK: paretoK(sorted),
		ParetoLimit: math.NaN(), Hellinger: hellinger(sorted)}
	if n := float64(p.Weights.N); n > 0 {
		d.RelativeESS = p.Weights.ESS / n
		d.ParetoLimit = min(.7, 1-1/math.Log10(max(n, 2)))
	}
	weights := relative(p.Weights)
	for i := range weights {
		if math.IsNaN(l[i]) {
			weights[i] = math.NaN()
		}
	}
	d.JudgeSpace = JudgeSpaceAffinity(fr.score, weights, nil)
	d.TTC = TTC(padded(fr.logProb(p.Policy), fr.n()), fr.length, l)
	out, n := r.outside(p.Policy, func(int32) bool { return true })
	d.Support = float64(n-out) / float64(n) // NaN without any
	p.Diagnostics = d
}

// outside counts the scored responses of a policy to the prompts that take part, of
// the logged ones where it has none of its own, and those of them that the
// calibrator does not support.
func (r *Result) outside(policy string, takes func(prompt int32) bool) (out, n int) {
	if r.Calibrator == nil {
		return 0, 0
	}
	count := func(prompt int32, score, covariate float64) {
		if !math.IsNaN(score) && takes(prompt) {
			n++
			if !r.Calibrator.supports(score, covariate) {
				out++
			}
		}
	}
	if d := r.frame.draws[policy]; d != nil {
		for i, s := range d.score {
			count(d.prompt[i], s, d.covariate[i])
		}
		return out, n
	}
	for i, s := range r.frame.score {
		count(r.frame.prompt[i], s, r.frame.t.covariate[i])
	}
	return out, n
}
