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
//	canaries   20 responses with a planted instruction        canaries.jsonl
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
// of the stages. A stage waits for another only where it must know all of it before
// it knows what it owes: the canaries for the scores, labels by batch for the
// responses, and a labeling design with strata for the scores. While everything that a
// service is asked fails, what depends on it
// pauses. A run that is asked to stop ([Config].Stop) sends nothing more and keeps
// the answers that are on their way; the end of its context breaks those off.
//
// # Labels
//
// The oracle labels what [Config].Labels draws, P0's responses for calibration and
// the targets' as probes. A simple random design is known from the start. One with
// strata, ranges of the judge's scores within each policy, is drawn when every
// response has been scored or has failed to be; responses without a score are a
// stratum of their own. That draw is kept in the journal before the first label is
// bought, and in oracle.jsonl each label with its stratum and inclusion
// probability, so that no later start changes it, whatever scores it adds.
//
// More labels than before, by a larger fraction or more probes, top a run up:
// those that were bought stay. More prompts are drawn from together with the old
// ones; a label that the new draw leaves out stays in the journal and counts for
// nothing, since no probability belongs to it any more. Neither biases an estimate
// as long as the labels themselves were no reason to ask for more.
//
// [Config].LabelsBudget is a number of labels for all policies but the clones ([oracle.Share]):
// first the least of each, 25, as far as it goes, P0's before all others; what is beyond that
// is divided when the first labels and all scores are there, by how they vary, and the
// division is kept. A response that the oracle cannot label, for a reason of its own such as
// a refusal, gives way to the next in the order of the draw, is not asked for again, and is
// counted in the inclusion probabilities ([oracle.Design.AssignAround]). That labels vary
// decides how many there are of a policy, not which: means are hardly biased by it, about as
// the second-stage mean of a two-stage sample (Cochran, Sampling Techniques, 5.11).
//
// The labels of a run are of one oracle. Where people have labeled its responses,
// a start with their [oracle.File] puts theirs in the place of the model's; one
// with another model is refused, since it would pay for all of them again.
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
// The verdict's projection says what a run of [Config].Full prompts will take, with
// intervals, and what it will answer: for P0 and every target whether its value
// will be known to within [Config].Resolution, and the cheapest run found that is
// expected to get there: more prompts of the same kind, where weights carry, or
// labels of the targets' own responses, where they do not. A width by labels is
// expected; a width by weights is a bound from below, since a sample does not see
// their tail, and is called an answer only where a quarter of the sample's
// relative ESS would do. With [Config].Assurance that share of such runs is as narrow as
// is said, as far as the sample's own error tells. The next step of a GO names that run where it is the
// better buy. More prompts, and more labels a target, extend a run in its folder.
//
// # Looks
//
// A sample may be extended after its report was read, and its intervals for one look no
// longer hold then. [Config].Anytime adds those that do ([offpolicy.Sequence]); the report
// says which are which. With [Config].Looks a run grows by steps, shows a report after each,
// and stops buying when every comparison is decided or known to within Resolution.
//
// # Shards
//
// A run can be made in parts, on one machine or several, without a server between
// them. Each shard ([Config].Shard) is started with all prompts, the whole budget and a
// folder of its own. Its prompts are those whose id has its hash. It certifies its own
// endpoint, and makes the log-probs by several methods, the labels and the canaries that a
// run of all prompts would make of its prompts, so that no shard waits for another. Only a
// labeling design with strata is drawn within the shard, from its part of the
// probes and duplicates, with the inclusion probabilities that follow.
//
// What all may spend and ask is divided up front: a shard has the share of the budget that
// it has of the estimate, and an equal part of the requests and tokens a minute. One that
// has spent its share stops. Started again with the folders of shards that have ended
// ([Config].Ledgers), it has its share of what they left, too. All shards together
// never pass the budget, whichever ends first and however many go on at once. The shares
// of their first starts stand, whatever prices are corrected later. They must be started
// with the same prompts and labels, and at first with the same prices and expected lengths:
// more prompts or labels are more of a run for every shard. A call that a kill cut off may
// have been billed, and keeps the most that it can have cost.
//
// [Merge] puts the folders together. What is asked of a sample as a whole, its
// calibration, overlap, ranking and projection, is answered there and not by a shard.
//
// # Rooms
//
// This package is the face: [Config] goes in, a [Verdict] comes out. Package record
// holds what a verdict is computed from and made of, package check the checks, one
// literal each, package forecast what a run costs and answers; package report renders.
// To look at records of one's own, begin with those.
//
// A remedy names fields of Config, and [Config].Words puts them into the words of the
// program that was started.
//
// # Spending
//
// [Run] spends nothing before the preflight of [Config] has passed: keys,
// models, prices, folder, configuration and budget. The first paid calls are
// the certification probes; if they fail, nothing else is bought.
package pilot
