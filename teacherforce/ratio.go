package teacherforce

import (
	"fmt"
	"math"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// RawRatioError refuses a ratio of log-probs that are not of the distribution
// that a policy samples from.
type RawRatioError struct {
	// Side is "target", "base" or "both".
	Side string
}

func (e *RawRatioError) Error() string {
	return fmt.Sprintf(
		"teacherforce: ratio of raw log-probs (%s): the policy samples at another temperature than 1, or from a part of "+
			"the distribution, and an echo gives the model's own log-probs. Their ratio is not the importance weight: at "+
			"temperature T a token's true log-prob is z/T - log Σ exp(z/T), which no function of the raw ones is, so that "+
			"the error grows with the response's length and has no known sign; and a token that top-p or top-k excludes has "+
			"a weight of 0 and not a small one. Score policies of temperature 1, top_p 1 and top_k 0, or ask for "+
			"RawLogRatio", e.Side)
}

// IntervalRatioError refuses a ratio of log-probs of which one is no number.
type IntervalRatioError struct {
	// Side is "target", "base" or "both".
	Side string
}

func (e *IntervalRatioError) Error() string {
	return fmt.Sprintf(
		"teacherforce: ratio of log-probs that are known as intervals alone (%s): the server shows too few alternatives "+
			"to each token for the log-prob under the policy's sampling, or the logging policy cannot have drawn the "+
			"response; the responses that have a weight would be no random part of all", e.Side)
}

// LogRatio returns log π(a | c) - log π₀(a | c), the log importance weight of one
// response, in nats. It returns a [*RawRatioError] if either value is of
// another distribution than its policy samples from; what a policy draws itself
// may have the right one (see [MethodSampling]). It is -Inf, a weight of 0, of a response
// outside the target's support. It returns an [*IntervalRatioError] if a side's value is
// an interval too wide to stand for a number; [LogRatioBounds] has those.
func LogRatio(target, base Result) (float64, error) {
	if err := sampledSides(target, base); err != nil {
		return math.NaN(), err
	}
	known := func(r Result) bool { return r.Interval == nil || r.LogProb.Valid() }
	switch t, b := !known(target), !known(base) || base.OutsideSupport; {
	case t && b:
		return math.NaN(), &IntervalRatioError{"both"}
	case t:
		return math.NaN(), &IntervalRatioError{"target"}
	case b:
		return math.NaN(), &IntervalRatioError{"base"}
	}
	if target.OutsideSupport && base.LogProb.Valid() {
		return math.Inf(-1), nil
	}
	return target.LogProb.OrNaN() - base.LogProb.OrNaN(), nil
}

// sampledSides refuses values of another distribution than their policy samples from.
func sampledSides(target, base Result) error {
	side := ""
	switch t, b := target.Distribution != dataset.SamplingDistribution,
		base.Distribution != dataset.SamplingDistribution; {
	case t && b:
		side = "both"
	case t:
		side = "target"
	case b:
		side = "base"
	}
	if side != "" {
		return &RawRatioError{side}
	}
	return nil
}

// LogRatioBounds returns what the log importance weights of all responses lie between, nats, for
// [offpolicy.WeightsBetween]: both bounds are the log-ratio of [LogRatio] where both sides are
// numbers, NaN where a side could not score the response, and -Inf outside the target's support.
// A response outside the support of the policy that gave it is NaN, too: it was not drawn as
// stated. It returns a [*RawRatioError] as LogRatio does, and an error if the two are not of the
// same responses.
func LogRatioBounds(target, base *Scores) (lower, upper []float64, err error) {
	err = eachRatio(target, base, func(t, b Result) error {
		if err := sampledSides(t, b); err != nil {
			return err
		}
		x, y := t.Record("", "").Bounds(), b.Record("", "").Bounds()
		if b.OutsideSupport {
			y[0] = math.NaN()
		}
		lo, hi := offpolicy.LogRatioBounds(x, y)
		lower, upper = append(lower, lo), append(upper, hi)
		return nil
	}, func() { lower, upper = append(lower, math.NaN()), append(upper, math.NaN()) })
	return lower, upper, err
}

// RawLogRatio returns the difference of the models' own log-probs: the log importance
// weight between two policies of these models at temperature 1 without filters, and
// not between the policies that were scored. It shows how much an endpoint's log-probs
// vary between a policy and its clone, whatever temperature both sample at.
func RawLogRatio(target, base Result) float64 { return rawValue(target) - rawValue(base) }

// rawValue is the result's value of the model's own distribution, NaN if no
// method that reads a scored text answered.
func rawValue(r Result) float64 {
	if r.Method != MethodSampling && r.Method != MethodTempered {
		return r.LogProb.OrNaN()
	}
	for _, name := range []string{MethodTokenIDs, MethodTokenCounting, MethodEchoBased, MethodContinuation, MethodChat} {
		if m, ok := r.Methods[name]; ok && m.Status == OK {
			return m.LogProb.OrNaN()
		}
	}
	return math.NaN()
}
