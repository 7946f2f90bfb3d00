package offpolicy

import (
	"fmt"
	"math"
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
)

// CloneResult is what [CloneCheck] found. Figures that cannot be computed are
// NaN.
type CloneResult struct {
	Status  Status   // pass, hold or fail
	Reasons []string // why, one line per rule that decided

	N         int   // rows compared
	Missing   int   // rows without a log-ratio
	Exceeding int   // rows with |d| > 0.2 nats
	Rows      []int // their indices, in order

	MaxAbs     float64 // max |d|, nats
	ShareLower float64 // one-sided 95% Clopper-Pearson bounds of the exceeding share
	ShareUpper float64
	MeanRest   float64 // mean d of the rows that do not exceed, nats
	Median     float64 // of d, nats
	LogEValue  float64 // natural logarithm of the e-value against E[w] <= 1
}

// CloneCheck compares a policy with its clone: the same policy, scored again by
// calls of its own. The log-ratios d = w.Log ought
// to be 0, and what they are instead is the noise of the log-probs that every
// other policy's weights are made of. The tails decide, since a median near 0
// proves nothing: of 1,000 real rows 90% were exactly equal while the largest
// weight was 55.
//
//	fail  if the lower 95% bound of share(|d| > 0.2) is above 5%,
//	      or |median d| > 0.05, or the e-value against E[w] <= 1 is 1,000 or more,
//	      or there is nothing to compare;
//	pass  if max |d| <= 1e-6, or else the upper bound of that share is at most
//	      5%, |mean d| of the other rows is at most 0.02, and e < 20;
//	hold  otherwise.
//
// Below 59 rows no number of small differences passes: 0 of 58 leaves the
// share's upper bound above 5%.
func CloneCheck(w *Weights) CloneResult {
	d := w.Log
	r := CloneResult{MaxAbs: math.NaN(), MeanRest: math.NaN(), LogEValue: math.NaN(), Median: math.NaN(),
		ShareLower: math.NaN(), ShareUpper: math.NaN()}
	var rest, most float64
	for i, v := range d {
		if math.IsNaN(v) {
			r.Missing++
			continue
		}
		r.N++
		most = max(most, math.Abs(v))
		if math.Abs(v) > cloneTail {
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
	r.LogEValue = w.LogEValue

	say := func(status Status, format string, args ...any) {
		r.Status = status
		r.Reasons = append(r.Reasons, fmt.Sprintf(format, args...))
	}
	if r.ShareLower > cloneTailShare {
		say(StatusFail, "%d of %d rows differ by more than %v nats: at least %.1f%% at 95%% confidence, %.0f%% allowed",
			r.Exceeding, r.N, cloneTail, 100*r.ShareLower, 100*cloneTailShare)
	}
	if math.Abs(r.Median) > cloneMedian {
		say(StatusFail, "median difference %+.3f nats, at most %v allowed", r.Median, cloneMedian)
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
	if r.ShareUpper > cloneTailShare {
		say(StatusHold, "%d of %d rows differ by more than %v nats: up to %.1f%% at 95%% confidence, %.0f%% allowed",
			r.Exceeding, r.N, cloneTail, 100*r.ShareUpper, 100*cloneTailShare)
	}
	if !(math.Abs(r.MeanRest) <= cloneMean) {
		say(StatusHold, "mean difference of the other rows %+.3f nats, at most %v allowed", r.MeanRest, cloneMean)
	}
	if r.LogEValue >= math.Log(cloneHoldEValue) {
		say(StatusHold, "mean weight leans above 1: e-value %.3g, below %v wanted", math.Exp(r.LogEValue), cloneHoldEValue)
	}
	if r.Status == "" {
		say(StatusPass, "%d of %d rows differ by more than %v nats, the others by %+.4f on average",
			r.Exceeding, r.N, cloneTail, r.MeanRest)
	}
	return r
}
