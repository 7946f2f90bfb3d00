package judge

import "fmt"

// Shrink pools the variances of many responses' means, because a few readings
// each cannot estimate one. The variances are those that a judge of k readings
// stated, s²/k ([NewRepeated]). With V the mean of them, D their sample variance,
// and 2V²/(k-1) what normal readings with equal variances would make of D,
//
//	shrunk_i = V + b (variance_i - V),   b = (D - c 2V²/(k-1)) / D within [0, 1],   c = (D/V² + 1) / (2/(k-1) + 1)
//
// which is the best linear estimate of each response's own variance. The mean of
// the variances stays V. A NaN stays NaN and counts for nothing; the slice is new.
// Shrink panics if k is below 2.
//
// Source: Bühlmann's credibility estimator, with the sampling variance of a
// normal sample's variance.
func Shrink(variances []float64, k int) []float64 {
	if k < 2 {
		panic(fmt.Sprintf("judge: shrink: %d readings have no variance", k))
	}
	var known []float64
	for _, v := range variances {
		if v == v {
			known = append(known, v)
		}
	}
	out := append([]float64(nil), variances...)
	if len(known) < 2 {
		return out
	}
	mean, spread := moments(known)
	if spread == 0 {
		return out
	}
	// E[variance²] = E[σ⁴](1 + 2/(k-1)): so much of the spread is random.
	noise := 2 / float64(k-1)
	square := (spread/(mean*mean) + 1) / (1 + noise) // E[σ⁴]/V²
	b := min(max((spread-square*noise*mean*mean)/spread, 0), 1)
	for i, v := range out {
		if v == v {
			out[i] = mean + b*(v-mean)
		}
	}
	return out
}
