// Package pilot runs the small sample that decides whether a large, paid
// evaluation may start, and writes down the decision with its evidence.
//
// # The run
//
// A pilot takes a few prompts and a handful of policies, one of which, the
// logging policy P0, stands for the system whose logs will be reused. It goes
// through stages, each of which owes a known set of records:
//
//	prepare    the prompts                                    prompts.jsonl
//	certify    probes of the endpoint's log-probs             manifest.json
//	p0         P0's responses                                 responses.jsonl
//	targets    the other policies' responses                  responses.jsonl
//	logprobs   P0's responses under every policy              logprobs.jsonl
//	oracle     labels of P0's responses                       oracle.jsonl
//	judge      scores of every response                       judge.jsonl
//	canaries   20 responses with a planted instruction         canaries.jsonl
//
// and ends in samples.jsonl, fresh_draws/, ledger.jsonl and report.json, .md
// and .html.
//
// Every record goes to a private journal before it counts as done, so that a
// run which was interrupted, killed or stopped by its budget goes on where it
// was when it is started again with the same configuration. Failed is not done:
// an item that failed keeps a line with its error, and is tried again by the
// next start.
//
// After certification the stages run side by side: a response is scored as soon as
// it exists, so that the slowest limit of a service sets the time and not the sum
// of the stages. While everything that a service is asked fails, what depends on it
// pauses. A run that is asked to stop ([Config].Stop) sends nothing more and keeps
// the answers that are on their way; the end of its context breaks those off.
//
// # Log-probs
//
// On the first hundred prompts every method of teacher forcing is computed, by
// two calls a pair; where the server scores conversations ([providers.ChatScorer])
// by a third, in the server's own rendering. Beyond, one call does where the server
// has told the ids of the policy's context when the policy answered in it; one
// prompt in 32 is scored by all of them all the same, so that the methods stay
// compared.
//
// A model whose family has no template in package chat needs one of the caller's
// ([Config].Templates), which the run is held to from its first start on.
//
// # The verdict
//
// Checks read the records, never the memory of how they came about. Each has an
// id, a status, its evidence, its threshold and a remedy. The decision is NO-GO
// if any fails, else HOLD if any holds, else GO; a waived check does not count,
// and the decision names it. The decision is about the pipeline: whether the
// sample's importance weights would carry an estimate is said beside it, policy
// by policy, and does not stop the run.
//
// # The full run
//
// [Projection] says what a run of [Config].Full prompts will take, with
// intervals, and what it will answer: for P0 and every target whether its value
// will be known to within [Config].Resolution, and the cheapest run found that is
// expected to get there: more prompts of the same kind, where weights carry, or
// labels of the targets' own responses, where they do not. A width by labels is
// expected; a width by weights is a bound from below, since a sample does not see
// their tail, and is called an answer only where a quarter of the sample's
// relative ESS would do. The next step of a GO names that run where it is the
// better buy. More prompts, and more labels a target, extend a run in its folder.
//
// # Spending
//
// [Run] spends nothing before the preflight of [Config] has passed: keys,
// models, prices, folder, configuration and budget. The first paid calls are
// the certification probes; if they fail, nothing else is bought.
package pilot
