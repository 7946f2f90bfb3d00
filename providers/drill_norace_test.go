//go:build !race

package providers_test

import (
	"os"

	"github.com/reweigh/reweigh/providers"
)

// drillCalls is how many calls the accounting drill makes: 10,000 on request, and
// by default as many as reach every state.
func drillCalls() int {
	if os.Getenv("REWEIGH_DRILL") == "full" {
		return 10_000
	}
	return 1_000
}

// The budget drill has $0.50 for work worth a little over $2: each call has
// about 420 prompt tokens and 4 of completion, at $2.50 and $10 a million.
const (
	drillBudget = providers.USD(0.50)
	drillWorth  = providers.USD(2)
	budgetWork  = 1900
)
