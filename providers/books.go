package providers

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Books are a [Client]'s prices, budget and ledger, for calls that it does not
// make itself, such as the lines of a batch. An entry that is begun is ended,
// and what is reserved is settled or parked, once.
type Books struct{ c *Client }

// Books returns the client's account.
func (c *Client) Books() Books { return Books{c} }

// Price is that of a model, at single calls.
func (b Books) Price(model string) (Price, error) { return b.c.config.Prices.For(model) }

// Reserve sets an amount aside, as [Budget.Reserve]; without a budget it does
// nothing.
func (b Books) Reserve(ctx context.Context, amount USD) error {
	if b.c.config.Budget == nil {
		return nil
	}
	return b.c.config.Budget.Reserve(ctx, amount)
}

// Settle replaces a reservation by what was spent.
func (b Books) Settle(reserved, cost USD) {
	if b.c.config.Budget != nil {
		b.c.config.Budget.Settle(reserved, cost)
	}
}

// Park ends a reservation for work that a server goes on with after the call:
// it counts as spent, so that no call waits for it, until Unpark takes it up
// again under the same key.
func (b Books) Park(key string, reserved USD) {
	if b.c.config.Budget != nil {
		b.c.config.Budget.park(b.c.provider.Name()+" "+key, reserved)
	}
}

// Unpark reserves an amount for work that is already with the server. It never
// refuses, because the money must be paid whatever the limit says.
func (b Books) Unpark(key string, amount USD) {
	if b.c.config.Budget != nil {
		b.c.config.Budget.unpark(b.c.provider.Name()+" "+key, amount)
	}
}

// Entry is the line of an attempt at a call that is in flight, at the cost
// reserved for it. Its id must be unique.
func (b Books) Entry(id string, k Call, reserved USD, attempt int) Entry {
	return Entry{
		ID:    id,
		Stage: k.Tag.Stage, Key: k.Tag.record(), Policy: k.Tag.Key.Policy, Call: k.Tag.Call,
		Provider: nameOf(b.c.provider, k.Model), Model: k.Model, Endpoint: k.Endpoint,
		Outcome: OutcomeInFlight, RequestID: RequestID(k.Tag), Cost: reserved, Attempt: attempt,
	}
}

// began is what a [Ledger] may have besides: whether an entry of that ID has
// begun. What is taken up by another process begins its entries again where they
// have not; a ledger without the method is asked to Begin them a second time.
type began interface{ Began(id string) bool }

// Begin writes an entry down before what it stands for is sent. An error is an
// [*Error] of class [ClassLedger].
func (b Books) Begin(k Call, e Entry) error {
	ledger := b.c.config.Ledger
	if ledger == nil {
		return nil
	}
	write := ledger.Begin
	if known, ok := ledger.(began); ok && known.Began(e.ID) {
		write = ledger.End // back in flight
	}
	if err := write(e); err != nil {
		return b.c.ledgerFailed(k, err)
	}
	return nil
}

// End writes down what became of an entry; errors are as for Begin.
func (b Books) End(k Call, e Entry) error {
	if b.c.config.Ledger != nil {
		if err := b.c.config.Ledger.End(e); err != nil {
			return b.c.ledgerFailed(k, err)
		}
	}
	if b.c.config.OnAttempt != nil {
		b.c.config.OnAttempt(e)
	}
	return nil
}

// Account writes into e what an attempt came to that was reserved at e.Cost: what
// its usage costs, nothing where nothing was billed, or else what was reserved.
// It returns the usage as far as it is believed: a count that no answer to a
// request of that bound can have is none.
func (b Books) Account(e *Entry, p Price, bound Usage, usage *Usage, meta Meta, failed *Error) *Usage {
	doubts := []string{meta.UsageDoubt}
	usage, doubt := b.Believed(e.Model, bound, usage)
	doubts = append(doubts, doubt)
	reserved := e.Cost
	e.Cost, e.UsageKnown = b.cost(p, reserved, usage, doubt != "" && usage == nil, failed)
	e.Status, e.Served, e.Tier = meta.Status, meta.Model, meta.Tier
	if usage != nil {
		e.PromptTokens, e.CompletionTokens, e.CachedTokens, e.HiddenTokens = usage.PromptTokens, usage.CompletionTokens,
			usage.CachedTokens, usage.HiddenTokens
		factor, known := p.tier(meta.Tier)
		e.Cost *= USD(factor)
		if !known {
			doubts = append(doubts, fmt.Sprintf("the tier %q has no price in the table: charged at the usual one", meta.Tier))
		}
		if stated, ok := usage.Stated.Get(); ok && USD(stated) > e.Cost*1.001 {
			if most := 10 * p.Worst(bound); USD(stated) <= max(most, 10*e.Cost) {
				doubts = append(doubts, fmt.Sprintf("the service states %v, the table gives %v: the dearer is charged",
					USD(stated), e.Cost))
				e.Cost = USD(stated)
			} else {
				doubts = append(doubts, fmt.Sprintf("the service states %v for an answer of %v: not believed", USD(stated),
					e.Cost))
			}
		}
	}
	e.UsageDoubt = strings.Join(slices.DeleteFunc(doubts, func(s string) bool { return s == "" }), "; ")
	return usage
}

// Believed is a usage as an answer to a request of that bound can have it: nil
// where a count is more than the model can hold, and what is doubtful.
func (b Books) Believed(model string, bound Usage, usage *Usage) (believed *Usage, doubt string) {
	return usage.believed(bound, b.c.context(model))
}

// cost is what an attempt is settled at, and whether that is known. broken says
// that a usage was stated that is not believed.
func (b Books) cost(p Price, reserved USD, usage *Usage, broken bool, e *Error) (USD, bool) {
	switch {
	case usage != nil:
		return p.Cost(*usage), true
	case e == nil, broken:
		return reserved, false
	case !e.Sent:
		return 0, true
	case e.Status/100 > 2 && !intermediary(e.Status):
		// Services bill the tokens of an answer. A status that refuses says
		// that there is none, so this is a known nothing; to keep it at its
		// reservation would let a burst of 429 eat the budget.
		return 0, true
	}
	// No status, one of somebody who lost sight of the service, or one that
	// promised an answer which then broke off: the tokens may have been
	// generated and billed, and nobody saw how many.
	return reserved, false
}

// intermediary reports a status by which a proxy, or a server that gave up on
// its own back end, says that it got no answer in time or a broken one. What
// stands behind may have worked all the same. 520 to 527 are Cloudflare's.
func intermediary(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	}
	return status >= 520 && status <= 527
}

// context is how many tokens a model holds, as far as anybody says.
func (c *Client) context(model string) int {
	listed, _ := c.contexts.Load(model)
	n, _ := listed.(int)
	return cmp.Or(c.config.Prices.Models[model].Context, n, defaultContext)
}

// learn keeps what a service says of its models' contexts.
func (c *Client) learn(models ...Model) {
	for _, m := range models {
		if m.Context > 0 {
			c.contexts.Store(m.ID, m.Context)
		}
	}
}
