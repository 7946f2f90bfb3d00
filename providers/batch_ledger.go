package providers

import (
	"errors"
	"fmt"
)

// began is what a [Ledger] may have besides: whether an entry of that ID has
// begun. A batch that is taken up again begins its lines again where they have
// not; a ledger without the method is asked to Begin them a second time.
type began interface{ Began(id string) bool }

// entry is the line's place in the ledger. Its ID is the same in every process
// that has to do with the batch.
func (r *batchRun) entry(it *batchItem, st *BatchState) Entry {
	tag := it.req.Tag
	return Entry{
		ID:    fmt.Sprintf("%s#b%d-%s", it.id, st.Attempt, st.Key[:8]),
		Stage: tag.Stage, Key: tag.Key, Policy: tag.Policy, Call: tag.Call,
		Provider: r.c.provider.Name(), Model: it.req.Model, Endpoint: "batch",
		Outcome: OutcomeInFlight, RequestID: it.id, Cost: it.reserve, Attempt: st.Attempt,
	}
}

// begin writes every line down at what it may cost.
func (r *batchRun) begin(items []*batchItem, st *BatchState) error {
	ledger := r.c.config.Ledger
	if ledger == nil {
		return nil
	}
	known, _ := ledger.(began)
	for _, it := range items {
		e := r.entry(it, st)
		write := ledger.Begin
		if known != nil && known.Began(e.ID) {
			write = ledger.End // back in flight
		}
		if err := write(e); err != nil {
			return r.c.ledgerFailed(it.call(), err)
		}
	}
	return nil
}

// end writes down what became of every line, and returns what they cost.
func (r *batchRun) end(items []*batchItem, st *BatchState, outcomes func(*batchItem) lineOutcome) (USD, error) {
	var sum USD
	for _, it := range items {
		o := outcomes(it)
		e, usage, meta := r.entry(it, st), o.generation.Usage, o.generation.Meta
		e.Outcome = OutcomeOK
		if o.err != nil {
			e.Outcome, usage, meta = string(o.err.Class), o.err.Usage, o.err.Meta
		}
		e.Status, e.Served, e.ServerRequestID = meta.Status, meta.Model, meta.RequestID
		e.Cost, e.UsageKnown = r.c.cost(it.call(), usage, o.err)
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
		if err := r.finish(it, e); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

// abandon writes down that the lines were never submitted.
func (r *batchRun) abandon(items []*batchItem, st *BatchState, cause error) {
	class := ClassUnknown
	var failed *Error
	if errors.As(cause, &failed) {
		class = failed.Class
	}
	for _, it := range items {
		e := r.entry(it, st)
		e.Outcome, e.Cost, e.UsageKnown = string(class), 0, true
		if r.finish(it, e) != nil {
			return // the lines of Begin stand, and count too much
		}
	}
}

func (r *batchRun) finish(it *batchItem, e Entry) error {
	if r.c.config.Ledger != nil {
		if err := r.c.config.Ledger.End(e); err != nil {
			return r.c.ledgerFailed(it.call(), err)
		}
	}
	if r.c.config.OnAttempt != nil {
		r.c.config.OnAttempt(e)
	}
	return nil
}
