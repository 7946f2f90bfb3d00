// Package offpolicy holds the mathematics of off-policy evaluation as pure
// functions of numbers and values: policies, importance weights, judge
// calibration, estimators with their errors, and the rules by which an estimate
// is refused. It opens no file and links no network code: whoever has logs in
// hand needs nothing else of this module.
//
// # The model
//
// A context c is what a user asked. A policy π, a [Policy] here, is a model
// with its system prompt, chat template and sampling settings; it answers c
// with a response a drawn from π(a | c). The logging policy P0 wrote the
// responses that were logged and judged; a target policy is one that we only
// ask about. The estimand is the mean, over the population of prompts, of the
// oracle's label of the target's own response under the target's own sampling.
//
// [Samples] are what is known: logged responses ([Row]) with their log-probs
// under every policy, judge scores and, on some, oracle labels; and the targets'
// own responses ([Draw]) with scores and, on a few, labels, which are then the
// target's probes. [FromRecords] makes them of a run's records. [Evaluate] turns
// them into a [Result].
//
// # Weights
//
// Teacher forcing gives the log-probability of every logged response under
// every policy, so that the log-ratio
//
//	l_i = log π(a_i | c_i) - log P0(a_i | c_i)        (nats; LogRatios)
//	w_i = exp(l_i)                                     (WeightsFromLogRatios)
//
// is known exactly, and averages over P0's responses, weighted by w, are
// averages over the target's. Nothing is clipped on the way, but by clipped_ips,
// which says so: a clipped weight belongs to no policy. A response that one
// policy could not be scored on is NaN, is counted as missing for that policy
// alone and enters no sum of it. Sums are taken relative to the largest
// log-ratio, so that no figure overflows where its value is representable.
//
// # Several loggers
//
// Logs that several policies wrote, old versions of a prompt, say, are [Samples.Pooled]. A
// target that lies between two loggers has few usable weights from either, and good ones
// from the mixture (the balance heuristic of Veach and Guibas 1995; Agarwal et al. 2017):
//
//	w = π / Σ_k (n_k/n) π_k
//
// for which every response is scored under every logger. E[w] <= 1 holds of the mixture, and
// a target is covered where one logger covers it. How many rows each logger wrote was
// chosen: influences are centred within loggers, since otherwise that the loggers differ
// counts as error. [Samples.Of] has the rows, and the weights, of one logger alone.
// An [Accumulator] takes them one row a prompt, with [MixtureLogProb] for the denominator.
//
// # Overlap
//
// Weights can only move mass that the logs have. Four figures say how much
// that is: the effective sample size ESS = (Σw)²/Σw², the largest weight's
// share of Σw, the divergence -mean(log w), which estimates KL(P0 ‖ π), and the
// mean of the raw weights, which is 1 in expectation if the logs cover the
// target and less by exactly the mass that they never see. A mean above 1 has
// another meaning: E[w] <= 1 always holds for true probabilities, so an excess
// convicts the log-probs themselves. It is tested by an e-value, which is exact
// at any n and indifferent to heavy tails, where a z test is neither.
// [CloneCheck] puts the same question to a policy that was scored against
// itself: its weights must be 1.
//
// [Balance] asks the same of the judge's scores: on the reweighted logs they average
// what they average on the policy's own draws, or the two are not of one policy and one
// judge.
//
// [Diagnostics] gate nothing, because figures such as [Hill], [ParetoK], [Hellinger],
// [JudgeSpaceAffinity] and [TTC] pass policies that the logs never show, or refuse good
// ones.
//
// # Calibration
//
// A judge is cheap and biased, an oracle dear and, by definition, right. A
// [Calibrator] learns E[label | judge score] by isotonic regression
// ([FitIsotonic]) on the responses that have both. It is cross-fitted: a
// prompt's prediction comes from a fit that did not see the prompt, since
// in-sample isotonic residuals are too small and refitting in a bootstrap does
// not repair that. By default it never takes a higher score for a lower label. A
// judge that is drawn by something else as well, such as length, is calibrated in
// two stages ([CalibrationConfig.Covariate], [Config.Covariate]): a smooth function
// of score and covariate, and an isotonic regression on that.
//
// A calibrator holds for the judge configuration and the
// distribution of responses that it was fitted on; a fit on P0's responses is
// untested on a target until the target has labels of its own
// ([TransportAudit]).
//
// # Estimates
//
// [Estimators] has the formulas. All of them are combinations of weighted means
// over prompts, and have an influence function: what each prompt adds to the
// error. dr is the one to use where weights are usable, direct where the target
// has labels of its own, and labeled_snips is the baseline that both must beat.
// ips, snips and clipped_ips average rewards as they are given, and the plug-in
// direct trusts the judge: their intervals claim no coverage, and say so.
//
// Prompts are the clusters: a prompt's rows and draws stand together in one
// influence. The standard error of dr is that of an exponential-weights
// bootstrap over prompts in which all fold models are refitted and l is tuned
// again, each replicate's weight of a prompt being a function of seed, replicate
// and prompt id alone; the influence function alone gives the cheap form
// ([InfluenceFunction]), which is that of more than 10,000 prompts. Calibration uncertainty enters once: the influence
// function needs no term for the fitted f. Intervals stay within [0, 1]: labels
// near an end are skewed, and what claims coverage has Wilson's score interval, at
// the estimate's own error and degrees of freedom, with a longer arm towards the middle
// the nearer the end is, and none longer than the labels' effective number alone allows.
// Labels that are all equal have Clopper and Pearson's interval.
//
// A [Comparison] is paired, prompt by prompt and replicate by replicate, on the prompts
// that both sides rest on. Its interval is not symmetric. The influences of a difference
// are skewed, and misses of a symmetric interval lie on the side away from 0: there the
// limit is Newcombe's, which knows that labels lie in [0, 1]; towards 0 the empirical
// likelihood's or that of t, and P agrees with it.
//
// # What is missing, and what was chosen
//
// Labels are taken for a random draw of the logged responses, and probes for one of a
// target's own, with the inclusion probabilities that are stated. That is an assumption.
// It is tested by score, length, segment and weight ([GapDocument]), and the scores without any
// label are counted: labels that cannot be such a draw are refused, with what the value
// could be at worst. A response that the judge could not score is a response all the
// same: "no score" is one more value that a score may have. A response that a policy
// could not be scored on has its score and label, and E[w] = 1 gives the total weight
// of such responses: it is shared out among them as log w follows score and length. The
// figure says how many weights are modelled; beyond a fifth of them it is refused.
// Thresholds count prompts, not rows.
//
// How often the intervals hold, by simulation, is in [montecarlo.md], written by
// internal/montecarlo.
//
// # The referee
//
// For every policy an [Answer] names the estimate to go by and says why: among
// dr and direct the one with more effective labels where they agree, the policy's
// own labels where they do not. Where no estimate can be believed it says what to
// buy and what that would give. [Planning] and the functions beside it plan larger
// runs: widths, detectable differences, the power of audits and gates. ESS and
// the width of ips are bounds only, since no pilot has seen the heaviest rows.
//
// A width that is expected is one that about half of the runs exceed. With a
// [Planning.Assurance] of A the planned width is times
//
//	√F_A(ν_run, ν_pilot),   ν = 2 m/(κ - 1)
//
// since the variance of a run is to the pilot's about as two sample variances of m labels
// of kurtosis κ are (Kupper and Hafner 1989), and the share A of runs is as narrow. It
// covers the pilot's own error and how runs differ. By weights it is that of labels as the
// weights take them ([Result.WeightedPlanning]): κ then is that of w times residual.
// [StatedPlanning] plans without data, and [Comparison.Detectable] says which difference of a
// pair a run would show.
//
// # Labels where they count
//
// Labels drawn with probability p_i add Σ (c_i r_i)²/p_i to the square of an estimate's
// error, r being what the judge is wrong by and c = w/Σw. For a number of labels that is least
// at p ∝ |c| sd(r) (Neyman 1934), which [LabelSizes] gives and package oracle draws by; half
// of it goes by weight alone. Each row states its p, labeled or not, and effective labels are
// the fewer of those drawn and of the design's (Σw)²/Σ(w²/p). Against as many labels at
// random the interval is .5 to .8 times as wide at an ESS of .45 of the rows.
//
// # Looks at any time
//
// An interval is for one look at a run whose size was set before. Looked at twenty times as
// a run grows, it misses at some look in a quarter of runs. With [Config.Anytime] every value and
// difference that claims coverage also has an asymptotic confidence sequence ([Sequence]),
//
//	value ± SE √((x + 1)/x · (log(x + 1) + 2 log(1/.05))),   x = t ρ²
//
// after t prompts (Waudby-Smith et al. 2024, arXiv 2103.06476), whose intervals all hold
// together in 95% of runs, and 1.5 to 1.75 times as wide. A value's limits are those of
// labels in [0, 1] at so many standard errors; a difference's are those for one look, each drawn
// out in proportion by the tails of t. Differences have p and Holm's p of the same
// kind. [Result.Decided] says when a growing run may stop; its intervals hold then too.
//
// # Many rows
//
// A [Table] holds samples in columns, and no text: rows are added to it as they are read.
// Tables of parts of the data, made on several machines, merge into that of the whole, and
// [Table.Evaluate] says of it to the byte what [Evaluate] says, which is itself that of one
// table. Merging refuses parts of another [Plan].
//
// Up to 10,000 prompts standard errors are a bootstrap's and differences have the limits of
// the empirical likelihood; above, by that number alone, both come from influence
// functions, in time that grows with the rows and not with rows times replicates.
//
// What needs weights alone, an [Accumulator] computes from rows that are seen
// once, in constant memory, in shards that are merged.
//
// # What is refused
//
//   - Weights that cannot support an estimate ([Weights.Refusals]): too small an
//     effective sample, one response carrying the answer, a divergence too
//     large for n, target mass that the logs never see, log-probs that cannot
//     be right; and labels that, under these weights, are too few or too uneven.
//     A refusal has the figure, the threshold, the reason and a remedy. A
//     refused estimate carries no number, unless it is asked for by name
//     ([Result.Despite]).
//   - A plug-in without an audit, and an error where labels differ and nothing else
//     varies.
//   - What rests on too much that is missing, or on labels that are no random draw.
//   - Data that are not what they claim ([RowError]): a positive log-prob, a
//     logged response that is impossible under P0, a label outside [0, 1], a NaN
//     where a number is required.
//   - Calibration on too few labels.
//
// What is missing is never a number: functions of missing values return NaN,
// count what they left out, or refuse. Slices of different lengths that must
// match, and probabilities outside their range, are programmer errors and
// panic with the package's name.
//
// # Where this differs from CJE
//
// Folds, isotonic calibration, weights, SNIPS, ESS, tail and overlap diagnostics
// and the transport audit agree with CJE (github.com/cimo-labs/cje, 0.3.0 and
// 0.6.0) to the last digits. On purpose, and for the reasons given, these do
// not:
//
//   - A row that lacks one policy's log-prob is dropped for no policy: its weight is
//     modelled.
//   - Weights are raw. CJE's are self-normalised everywhere, which hides a wrong
//     normalisation; and its raw-ips clips at 100.
//   - Rewards are labels where there are labels, and dr adds weighted residuals
//     of real labels. CJE's rewards are always calibrated scores, so that its
//     residuals vanish and its DR is the plug-in.
//   - Calibration is monotone, or in two stages where the caller names a covariate.
//     CJE chooses between the two by a rule that the order of rows can flip, and
//     that moves answers by .1. Its two stages are matched to 1e-6, the ranks
//     between them being without effect; fewer than 20 labels are refused rather
//     than fitted otherwise, and weights are taken in units of their mean.
//   - Errors are clustered by prompt. CJE's come from five fold totals with four
//     degrees of freedom, and count the calibrator twice in DR (its standard
//     errors there are 1.77 times the estimates' spread). Its intervals are value
//     ± t SE, which leaves [0, 1].
//   - Gates refuse by default, dr too, before weights are made smooth: CJE's
//     SIMCal lifts a relative ESS of .003 to .955, after which its gates pass.
//     There is no SIMCal, MRDR or stacking here: tuned dr is the stack.
//   - [Hellinger] has no floor under the weights, which adds 10⁻⁵ for each that
//     is 0.
//   - A probed policy's plug-in is corrected by its probes, with l fitted, rather
//     than graded and shown as it is.
//
// # What each number rests on
//
//   - A value by dr or labeled_snips: labels drawn at random, or with the stated
//     probabilities, and log-probs that are the policies' own. If the log-probs are wrong, dr
//     still holds if the judge's error is unrelated to the weights.
//   - A value by direct: labels of the target's own responses, drawn at random. It needs no
//     log-prob.
//   - A plug-in: a judge that means the same under the target as in its earlier audit.
//   - ips, snips and clipped_ips: rewards that are right as they stand.
//   - Every interval: prompts that are a random sample of those that are meant, and independent
//     of each other.
//   - A difference: the same prompts on both sides.
//
// [montecarlo.md]: https://github.com/reweigh/reweigh/blob/main/offpolicy/montecarlo.md
package offpolicy

//go:generate go run ../internal/montecarlo -out montecarlo.md
