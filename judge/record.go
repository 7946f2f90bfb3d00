package judge

import (
	"errors"
	"fmt"
	"math"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// Record makes the line of judge.jsonl for what a scorer returned: a score, or
// a null mean and variance with the error. Its error class is the reason of an
// [*UnscoredError], the class of a [*providers.Error], or "error". Calibrated is
// null; who has a calibrator sets it.
//
// A score that is none (a mean that is NaN or outside [0, 1], a variance that is
// negative or infinite, no source) becomes an error of class "invalid_score",
// so that a faulty Scorer cannot write a number that means nothing. A NaN
// variance is written as null.
func Record(key dataset.Key, policyHash string, s Scorer, score Score, err error) dataset.JudgeScore {
	r := dataset.JudgeScore{
		PromptID: key.PromptID, Policy: key.Policy, DrawIdx: key.DrawIdx,
		Judge: s.Identity(), PolicyHash: policyHash,
	}
	if err == nil {
		r.Error = score.problem()
	} else {
		r.Error = &dataset.RecordError{Class: class(err), Message: err.Error()}
	}
	if r.Error == nil {
		r.Mean, r.Variance, r.Source = score.Mean, score.Variance, score.Source
		r.Readings, r.Repaired = score.Readings, score.Repaired
	}
	return r
}

func (s Score) problem() *dataset.RecordError {
	var what string
	switch {
	case !(s.Mean.OrNaN() >= 0 && s.Mean.OrNaN() <= 1):
		what = fmt.Sprintf("mean %v is not in [0, 1]", s.Mean)
	case s.Variance.OrNaN() < 0 || math.IsInf(s.Variance.OrNaN(), 1):
		what = fmt.Sprintf("variance %v", s.Variance)
	case s.Source == "":
		what = "the variance has no source"
	default:
		return nil
	}
	return &dataset.RecordError{Class: "invalid_score", Message: "judge: " + what + ": the scorer is at fault"}
}

func class(err error) string {
	var unscored *UnscoredError
	var call *providers.Error
	switch {
	case errors.As(err, &unscored):
		return unscored.Reason
	case errors.As(err, &call):
		return string(call.Class)
	}
	return "error"
}
