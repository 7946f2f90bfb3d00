package providers

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// ClientConfig is how a [Client] calls.
type ClientConfig struct {
	Concurrency int // attempts in flight at most; 0 means 16
	// Limits holds for each model by itself. Zero fields are learnt from the
	// server.
	Limits Limits
	// Among is how many clients share the limits of their models, wherever they are: this
	// one uses an equal part of them. 0 means 1.
	Among int
	Retry Retry
	// Prices is required: a model that it lacks is refused before anything is
	// sent.
	Prices Prices
	Budget *Budget // nil: no limit
	Ledger Ledger  // nil: no account is kept
	// OnAttempt, where not nil, is told of every attempt that ended. It is
	// called from many goroutines and holds up the call that it reports.
	OnAttempt func(Entry)
}

// Client adds to any [Provider] what single attempts lack: retries, pacing
// within the service's limits, a ledger and a budget. It is the only place
// where anything is tried again. It is safe for concurrent use.
//
// Attempts leave evenly, at 98% of the [Limits] of their model, because
// services enforce a limit a minute by the second, too. What an attempt takes
// of them is expected from earlier calls of its stage and corrected when it
// ended. After a 429 or 503 the client uses less of the limits and of
// [ClientConfig].Concurrency, and finds its way back as calls succeed. A
// Retry-After of up to a second keeps all calls of the model back; during a
// longer one, others are let in one a second. Stages take turns.
//
// Limits come from the configuration and from the x-ratelimit-limit-* headers.
// Fireworks' headers for prompt and generated tokens are read as tokens a
// minute: its documentation says a second, a measurement showed a minute, and
// this is the reading that does no harm. [LimitStatus] shows what is in force.
type Client struct {
	provider Provider
	config   ClientConfig
	gate     *gate
	nonce    string // makes attempt ids of this client unique between processes
	calls    atomic.Uint64
	attempts atomic.Uint64
	contexts sync.Map // model to how many tokens it holds
	vain     sync.Map // [2]string{op, model} to *atomic.Int64: see inVain
}

// NewClient returns a client for p.
func NewClient(p Provider, c ClientConfig) (*Client, error) {
	if p == nil {
		panic("providers: NewClient of a nil Provider")
	}
	fail := func(err error) (*Client, error) {
		return nil, fmt.Errorf("providers: client for %s: %w", p.Name(), err)
	}
	if c.Concurrency < 0 || c.Among < 0 {
		return fail(fmt.Errorf("a concurrency of %d, among %d clients", c.Concurrency, c.Among))
	}
	if c.Concurrency == 0 {
		c.Concurrency = 16
	}
	if len(c.Prices.Models) == 0 {
		return fail(errors.New("no prices: pass DefaultPrices() or a table of your own"))
	}
	var err error
	if c.Retry, err = c.Retry.withDefaults(); err != nil {
		return fail(err)
	}
	limits, err := c.Limits.quantities()
	if err != nil {
		return fail(err)
	}
	var nonce [4]byte
	rand.Read(nonce[:]) // never fails
	g := newGate(c.Concurrency, limits.part(c.Among))
	g.among = c.Among
	return &Client{provider: p, config: c, gate: g, nonce: hex.EncodeToString(nonce[:])}, nil
}

// Provider returns what the client calls.
func (c *Client) Provider() Provider { return c.provider }

// Generate asks for one response, as often as it takes. Every error is an
// [*Error]; one that wraps [errors.ErrUnsupported] says that the service has
// no such method.
//
// When ctx ends, the error is of class [ClassCanceled], or [ClassTimeout] for
// a deadline, and wraps both the context's error and that of the last attempt.
func (c *Client) Generate(ctx context.Context, req GenerateRequest) (Generation, error) {
	k := call{Call: Call{opGenerate, req.Tag, req.Model, pathCompletions[1:]}, bound: req.Bound(),
		ids: len(req.PromptIDs) > 0, invalid: req.Validate()}
	if len(req.Messages) > 0 {
		k.Endpoint = pathChat[1:]
	}
	g, usage, meta, err := do(ctx, c, k, func(ctx context.Context) (Generation, *Usage, Meta, error) {
		g, err := c.provider.Generate(ctx, req)
		return g, g.Usage, g.Meta, err
	})
	g.Usage, g.Meta = usage, meta
	return g, err
}

// ScorePrompt returns the log-probs of a given text; errors are as for
// [Client.Generate].
func (c *Client) ScorePrompt(ctx context.Context, req ScoreRequest) (PromptScore, error) {
	k := call{Call: Call{opScore, req.Tag, req.Model, pathCompletions[1:]}, bound: req.worst(),
		ids: len(req.PromptIDs) > 0, invalid: req.Validate()}
	s, usage, meta, err := do(ctx, c, k, func(ctx context.Context) (PromptScore, *Usage, Meta, error) {
		s, err := c.provider.ScorePrompt(ctx, req)
		return s, s.Usage, s.Meta, err
	})
	s.Usage, s.Meta = usage, meta
	return s, err
}

// Models lists what the service says it serves. The attempts stand in the
// ledger under stage "preflight", at no cost.
func (c *Client) Models(ctx context.Context) ([]Model, error) {
	models, err := Free(ctx, c, Call{Op: opModels, Tag: modelsTag, Endpoint: pathModels[1:]}, c.provider.Models)
	c.learn(models...)
	return models, err
}

