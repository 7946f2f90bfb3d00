// Package offpolicy holds the mathematics of off-policy evaluation as pure
// functions of numbers and values: policies, importance weights, judge
// calibration, intervals, and the rules by which an estimate is refused. It
// opens no file and links no network code: whoever has logs in hand needs
// nothing else of this module.
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
// # Weights
//
// Teacher forcing gives the log-probability of every logged response under
// every policy, so that the log-ratio
//
//	l_i = log π(a_i | c_i) - log P0(a_i | c_i)        (nats; [LogRatios])
//	w_i = exp(l_i)                                     ([NewWeights])
//
// is known exactly, and averages over P0's responses, weighted by w, are
// averages over the target's. Nothing is clipped on the way: a clipped weight
// belongs to no policy. A response that one of the two policies could not be
// scored on is NaN, is counted as missing and enters no sum. Sums are taken
// relative to the largest log-ratio, so that no figure overflows where its
// value is representable.
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
// # Calibration
//
// A judge is cheap and biased, an oracle dear and, by definition, right. A
// [Calibrator] learns E[label | judge score] by isotonic regression
// ([FitIsotonic]) on the responses that have both. It is cross-fitted: a
// prompt's prediction comes from a fit that did not see the prompt, since
// in-sample isotonic residuals are too small and refitting in a bootstrap does
// not repair that. A calibrator holds for the judge configuration and the
// distribution of responses that it was fitted on; a fit on P0's responses is
// untested on a target until the target has labels of its own.
//
// # What is refused
//
//   - Weights that cannot support an estimate ([Weights.Refusals]): too small an
//     effective sample, one response carrying the answer, a divergence too
//     large for n, target mass that the logs never see, log-probs that cannot
//     be right. A refusal has the figure, the threshold and the reason.
//   - Data that are not what they claim ([RowError]): a positive log-prob, a
//     logged response that is impossible under P0, a label outside [0, 1], a NaN
//     where a number is required.
//   - Calibration on too few labels.
//
// What is missing is never a number: functions of missing values return NaN,
// count what they left out, or refuse. Slices of different lengths that must
// match, and probabilities outside their range, are programmer errors and
// panic with the package's name.
package offpolicy
