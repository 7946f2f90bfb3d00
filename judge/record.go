package judge

import (
	"fmt"
	"math"

	"github.com/reweigh/reweigh/dataset"
)

// Record makes the line of judge.jsonl for what a scorer returned: a score, or a
// null mean and variance with the error, by [RecordError]. The calibrated score
// is null; [Uncertainty.Calibrate] sets it.
//
// A score with a mean that is missing or outside [0, 1], a variance that is
// negative or infinite, or no source becomes an error of class "invalid", so
// that a faulty Scorer cannot write a number that means nothing.
func Record(key dataset.Key, policyHash string, s Scorer, score Score, err error) dataset.JudgeScore {
	r := dataset.JudgeScore{
		PromptID: key.PromptID, Policy: key.Policy, DrawIdx: key.DrawIdx,
		Judge: s.Identity(), PolicyHash: policyHash,
	}
	if err == nil {
		r.Error = score.problem()
	} else {
		r.Error = RecordError(err)
	}
	if r.Error == nil {
		r.Mean, r.Variance, r.Source = score.Mean, score.Variance, string(score.Source)
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
	return &dataset.RecordError{Class: string(ReasonInvalid), Message: "judge: " + what + ": the scorer is at fault"}
}
