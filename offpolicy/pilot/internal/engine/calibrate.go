package engine

import (
	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// scoreRows are scores as the store holds them, as rows.
func scoreRows(held []*dataset.JudgeScore) record.Rows[dataset.JudgeScore] {
	return record.RowsOf(held, func(s *dataset.JudgeScore) dataset.Key { return s.Key() },
		func(s *dataset.JudgeScore) dataset.JudgeScore { return *s })
}

// shrink draws the variances of repeated readings together. It puts others in the place of those
// that it changes.
func shrink(scores []*dataset.JudgeScore) {
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
		changed := *scores[at[j]]
		changed.Variance = dataset.Known(v)
		scores[at[j]] = &changed
	}
}
