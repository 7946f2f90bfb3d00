package engine

import (
	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// scoreRows are scores as rows, with other variances for those at the places of shrunk.
func scoreRows(held snapshot[score], shrunk map[uint32]dataset.Float) record.Rows[dataset.JudgeScore] {
	return record.RowsOf(held.places, func(at uint32) dataset.Key { return held.keys.key(held.made.at(at).key) },
		func(at uint32) dataset.JudgeScore {
			row := held.made.at(at).row(held.keys)
			if v, ok := shrunk[at]; ok {
				row.Variance = v
			}
			return row
		})
}

// shrink draws the variances of repeated readings together. It returns them by the places of
// their scores, nil if there are none.
func shrink(held snapshot[score]) map[uint32]dataset.Float {
	var at []uint32
	var variances []float64
	for _, place := range held.places {
		if s := held.made.at(place); s.source == string(judge.SourceRepeated) && s.mean.Valid() {
			at, variances = append(at, place), append(variances, s.variance.OrNaN())
		}
	}
	if len(at) == 0 {
		return nil
	}
	readings := 0
	if first := held.made.at(at[0]); first.rest != nil {
		readings = len(first.rest.Readings)
	}
	out := make(map[uint32]dataset.Float, len(at))
	for j, v := range judge.Shrink(variances, readings) {
		out[at[j]] = dataset.Known(v)
	}
	return out
}
