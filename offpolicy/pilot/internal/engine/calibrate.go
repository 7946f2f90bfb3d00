package engine

import (
	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// scoreRows are scores as the store holds them, as rows.
func scoreRows(held []*score, keys *keyring) record.Rows[dataset.JudgeScore] {
	return record.RowsOf(held, func(s *score) dataset.Key { return keys.key(s.key) },
		func(s *score) dataset.JudgeScore { return s.row(keys) })
}

// shrink draws the variances of repeated readings together. It puts others in the place of those
// that it changes.
func shrink(scores []*score) {
	var at []int
	var variances []float64
	for i, s := range scores {
		if s.source == string(judge.SourceRepeated) && s.mean.Valid() {
			at, variances = append(at, i), append(variances, s.variance.OrNaN())
		}
	}
	if len(at) == 0 {
		return
	}
	readings := 0
	if first := scores[at[0]]; first.rest != nil {
		readings = len(first.rest.Readings)
	}
	for j, v := range judge.Shrink(variances, readings) {
		changed := *scores[at[j]]
		changed.variance = dataset.Known(v)
		scores[at[j]] = &changed
	}
}
