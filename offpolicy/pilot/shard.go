package pilot

import (
	"context"
	"encoding/json"
	"fmt"
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
	var accounts []engine.Account
	j := p.job()
	for _, place := range c.Ledgers {
		a, err := j.ReadAccount(place)
		if err != nil {
			return fmt.Errorf("the account of another shard cannot be read: %w", err)
		}
		switch {
		case a.Shard == c.Shard:
			return fmt.Errorf("%s is of this shard itself", place)
		case slices.ContainsFunc(accounts, func(b engine.Account) bool { return a.Shard == b.Shard }):
			return fmt.Errorf("%s is of a shard that is named twice", place)
		}
		accounts = append(accounts, a)
	}
	if c.Budget > 0 {
		c.Budget = allowance(c.whole, c.Shard, parts, accounts)
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
	var err error
	p.kept, err = json.Marshal(s)
	return err
}

// allowance is what a shard may spend of a budget, over all its starts: the share that it
// has of the estimate of all, and of what ended shards left over the share that it has
// among the others. A shard that has not ended keeps its own part, whatever it has spent of
// it. So all together never pass the budget, in whichever order shards end and ask.
func allowance(budget providers.USD, me Shard, parts []record.CostEstimate, accounts []engine.Account) providers.USD {
	sum := 0.0
	for _, e := range parts {
		sum += e.ExpectedUSD
	}
	share := func(i int) providers.USD {
		if sum == 0 {
			return budget / providers.USD(len(parts))
		}
		return budget * providers.USD(parts[i].ExpectedUSD/sum)
	}
	open, left := budget, providers.USD(0) // the shares of those that have not ended; what the ended left
	for _, a := range accounts {
		if a.Ended {
			open -= share(a.Shard.Index)
			left += share(a.Shard.Index) - a.Spent
		}
	}
	mine := share(me.Index)
	if open <= 0 {
		return mine
	}
	return mine + left*mine/open
}

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
