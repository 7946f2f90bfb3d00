package providers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// attemptOnce makes one attempt under a slot, a reservation and a line in the
// ledger, all of which it gives back or closes. Meta.Attempts is 1 if the
// provider was called.
func attemptOnce[T any](ctx context.Context, c *Client, k call, number int, send func(context.Context) (T, *Usage,
	Meta, error)) (T, *Usage, Meta, *Error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, nil, Meta{}, c.Fail(k.Call, ContextClass(err), err)
	}
	// The gate comes first: reservations made while queueing for it would
	// take the budget from the calls that could use it.
	// A call that costs nothing does not pass it: those inside may wait for the budget
	// that only the end of a batch sets free, and the calls that move it are free.
	queued, ticket, result := time.Now(), newTicket(k), outcome{}
	if !k.free {
		if err := c.gate.enter(ctx, ticket); err != nil {
			return none, nil, Meta{Waited: time.Since(queued)}, c.Fail(k.Call, ContextClass(err), err)
		}
		defer func() { c.gate.leave(ticket, result) }()
	}
	waited := time.Since(queued)
	if c.config.Budget != nil && !k.free {
		if err := c.config.Budget.Reserve(ctx, k.reserve); err != nil {
			return none, nil, Meta{Waited: waited}, c.Adopt(k.Call, err)
		}
	}
	settled := false
	settle := func(cost USD) {
		if c.config.Budget != nil && !k.free && !settled {
			settled = true
			c.config.Budget.Settle(k.reserve, cost)
		}
	}
	// A provider that panics may have sent something: its line stays in flight
	// and its reservation is spent, or calls that wait for it would wait for ever.
	defer func() { settle(k.reserve) }()
	id := RequestID(k.Tag)
	entry := c.Books().Entry(fmt.Sprintf("%s#%d-%s%s", id, number, c.nonce, strconv.FormatUint(c.attempts.Add(1), 36)),
		k.Call, k.reserve, number)
	entry.UsageKnown, entry.WaitedMS = k.free, waited.Milliseconds()
	if c.config.Ledger != nil {
		if err := c.config.Ledger.Begin(entry); err != nil {
			settle(0)
			return none, nil, Meta{Waited: waited}, c.ledgerFailed(k.Call, err)
		}
	}

	attemptCtx, cancel := context.WithTimeout(ctx, c.config.Retry.AttemptTimeout)
	defer cancel()
	start := time.Now()
	v, usage, meta, err := send(attemptCtx)
	latency := time.Since(start)
	var e *Error
	if err != nil {
		e = c.Adopt(k.Call, err)
		if attemptCtx.Err() != nil && ctx.Err() == nil && e.Class == ClassCanceled {
			e.Class = ClassTimeout // the attempt's own limit, not the caller's will
		}
		usage, meta = e.Usage, e.Meta
	}
	cancel()
	meta.Latency, meta.Attempts, meta.Waited = latency, 1, waited

	if k.free {
		entry.Status, entry.Served = meta.Status, meta.Model
	} else {
		usage = c.Books().Account(&entry, k.price, k.bound, usage, meta, e)
	}
	meta.UsageDoubt = entry.UsageDoubt
	entry.Outcome, entry.LatencyMS = OutcomeOK, latency.Milliseconds()
	if e != nil {
		e.Usage, e.Meta = usage, meta
		entry.Outcome, entry.Status = string(e.Class), e.Status
	}
	if meta.RequestID != id {
		entry.ServerRequestID = meta.RequestID
	}
	result = c.outcome(usage, meta, e, entry.UsageKnown)
	settle(entry.Cost)
	if c.config.Ledger != nil {
		if err := c.config.Ledger.End(entry); err != nil {
			// The line of Begin stands, at the reservation: nothing is lost
			// but the result, and no more is spent unrecorded.
			failed := c.ledgerFailed(k.Call, err)
			failed.Sent, failed.Usage, failed.Meta = true, usage, meta
			if e != nil {
				failed.Err = fmt.Errorf("%w; the attempt itself: %w", failed.Err, e)
			}
			return none, nil, meta, failed
		}
	}
	if c.config.OnAttempt != nil {
		c.config.OnAttempt(entry)
	}
	if e != nil {
		return none, nil, meta, e
	}
	return v, usage, meta, nil
}

// outcome is what the gate is told of an attempt. Where it is known that
// nothing was used, as after a refusal, the usage is zero.
func (c *Client) outcome(usage *Usage, meta Meta, e *Error, known bool) outcome {
	o := outcome{sent: true, status: meta.Status, header: meta.Header, usage: usage}
	if e != nil {
		o.sent, o.class, o.wish = e.Sent || e.Status != 0, e.Class, e.RetryAfter
		o.crowded = outOfFiles(e.Err)
		if e.Status != 0 {
			o.status = e.Status
		}
		if usage == nil && known {
			o.usage = &Usage{}
		}
	}
	return o
}

func (c *Client) ledgerFailed(k Call, err error) *Error {
	e := c.Fail(k, ClassLedger, err)
	e.Hint = "make the ledger writable, then resume: nothing is spent that cannot be written down"
	return e
}

// Adopt makes the client's own copy of whatever a provider returns, with the
// fields that the provider left out.
func (c *Client) Adopt(k Call, err error) *Error {
	var theirs *Error
	if errors.As(err, &theirs) {
		e := *theirs
		e.Op, e.Tag = k.Op, k.Tag
		if _, several := c.provider.(named); !several || k.Model != "" || e.Provider == "" {
			e.Provider = nameOf(c.provider, k.Model)
		}
		if e.Model == "" {
			e.Model = k.Model
		}
		if e.Class == "" {
			e.Class = ClassUnknown
		}
		return &e
	}
	e := c.Fail(k, ClassUnknown, err)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		e.Class = ClassBadRequest
		return e
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Class = ContextClass(err)
	}
	e.Sent = true // who knows
	return e
}
