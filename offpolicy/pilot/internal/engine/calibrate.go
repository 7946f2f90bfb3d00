package engine

import (
	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
)

// shrink draws the variances of repeated readings together.
func shrink(scores []dataset.JudgeScore) {
	var at []int
	var variances []float64
	for i, s := range scores {
		if s.Source == string(judge.SourceRepeated) && s.Mean.Valid() {
			at, variances = append(at, i), append(variances, s.Variance.OrNaN())
		}
	}
	if len(at) == 0 {
		return
	}
	for j, v := range judge.Shrink(variances, len(scores[at[0]].Readings)) {
		scores[at[j]].Variance = dataset.Known(v)
	}
}
