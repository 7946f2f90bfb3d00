//go:build race

package providers_test

import "github.com/reweigh/reweigh/providers"

// drillCalls is less under the race detector, which slows the server's model
// down tenfold.
func drillCalls() int { return 1_000 }

// A tenth of the budget and of the work.
const (
	drillBudget = providers.USD(0.05)
	drillWorth  = providers.USD(0.20)
	budgetWork  = 190
)