// Free makes a call of f that costs nothing: with c's retries, and a line in its
// ledger for every attempt. It waits for no limit and for no call in flight.
func Free[T any](ctx context.Context, c *Client, k Call, f func(context.Context) (T, error)) (T, error) {
	v, _, _, err := do(ctx, c, call{Call: k, free: true}, func(ctx context.Context) (T, *Usage, Meta, error) {
		v, err := f(ctx)
		if err != nil {
			return v, nil, Meta{}, err
		}
		// What it returns has no Meta; that it is here says what its status was.
		return v, nil, Meta{Status: http.StatusOK}, nil
	})
	return v, err
}

// Call names a call in errors and in the ledger.
type Call struct {
	Op       string // what is done: "generate", "get batch"
	Tag      Tag
	Model    string // empty where it concerns none
	Endpoint string // as in Entry
}

// call is what the attempts of one call share.
type call struct {
	Call
	bound   Usage
	ids     bool  // the prompt is given as token ids
	invalid error // why it may not be sent
	free    bool  // costs nothing and is not priced
	price   Price
	reserve USD
}

// Fail is the error of a call through c.
func (c *Client) Fail(k Call, class Class, err error) *Error {
	return &Error{Op: k.Op, Provider: nameOf(c.provider, k.Model), Model: k.Model, Tag: k.Tag, Class: class, Err: err}
}

// do runs a call: attempts with waits between them until one succeeds, one
// fails for good, or nothing more may be tried.
func do[T any](ctx context.Context, c *Client, k call, send func(context.Context) (T, *Usage, Meta, error)) (T, *Usage,
	Meta, error) {
	var none T
	if k.invalid != nil {
		return none, nil, Meta{}, c.Fail(k.Call, ClassBadRequest, k.invalid)
	}
	if !k.free {
		var err error
		if k.price, err = c.config.Prices.For(k.Model); err != nil {
			return none, nil, Meta{}, c.Fail(k.Call, ClassBadRequest, err)
		}
		k.reserve = k.price.Worst(k.bound)
	}

	var (
		plan    = newSchedule(c.config.Retry, k.Tag, c.calls.Add(1))
		meta    Meta
		usage   *Usage
		last    *Error // the last failure that the end of ctx did not cause
		ended   *Error // the failure that it did
		waited  time.Duration
		waiting time.Time
		vain    = c.inVain(k.Call)
		mine    int // wasted answers of this call
	)
	rested := func() {
		if !waiting.IsZero() {
			waited += time.Since(waiting)
			waiting = time.Time{}
		}
	}
	result, err := backoff.RetryNotifyWithData(func() (T, error) {
		rested()
		v, u, m, e := attemptOnce(ctx, c, k, plan.made+1, send)
		if m.Attempts > 0 { // it was made, whatever came of it
			plan.made++
		}
		meta, usage, waited = m, u, waited+m.Waited
		switch {
		case e == nil:
			vain.Store(0)
			return v, nil
		case ctx.Err() != nil && (e.Class == ClassCanceled || e.Class == ClassTimeout):
			ended = e
			return none, backoff.Permanent(e)
		}
		if e.Class == ClassBudget && last != nil {
			e.Err = fmt.Errorf("%w; last attempt: %w", e.Err, last)
		}
		last, plan.wish = e, e.RetryAfter
		if !e.Class.Retryable() {
			return none, backoff.Permanent(e)
		}
		if !k.free && wasted(e) {
			mine++
			if !again(e, mine, vain.Add(1)) {
				return none, backoff.Permanent(e)
			}
		}
		return none, e
	}, backoff.WithContext(plan, ctx), func(error, time.Duration) { waiting = time.Now() })
	rested()
	meta.Attempts, meta.Waited = plan.made, waited
	if err == nil {
		return result, usage, meta, nil
	}

	// The library returns its own error or the context's; ours say more.
	final := last
	switch {
	case ended != nil || last == nil || err == ctx.Err():
		final = c.interrupted(ctx, k, ended, last)
	case last.Class.Retryable() && plan.tooPatient():
		last.Hint = fmt.Sprintf("the server asks to wait %v, more than Retry.RetryAfterCap %v: resume after that",
			last.RetryAfter, c.config.Retry.RetryAfterCap)
	}
	if final.Meta.Status == 0 && final.Meta.Header == nil {
		final.Meta = meta
	}
	final.Meta.Attempts, final.Meta.Waited = plan.made, waited
	return none, nil, final.Meta, final
}

// interrupted is the error of a call whose context ended: in an attempt
// (ended), or between attempts. It keeps the cause of the last real failure,
// without which a deadline would hide that, say, every attempt was refused.
func (c *Client) interrupted(ctx context.Context, k call, ended, last *Error) *Error {
	e := c.Fail(k.Call, ContextClass(ctx.Err()), ctx.Err())
	if ended != nil {
		e.Sent, e.Usage, e.Meta = ended.Sent, ended.Usage, ended.Meta
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, e.Err) {
		e.Err = fmt.Errorf("%w: %w", e.Err, cause)
	}
	if last != nil {
		e.Status, e.Code, e.Hint, e.RetryAfter = last.Status, last.Code, last.Hint, last.RetryAfter
		e.Sent = e.Sent || last.Sent
		e.Err = fmt.Errorf("%w; last attempt: %w", e.Err, last)
	}
	return e
}
