// Package reweigh is the root of a library for off-policy evaluation of
// language-model policies: what would another model, prompt or temperature
// have scored on the responses already logged, what does the answer cost, and
// how far may it be trusted?
//
// # The model
//
// A context c is what a user asked. A policy π is a model together with its
// system prompt, chat template and sampling settings; it answers c with a
// response a drawn from π(a | c). The logging policy P0 wrote the responses we
// have; a target policy is one we only ask about. A judge scores a response
// cheaply and with bias; an oracle labels it dearly and defines what "good"
// means. Because every policy's probability of the logged response can be
// computed exactly by teacher forcing, the importance weight
//
//	w(c, a) = π(a | c) / P0(a | c)
//
// turns an average over P0's responses into an average over the target's,
// wherever the two overlap. Where they do not, this library says so and
// refuses to answer.
//
// # The packages
//
//   - [github.com/reweigh/reweigh/dataset] holds the records, their files and
//     their journal.
//   - [github.com/reweigh/reweigh/offpolicy] holds policies as values, weights,
//     calibration and diagnostics. It links no network code.
//   - [github.com/reweigh/reweigh/providers] talks to the servers that run the
//     models: retries, limits, a ledger and a budget that cannot be passed.
//   - [github.com/reweigh/reweigh/teacherforce] computes log-probabilities of a
//     given response and cross-checks them.
//   - [github.com/reweigh/reweigh/judge] and
//     [github.com/reweigh/reweigh/oracle] score and label responses.
//   - [github.com/reweigh/reweigh/offpolicy/pilot] runs the small sample that
//     decides whether the large run may start.
//
// Start with examples/sample1pct, which wires all of them together and needs
// no key.
package reweigh
