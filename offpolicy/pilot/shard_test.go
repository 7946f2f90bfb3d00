package pilot

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/engine"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// TestShardsNeverPassTheBudget: shards that spend all they may, end whenever and ask in
// any order, several at once with the same or with older accounts of any of the others,
// spend no more than the budget between them; what they are allowed adds up to it; and the
// last one that is open may spend all that is left.
func TestShardsNeverPassTheBudget(t *testing.T) {
	const budget = providers.USD(1)
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		of := 2 + r.IntN(4)
		parts := make([]record.CostEstimate, of)
		for i := range parts {
			parts[i].ExpectedUSD = r.Float64() * float64(r.IntN(5))
		}
		shares := sharesOf(parts)
		spent, ended, may := make([]providers.USD, of), make([]bool, of), make([]providers.USD, of)
		accounts := func(me int, all bool) (out []engine.Account) {
			for i := range parts {
				if i == me || !all && r.IntN(3) == 0 {
					continue
				}
				a := engine.Account{Shard: Shard{Index: i, Of: of}, Ended: ended[i]}
				if a.Ended {
					a.Spent = spent[i]
				}
				out = append(out, a)
			}
			return out
		}
		whole := func() (sum providers.USD) {
			for _, s := range spent {
				sum += s
			}
			return sum
		}
		for range 20 {
			i := r.IntN(of)
			if ended[i] {
				continue
			}
			// What it was allowed by an older start stands: that may still be under way.
			may[i] = max(may[i], partOf(Shard{Index: i, Of: of}, shares, accounts(i, r.IntN(2) == 0)).allows(budget))
			if may[i] > spent[i] {
				spent[i] += (may[i] - spent[i]) * providers.USD(min(1, 2*r.Float64()))
			}
			ended[i] = r.IntN(3) == 0
			if sum := whole(); sum > budget+1e-9 {
				t.Fatalf("%d shards spent $%v of $%v: %v, ended %v", of, sum, budget, spent, ended)
			}
			sum, open := providers.USD(0), false
			for i := range parts {
				if sum += spent[i]; !ended[i] {
					open = true
					sum += partOf(Shard{Index: i, Of: of}, shares, accounts(i, true)).allows(budget) - spent[i]
				}
			}
			if open && math.Abs(float64(sum-budget)) > 1e-9 {
				t.Fatalf("with all accounts %d shards may spend $%v of $%v: %v, ended %v", of, sum, budget, spent, ended)
			}
		}
		for i := 1; i < of; i++ {
			ended[i] = true
		}
		if ended[0] {
			continue
		}
		left := partOf(Shard{Of: of}, shares, accounts(0, true)).allows(budget)
		if want := budget - whole() + spent[0]; math.Abs(float64(left-want)) > 1e-9 {
			t.Fatalf("the last of %d shards may spend $%v, want $%v: %v", of, left, want, spent)
		}
	}
}

// TestPartsOfABudget: parts by hand.
func TestPartsOfABudget(t *testing.T) {
	ended := func(index int, spent providers.USD) engine.Account {
		return engine.Account{Shard: Shard{Index: index, Of: 4}, Ended: true, Spent: spent}
	}
	quarters := []float64{0.25, 0.25, 0.25, 0.25}
	for _, r := range []struct {
		name     string
		shares   []float64
		accounts []engine.Account
		want     providers.USD
	}{
		{"its share", []float64{0.4, 0.3, 0.2, 0.1}, nil, 0.4},
		{"one that goes on leaves nothing", quarters, []engine.Account{{Shard: Shard{Index: 1, Of: 4}, Spent: 0.1}}, 0.25},
		{"a third of what one left", quarters, []engine.Account{ended(1, 0.13)}, 0.29},
		{"all that three left", quarters, []engine.Account{ended(1, 0.13), ended(2, 0.25), ended(3, 0.27)}, 0.35},
		{"others took more than theirs", quarters, []engine.Account{ended(1, 0.3), ended(2, 0.3), ended(3, 0.3)}, 0.1},
		{"nothing was expected of any", sharesOf(make([]record.CostEstimate, 4)), nil, 0.25},
		{"nothing was expected of those that are open", []float64{0, 0, 0.5, 0.5},
			[]engine.Account{ended(2, 0.4), ended(3, 0.4)}, 0.1},
		// A budget of 0 would be none.
		{"all is spent", quarters, []engine.Account{ended(1, 0.4), ended(2, 0.4), ended(3, 0.4)}, 1e-12},
		{"nothing was expected", []float64{0, 0, 0.5, 0.5}, nil, 1e-12},
	} {
		p := partOf(Shard{Of: 4}, r.shares, r.accounts)
		got := p.allows(1)
		if math.Abs(float64(got-r.want)) > 1e-13 {
			t.Errorf("%s: $%v, want $%v", r.name, got, r.want)
		}
		if budget := p.asks(float64(got)); r.want > 1e-12 && math.Abs(budget-1) > 1e-12 {
			t.Errorf("%s: asks a budget of $%v for what $1 allows", r.name, budget)
		}
	}
}

// TestNextOfAShardWithoutMoney: the next step says what is lost and how much to give, and its
// command is not the one that led here.
func TestNextOfAShardWithoutMoney(t *testing.T) {
	stop := &record.Stop{Class: "budget"}
	v := &Verdict{State: "done", Decision: record.HOLD, Run: RunInfo{Spent: 0.1}}
	c := &Config{Arms: record.PlanArms(), Prompts: make([]dataset.Prompt, 25), Budget: 0.125, whole: 0.5,
		Shard: Shard{Index: 1, Of: 4}, Command: func(_ bool, changes ...record.Change) string {
			var s []string
			for _, c := range changes {
				s = append(s, c.String())
			}
			return strings.Join(s, ", ")
		}}
	for _, r := range []struct {
		name    string
		part    part
		unseen  float64
		says    []string
		command string
	}{
		{"none has ended", part{of: 0.25}, 0, []string{"$0.1000 of $0.1250. ",
			"folders of more shards, once they have ended",
			"a budget of all shards of $0.81"}, "Ledgers"},
		{"some have", part{of: 0.5, spent: 0.2, ended: 2}, 0.03, []string{", with $0.0300 that calls may have cost whose " +
			"answers were lost", "a budget of all shards of $0.61"}, "Ledgers"},
		{"all have", part{of: 1, spent: 0.3, ended: 3}, 0, []string{"has all that the other shards left",
			"a larger budget of all shards"}, "Budget = 0.51"},
		{"nothing was expected", part{}, 0, []string{"a larger budget of all shards"}, "Ledgers"},
	} {
		c.part = r.part
		v.Spending = []Spending{{UnseenUSD: r.unseen}}
		got := next(v, stop, c)
		for _, w := range r.says {
			if !strings.Contains(got.Do, w) {
				t.Errorf("%s: %q does not say %q", r.name, got.Do, w)
			}
		}
		if got.Command != r.command {
			t.Errorf("%s: command %q, want %q", r.name, got.Command, r.command)
		}
	}
}
