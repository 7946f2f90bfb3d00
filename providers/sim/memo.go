package sim

import (
	"sync"

	"github.com/reweigh/reweigh/internal/langmodel"
)

// memo remembers the results of a pure function. A policy and its clone score the
// same texts, and judge and oracle read the same responses: each is worked out once.
// A full memo forgets everything and starts anew.
type memo[K comparable, V any] struct {
	mu   sync.Mutex
	kept map[K]V
}

// memoSize is how many results a memo keeps: some ten megabytes of long texts.
const memoSize = 2048

// get returns what compute returns for the key. The result is shared: it may not be
// changed.
func (m *memo[K, V]) get(key K, compute func() V) V {
	m.mu.Lock()
	v, ok := m.kept[key]
	m.mu.Unlock()
	if ok {
		return v
	}
	v = compute() // two calls at once may both work it out
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil || len(m.kept) >= memoSize {
		m.kept = map[K]V{}
	}
	m.kept[key] = v
	return v
}

type scored struct{ model, ids string }

type drawn struct {
	model, ids string
	sampling   langmodel.Sampling
	maxTokens  int
	stream     uint64
}

type merit struct {
	value   float64
	evasive bool
}

var (
	scores memo[scored, []float64]
	draws  memo[drawn, langmodel.Draw]
	merits memo[pair, merit]
)

// logProbs is langmodel.Model.LogProbs, remembered.
func (m modelSpec) logProbs(ids []int) []float64 {
	return scores.get(scored{m.name, idText(ids)}, func() []float64 { return m.lm().LogProbs(ids) })
}
