// Package forecast says what a run of a pilot costs and answers, before it and after
// it.
//
// # Before
//
// [Work.Cost] prices a run that has not begun. It sends nothing: prompts and
// rendered contexts are counted, the lengths of responses are the arms' declared
// expectations, and judge and oracle are let make their requests to a [DryRun], which
// keeps them.
//
// # After
//
// [Project] extends a sample to the full run. Calls, dollars, tokens and seconds are
// what the sample took a prompt, times the prompts, with an interval for the sampling
// of prompts; what is paid once is added once. Then it asks, policy by policy, whether
// that run would know the policy's value to within the wanted half-width, and which
// run is the cheapest that is expected to. A width by labels is expected. A width by
// weights is a bound from below, since a sample does not see their tail, and counts as
// an answer only if a quarter of the sample's relative ESS would do.
package forecast
