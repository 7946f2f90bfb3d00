package pilot

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot/internal/engine"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// TestShardsNeverPassTheBudget: shards that spend all they may, end whenever and ask in
// any order, with any of the others' accounts, spend no more than the budget between them;
// and the last one that is open may spend all that is left.
func TestShardsNeverPassTheBudget(t *testing.T) {
	const budget = providers.USD(1)
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		of := 2 + r.IntN(4)
		parts := make([]record.CostEstimate, of)
		for i := range parts {
			parts[i].ExpectedUSD = r.Float64()
		}
		spent, ended := make([]providers.USD, of), make([]bool, of)
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
			if may := allowance(budget, Shard{Index: i, Of: of}, parts, accounts(i, r.IntN(2) == 0)); may > spent[i] {
				spent[i] += (may - spent[i]) * providers.USD(min(1, 2*r.Float64()))
			}
			ended[i] = r.IntN(3) == 0
			if sum := whole(); sum > budget+1e-9 {
				t.Fatalf("%d shards spent $%v of $%v: %v, ended %v", of, sum, budget, spent, ended)
			}
		}
		for i := 1; i < of; i++ {
			ended[i] = true
		}
		if ended[0] {
			continue
		}
		left := allowance(budget, Shard{Of: of}, parts, accounts(0, true))
		if want := budget - whole() + spent[0]; math.Abs(float64(left-want)) > 1e-9 {
			t.Fatalf("the last of %d shards may spend $%v, want $%v: %v", of, left, want, spent)
		}
	}
	free := allowance(budget, Shard{Of: 4}, make([]record.CostEstimate, 4), nil)
	if got := fmt.Sprint(free); got != fmt.Sprint(budget/4) {
		t.Errorf("a shard of four that cost nothing may spend %s", got)
	}
}
