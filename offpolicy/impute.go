package offpolicy

import "math"

// MaxMissing is the share of a policy's rows, or of their weight, whose log-probs may be
// missing and modelled. Beyond it estimates by weights are refused ([RuleMissing]).
const MaxMissing = .20

// The mean that modelled weights are held within.
const (
	leastModelled = .2
	mostModelled  = 5
)

// impute fills in log-ratios that are missing, and returns how many. A response that one
// policy could not be scored on is no other than the rest in its score and its label,
// and leaving it out would leave out what makes scoring fail, length above all. E[w] = 1
// gives the total weight of such rows: it is what the others leave of n. It is shared
// out among them as log w follows score and log length on the rows that have one, by
// least squares,
//
//	w_i = κ exp(b0 + b1 score_i + b2 log length_i),   Σ_missing w = n - Σ_observed w
//
// with a mean of at least .2 and at most 5, and the exponent within the range seen.
// missing is the share of the total weight that the modelled rows ought to have by
// E[w] = 1, and se its standard error.
//
// Source: calibration to a known total, Deville and Särndal, J. Am. Stat. Assoc. 87
// (1992), 376-382.
func impute(l, score, length []float64) (filled []float64, modelled int, missing, se float64) {
	n := float64(len(l))
	var at []int
	var sum, squares float64
	lo, hi := math.Inf(1), math.Inf(-1)
	for i, v := range l {
		if math.IsNaN(v) {
			at = append(at, i)
			continue
		}
		w := math.Exp(v)
		sum += w
		squares += w * w
		if !math.IsInf(v, 0) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	have := n - float64(len(at))
	if len(at) == 0 || !(have > 1) || hi < lo || math.IsInf(sum, 1) {
		return l, 0, 0, 0
	}
	missing = max(1-sum/n, 0)
	se = math.Sqrt(max(squares-sum*sum/have, 0)) / n
	fit := leastSquares(l, score, logs(length))
	raw := make([]float64, len(at))
	var total float64
	for k, i := range at {
		raw[k] = min(max(fit(i), lo), hi)
		total += math.Exp(raw[k])
	}
	want := min(max((n-sum)/float64(len(at)), leastModelled), mostModelled) * float64(len(at))
	shift := math.Log(want / total)
	filled = append([]float64(nil), l...)
	for k, i := range at {
		filled[i] = raw[k] + shift
	}
	return filled, len(at), missing, se
}

// leastSquares fits y to 1, a and b where y is finite, and returns the fit at a row. A
// predictor that is missing is at its mean.
func leastSquares(y, a, b []float64) func(i int) float64 {
	center := func(x []float64) (mean, sd float64) {
		var n, sum, ss float64
		for i, v := range x {
			if finite(v) && finite(y[i]) {
				n++
				sum += v
			}
		}
		if n == 0 {
			return 0, 0
		}
		mean = sum / n
		for i, v := range x {
			if finite(v) && finite(y[i]) {
				ss += (v - mean) * (v - mean)
			}
		}
		return mean, math.Sqrt(ss / n)
	}
	ma, sa := center(a)
	mb, sb := center(b)
	unit := func(v, mean, sd float64) float64 {
		if !finite(v) || !(sd > 1e-12*(1+math.Abs(mean))) {
			return 0
		}
		return (v - mean) / sd
	}
	var n, sy, saa, sbb, sab, say, sby float64
	for _, v := range y {
		if finite(v) {
			n++
			sy += v
		}
	}
	mean := sy / n
	for i, v := range y {
		if !finite(v) {
			continue
		}
		x, z := unit(a[i], ma, sa), unit(b[i], mb, sb)
		saa += x * x
		sbb += z * z
		sab += x * z
		say += x * (v - mean)
		sby += z * (v - mean)
	}
	const ridge = 1e-6 // where the two are one
	saa, sbb = saa+ridge*n, sbb+ridge*n
	det := saa*sbb - sab*sab
	ca, cb := (sbb*say-sab*sby)/det, (saa*sby-sab*say)/det
	return func(i int) float64 { return mean + ca*unit(a[i], ma, sa) + cb*unit(b[i], mb, sb) }
}
