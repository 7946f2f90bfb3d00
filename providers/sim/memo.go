package sim

import (
	"github.com/reweigh/reweigh/internal/langmodel"
	"github.com/reweigh/reweigh/internal/memo"
)

type scored struct{ model, ids string }

type drawn struct {
	model, ids string
	sampling   langmodel.Sampling
	penalty    float64
	maxTokens  int
	stream     uint64
}

type merit struct {
	value   float64
	evasive bool
}

// A policy and its clone score the same texts, and judge and oracle read the same
// responses: each is worked out once. Long texts take some ten megabytes.
var (
	scores memo.Table[scored, []float64]
	draws  memo.Table[drawn, langmodel.Draw]
	merits memo.Table[pair, merit]
)

// logProbs is langmodel.Model.LogProbs, remembered.
func (m modelSpec) logProbs(ids []int) []float64 {
	return scores.Get(scored{m.name, idText(ids)}, func() []float64 { return m.lm().LogProbs(ids) })
}
