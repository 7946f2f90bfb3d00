//go:build !race

package providers_test

// drillCalls is what the accounting drill makes: the 10,000 of its purpose.
const drillCalls = 10_000
