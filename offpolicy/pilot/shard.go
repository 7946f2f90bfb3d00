package pilot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/check"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/engine"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// settings are what the verdict on a merged run rests on besides its records. Each shard
// keeps them in its folder.
type settings struct {
	Full       int                 `json:"full"`
	FullBudget providers.USD       `json:"full_budget"`
	Budget     providers.USD       `json:"budget"` // of all shards
	Resolution float64             `json:"resolution"`
	Assurance  float64             `json:"assurance"`
	Thresholds check.Thresholds    `json:"thresholds"`
	Waived     map[string]string   `json:"waived"`
	Live       bool                `json:"live"`
	Origin     string              `json:"origin"`
	Held       int                 `json:"held"`
	Batches    bool                `json:"batches"`
	InFlight   int                 `json:"concurrency"`
	Prices     providers.Prices    `json:"prices"`
	Cost       record.CostEstimate `json:"estimate"` // of all shards
	Drill      bool                `json:"drill"`
}

// divide works out the shard's part of the budget, and keeps what a merge needs.
func (p *preflight) divide(ctx context.Context) error {
	c := &p.cfg
	if c.Shard.Whole() {
		return nil
	}
	parts := make([]record.CostEstimate, c.Shard.Of)
	for i := range parts {
		w := p.work
		w.Shard = Shard{Index: i, Of: c.Shard.Of}
		var err error
		if parts[i], err = w.Cost(ctx); err != nil {
			return err
		}
	}
	accounts, err := p.accounts()
	if err != nil {
		return err
	}
	if p.shares == nil {
		p.shares = sharesOf(parts)
	}
	c.part = partOf(c.Shard, p.shares, accounts)
	if c.Budget > 0 {
		c.Budget = c.part.allows(c.whole)
	}
	s := settings{Full: c.Full, FullBudget: c.FullBudget, Budget: c.whole, Resolution: c.Resolution,
		Assurance:  c.Assurance,
		Thresholds: *c.Thresholds, Waived: c.Waived, Live: c.Live, Origin: c.Origin, Held: c.Input.Held, Batches: c.batches,
		InFlight: c.Concurrency, Prices: providers.Prices{Date: c.Prices.Date, Models: map[string]providers.Price{}},
		Cost: total(parts), Drill: c.Drill}
	for _, m := range append(c.Arms.Models(), p.models...) {
		if price, ok := c.Prices.Models[m]; ok {
			s.Prices.Models[m] = price
		}
	}
	p.kept, err = json.Marshal(s)
	return err
}

// accounts are those of the other shards whose folders are named. It also sets the shares
// by which all of them divide the budget, if one of them or an earlier start of this shard
// has divided it: prices and expected lengths may have been corrected since.
func (p *preflight) accounts() ([]engine.Account, error) {
	c, j := &p.cfg, p.job()
	switch own, err := j.ReadAccount(c.Dir); {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, engine.ErrOtherRun): // it has yet to divide this budget
	case err != nil:
		return nil, fmt.Errorf("how this shard divided the budget cannot be read: %w (put its manifest back, or take it "+
			"away if prices and expected_tokens are those of the first start)", err)
	case own.Shard == c.Shard:
		p.shares = own.Shares
	}
	var accounts []engine.Account
	for _, place := range c.Ledgers {
		a, err := j.ReadAccount(place)
		if err != nil {
			return nil, fmt.Errorf("the account of another shard cannot be read: %w", err)
		}
		switch {
		case a.Shard == c.Shard:
			return nil, fmt.Errorf("%s is of this shard itself", place)
		case slices.ContainsFunc(accounts, func(b engine.Account) bool { return a.Shard == b.Shard }):
			return nil, fmt.Errorf("%s is of a shard that is named twice", place)
		case p.shares == nil:
			p.shares = a.Shares
		case a.Shares != nil && !alike(a.Shares, p.shares):
			return nil, fmt.Errorf("%s divides the budget in other shares: the first starts of these shards had other prices "+
				"or expected_tokens, and might pass the budget together", place)
		}
		accounts = append(accounts, a)
	}
	return accounts, nil
}

// sharesOf are the shares of the budget that shards have, by what they are expected to cost.
func sharesOf(parts []record.CostEstimate) []float64 {
	sum := 0.0
	for _, e := range parts {
		sum += e.ExpectedUSD
	}
	out := make([]float64, len(parts))
	for i, e := range parts {
		if out[i] = 1 / float64(len(parts)); sum > 0 {
			out[i] = e.ExpectedUSD / sum
		}
	}
	return out
}

// alike reports whether shares are the same, but for rounding: not every processor rounds
// sums alike.
func alike(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Abs(x-y) < 1e-9 })
}

// part is what a shard may spend over all its starts, of any budget.
//
// It has its share of the budget and, of what ended shards left of theirs, as much as its
// share is of the shares of those that have not ended. So each dollar left has one owner,
// however many shards are started with the same folders; and a shard that ends within its
// part leaves each of the others no less than they had by older accounts.
type part struct {
	spent providers.USD // by shards that have ended
	of    float64       // of the rest
	ended int
}

// partOf is the part of a shard, whose share is one of shares. A shard that has not ended
// keeps its own part, whatever it has spent of it.
func partOf(me Shard, shares []float64, accounts []engine.Account) part {
	open := map[int]bool{}
	for i := range shares {
		open[i] = true
	}
	p := part{}
	for _, a := range accounts {
		if a.Ended {
			p.spent += a.Spent
			p.ended++
			delete(open, a.Shard.Index)
		}
	}
	rest := 0.0
	for i, share := range shares {
		if open[i] {
			rest += share
		}
	}
	if p.of = 1 / float64(len(open)); rest > 0 {
		p.of = shares[me.Index] / rest
	}
	return p
}

// allows is the part in dollars. If there is nothing left it is the least that there is:
// a budget of 0 would be none.
func (p part) allows(budget providers.USD) providers.USD {
	return max((budget-p.spent)*providers.USD(p.of), 1e-12)
}

// asks is the budget of all shards of which the part is so many dollars.
func (p part) asks(usd float64) float64 { return float64(p.spent) + usd/p.of }

// total is the estimate of all shards together, which run beside one another.
func total(parts []record.CostEstimate) record.CostEstimate {
	out := parts[0]
	out.Stages = slices.Clone(out.Stages)
	for _, e := range parts[1:] {
		out.Calls += e.Calls
		out.ExpectedUSD += e.ExpectedUSD
		out.WorstUSD += e.WorstUSD
		out.ExpectedSeconds = longer(out.ExpectedSeconds, e.ExpectedSeconds)
		for i, s := range e.Stages {
			t := &out.Stages[i]
			t.Calls += s.Calls
			t.PromptTokens += s.PromptTokens
			t.CompletionTokens += s.CompletionTokens
			t.ExpectedUSD += s.ExpectedUSD
			t.WorstUSD += s.WorstUSD
			t.ReferenceCalls += s.ReferenceCalls
			t.ReferenceUSD += s.ReferenceUSD
			t.ExpectedSeconds = longer(t.ExpectedSeconds, s.ExpectedSeconds)
		}
	}
	return out
}

func longer(a, b dataset.Float) dataset.Float {
	if a.Valid() && b.Valid() && b.OrNaN() > a.OrNaN() {
		return b
	}
	return a
}
