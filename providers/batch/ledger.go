package batch

import (
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/providers"
)

// entry is the line's place in the ledger. Its ID is the same in every process
// that has to do with the batch.
func (r *run) entry(it *item, st *State) providers.Entry {
	return r.c.Books().Entry(fmt.Sprintf("%s#b%d-%s", it.id, st.Attempt, st.Key[:8]), it.call(), it.reserve, st.Attempt)
}

// begin writes every line down at what it may cost.
func (r *run) begin(items []*item, st *State) error {
	for _, it := range items {
		if err := r.c.Books().Begin(it.call(), r.entry(it, st)); err != nil {
			return err
		}
	}
	return nil
}

// end writes down what became of every line, and returns what they cost.
func (r *run) end(items []*item, st *State, outcomes func(*item) lineOutcome) (providers.USD, error) {
	var sum providers.USD
	for _, it := range items {
		o := outcomes(it)
		e, usage, meta := r.entry(it, st), o.generation.Usage, o.generation.Meta
		e.Outcome = providers.OutcomeOK
		if o.err != nil {
			e.Outcome, usage, meta = string(o.err.Class), o.err.Usage, o.err.Meta
		}
		e.Status, e.Served, e.ServerRequestID = meta.Status, meta.Model, meta.RequestID
		e.Cost, e.UsageKnown = r.c.Books().Cost(it.price, it.reserve, usage, o.err)
		switch {
		case o.lost:
			e.Cost, e.UsageKnown = it.reserve, false
		case o.err != nil && usage == nil && meta.Status == 0:
			// Expired, cancelled or failed before there was an answer: the
			// service bills finished lines only.
			e.Cost, e.UsageKnown = 0, true
		}
		if usage != nil {
			e.PromptTokens, e.CompletionTokens, e.CachedTokens = usage.PromptTokens, usage.CompletionTokens, usage.CachedTokens
		}
		sum += e.Cost
		if err := r.c.Books().End(it.call(), e); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

// abandon writes down that the lines were never submitted.
func (r *run) abandon(items []*item, st *State, cause error) {
	class := providers.ClassUnknown
	var failed *providers.Error
	if errors.As(cause, &failed) {
		class = failed.Class
	}
	for _, it := range items {
		e := r.entry(it, st)
		e.Outcome, e.Cost, e.UsageKnown = string(class), 0, true
		if r.c.Books().End(it.call(), e) != nil {
			return // the lines of Begin stand, and count too much
		}
	}
}
