// Package batch answers requests through a service's batches: at half the price,
// within a day, and over the lives of several processes.
//
// A [Runner] takes the requests that a [providers.Client] takes. What was
// submitted is in a [Store] before anything is waited for, answers are joined by
// [providers.RequestID], and each line has the same place in ledger and budget as
// a call of its own. The provider has to be a [providers.Batcher].
package batch
