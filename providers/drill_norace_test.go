//go:build !race

package providers_test

import "github.com/reweigh/reweigh/providers"

// drillCalls is what the accounting drill makes: the 10,000 of its purpose.
const drillCalls = 10_000

// The budget drill has $0.50 for work worth a little over $2: each call has
// about 420 prompt tokens and 4 of completion, at $2.50 and $10 a million.
const (
	drillBudget = providers.USD(0.50)
	drillWorth  = providers.USD(2)
	budgetWork  = 1900
)
