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
		if o.err != nil {
			usage, meta = o.err.Usage, o.err.Meta
		}
		// A line without an answer expired, was cancelled or failed before there
		// was one: the service bills finished lines only.
		unbilled := o.err != nil && usage == nil && meta.Status == 0 && !o.lost
		r.c.Books().Account(&e, it.price, it.req.Bound(), usage, meta, o.err)
		e.Outcome, e.ServerRequestID = providers.OutcomeOK, meta.RequestID
		if o.err != nil {
			e.Outcome = string(o.err.Class)
		}
		switch {
		case o.lost:
			e.Cost, e.UsageKnown = it.reserve, false
		case unbilled:
			e.Cost, e.UsageKnown = 0, true
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
