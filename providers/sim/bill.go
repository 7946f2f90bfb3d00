package sim

import (
	"maps"
	"strings"
	"sync"
)

// ModelBill is what one model, or all of them, were charged for.
type ModelBill struct {
	Calls            int     `json:"calls"` // billed answers, seen by the client or not
	PromptTokens     int     `json:"prompt_tokens"`
	CompletionTokens int     `json:"completion_tokens"`
	CachedTokens     int     `json:"cached_tokens"` // of PromptTokens, those at the cached price
	USD              float64 `json:"usd"`
	BatchCalls       int     `json:"batch_calls,omitempty"` // of Calls, those in batches, at half the price
}

// Bill is what a server charged so far.
type Bill struct {
	Models map[string]ModelBill `json:"models"` // by the model that answered
	Total  ModelBill            `json:"total"`
	// Replies counts billed replies by X-Request-Id: more than 1 means that the
	// same call was paid again.
	Replies map[string]int `json:"answers"`
}

// usage counts the tokens of one answer.
type usage struct{ prompt, completion, cached int }

// ledger adds up. Only counts are kept and dollars are worked out from them,
// so that the sum does not depend on the order of answers.
type ledger struct {
	mu      sync.Mutex
	models  map[string]ModelBill
	answers map[string]int
	batch   map[string]ModelBill // of models, the part at half the price
}

func (l *ledger) init() {
	l.models = make(map[string]ModelBill)
	l.answers = make(map[string]int)
	l.batch = make(map[string]ModelBill)
}

func (l *ledger) charge(id, model string, u usage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.HasPrefix(model, PolyglotModel) { // one model under several templates
		model = PolyglotModel
	}
	l.models[model] = l.models[model].plus(u)
	l.answers[id]++
}

// chargeBatch charges an answer in a batch.
func (l *ledger) chargeBatch(id, model string, u usage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.models[model] = l.models[model].plus(u)
	l.batch[model] = l.batch[model].plus(u)
	l.answers[id]++
}

func (m ModelBill) plus(u usage) ModelBill {
	m.Calls++
	m.PromptTokens += u.prompt
	m.CompletionTokens += u.completion
	m.CachedTokens += u.cached
	return m
}

// Bill returns what was charged so far. An answer that a fault lost after the
// work was done is on it; one refused before is not.
func (s *Server) Bill() Bill {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	b := Bill{Models: make(map[string]ModelBill, len(s.ledger.models)), Replies: maps.Clone(s.ledger.answers)}
	for _, spec := range catalogue { // in a fixed order: float sums depend on it
		m, ok := s.ledger.models[spec.name]
		if !ok {
			continue
		}
		batch := s.ledger.batch[spec.name]
		m.USD = spec.price.usd(m) - spec.price.usd(batch)/2
		m.BatchCalls = batch.Calls
		b.Models[spec.name] = m
		b.Total.Calls += m.Calls
		b.Total.PromptTokens += m.PromptTokens
		b.Total.CompletionTokens += m.CompletionTokens
		b.Total.CachedTokens += m.CachedTokens
		b.Total.USD += m.USD
		b.Total.BatchCalls += m.BatchCalls
	}
	return b
}

// usd is the price of m's tokens.
func (p price) usd(m ModelBill) float64 {
	uncached := float64(m.PromptTokens - m.CachedTokens)
	return (uncached*p.Input + float64(m.CachedTokens)*p.cached() + float64(m.CompletionTokens)*p.Output) / 1e6
}
