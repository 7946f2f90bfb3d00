package offpolicy

import (
	"fmt"
	"math"

	"github.com/reweigh/reweigh/dataset"
)

// The rule of [CloneCheck].
const (
	cloneIdentical  = 1e-6 // nats: equal up to rounding
	cloneTail       = 0.2  // nats: an exceeding row
	cloneTailShare  = 0.05 // of rows that may exceed
	cloneMean       = 0.02 // nats, mean of the rows that don't exceed
	cloneMedian     = 0.05 // nats
	cloneHoldEValue = 20.0
	cloneLevel      = 0.95 // one-sided Clopper-Pearson
	cloneRows       = 59   // of which none exceeds: the upper bound is 5% then
)

// CloneResult is what [CloneCheck] found. Figures that cannot be computed are
// NaN.
type CloneResult struct {
	Status  Status   // pass, hold or fail
	Reasons []string // why, one line per rule that decided

	N         int   // rows compared
	Missing   int   // rows without a log-ratio
	Exceeding int   // rows with |d| beyond 0.2 nats and 4 s
	Rows      []int // their indices, in order

	MaxAbs     float64 // max |d|, nats
	ShareLower float64 // one-sided 95% Clopper-Pearson bounds of the exceeding share
	ShareUpper float64
	MeanRest   float64 // mean d of the rows that do not exceed, nats
	Median     float64 // of d, nats
	LogEValue  float64 // natural logarithm of the e-value against E[w] <= exp(s²/2)
	Noise      Noise   // that the log-ratios show, or as it was stated
	Spread     float64 // s, root mean square over the rows, nats
}

// CloneCheck compares a policy with its clone: the same policy, scored again by
// calls of its own. The log-ratios d = w.Log ought
// to be 0, and what they are instead is the noise of the log-probs that every
// other policy's weights are made of ([Noise]: s is its standard deviation on a row).
// Noise is no fault by itself: what it does to a value is judged where the value is
// computed. What is not noise is. The tails decide, since a median near 0
// proves nothing: of 1,000 real rows 90% were exactly equal while the largest
// weight was 55.
//
//	fail  if the lower 95% bound of share(|d| > 0.2 and 4 s) is above 5%,
//	      or |median d| is beyond 0.05 and its own 3.29 standard errors,
//	      or the e-value against E[w] <= exp(s²/2) is 1,000 or more,
//	      or s is above 1, or there is nothing to compare;
//	pass  if max |d| <= 1e-6, or else no row is beyond or the upper bound of that share is
//	      at most 5%, |mean d| of the other rows is at most 0.02 or its own 3.29
//	      standard errors, and e < 20;
//	hold  otherwise.
//
// With no row beyond, the upper bound is at most 5% from 59 rows on; the reason says so where
// there are fewer. length holds the responses' lengths in tokens, by row; stated is
// [Config.Noise], missing to estimate it from the log-ratios themselves.
func CloneCheck(w *Weights, length []float64, stated dataset.Float) CloneResult {
	d := w.Log
	noise := MeasureNoise(d, length)
	if s, ok := stated.Get(); ok {
		noise = Noise{Token: s, Upper: s}
	}
	r := CloneResult{Noise: noise, MaxAbs: math.NaN(), MeanRest: math.NaN(), LogEValue: math.NaN(), Median: math.NaN(),
		ShareLower: math.NaN(), ShareUpper: math.NaN()}
	var rest, most, s2 float64
	for i, v := range d {
		if math.IsNaN(v) {
			r.Missing++
			continue
		}
		r.N++
		most = max(most, math.Abs(v))
		s2 += noise.variance(length[i])
		if math.Abs(v) > noise.tail(length[i]) {
			r.Exceeding++
			r.Rows = append(r.Rows, i)
		} else {
			rest += v
		}
	}
	if r.N == 0 {
		r.Status, r.Reasons = StatusFail, []string{"no row could be compared"}
		return r
	}
	r.MaxAbs = most
	if k := r.N - r.Exceeding; k > 0 {
		r.MeanRest = rest / float64(k)
	}
	r.ShareLower = BinomialLower(r.Exceeding, r.N, cloneLevel)
	r.ShareUpper = BinomialUpper(r.Exceeding, r.N, cloneLevel)
	r.Median = Quantiles(d, .5)[0]
	r.Spread = math.Sqrt(s2 / float64(r.N))
	r.LogEValue = min(w.LogEValue, logEValue(noise.upper().discounted(d, length)))
	se := r.Spread / math.Sqrt(float64(r.N))

	say := func(status Status, format string, args ...any) {
		r.Status = status
		r.Reasons = append(r.Reasons, fmt.Sprintf(format, args...))
	}
	if r.ShareLower > cloneTailShare {
		say(StatusFail, "%d of %d rows differ by more than %v nats and noise: at least %.1f%% at 95%% confidence, "+
			"%.0f%% allowed", r.Exceeding, r.N, cloneTail, 100*r.ShareLower, 100*cloneTailShare)
	}
	if limit := max(cloneMedian, massZ*math.Sqrt(math.Pi/2)*se); math.Abs(r.Median) > limit {
		say(StatusFail, "median difference %+.3f nats, at most %.2g allowed", r.Median, limit)
	}
	if r.Spread > maxCloneNoise {
		say(StatusFail, "the log-ratios are mostly noise: standard deviation %.2g nats, at most %v allowed", r.Spread,
			maxCloneNoise)
	}
	if r.LogEValue >= math.Log(MaxEValue) {
		say(StatusFail, "mean weight is above 1 beyond chance: e-value 10^%s", brief(r.LogEValue/math.Ln10))
	}
	if r.Status != "" {
		return r
	}
	if most <= cloneIdentical {
		say(StatusPass, "equal within %.0e nats on all %d rows", cloneIdentical, r.N)
		return r
	}
	if r.Exceeding > 0 && r.ShareUpper > cloneTailShare {
		say(StatusHold, "%d of %d rows differ by more than %v nats and noise: up to %.1f%% at 95%% confidence, "+
			"%.0f%% allowed", r.Exceeding, r.N, cloneTail, 100*r.ShareUpper, 100*cloneTailShare)
	}
	if limit := max(cloneMean, massZ*se); !(math.Abs(r.MeanRest) <= limit) {
		say(StatusHold, "mean difference of the other rows %+.3f nats, at most %.2g allowed", r.MeanRest, limit)
	}
	if r.LogEValue >= math.Log(cloneHoldEValue) {
		say(StatusHold, "mean weight leans above 1: e-value %.3g, below %v wanted", math.Exp(r.LogEValue), cloneHoldEValue)
	}
	if r.Status == "" {
		say(StatusPass, "%d of %d rows differ by more than %v nats and noise, the others by %+.4f on average, with a "+
			"standard deviation of %.2g", r.Exceeding, r.N, cloneTail, r.MeanRest, r.Spread)
		if r.ShareUpper > cloneTailShare {
			r.Reasons[0] += fmt.Sprintf("; up to %.1f%% of all responses may do so for all that %d show: %d bound it at %.0f%%",
				100*r.ShareUpper, r.N, cloneRows, 100*cloneTailShare)
		}
	}
	return r
}
