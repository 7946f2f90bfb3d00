// Package judge scores responses with a language model: cheaply, with bias, and
// with an honest account of what each score's variance is and is not.
//
// # The model
//
// A [Scorer] reads one response to one prompt and gives a [Score]: a mean in
// [0, 1] and the variance of that mean, with its source. Scorers differ in where
// the variance comes from:
//
//   - [Deterministic] reads once at temperature 0. Source "deterministic": the
//     variance is 0, which is that of reading again, not of being wrong.
//   - [Repeated] reads k times at temperature 0.7 and gives the mean of the
//     readings. Source "repeated": the variance is s²/k, s² the unbiased sample
//     variance of the readings. [Shrink] draws those of many responses together.
//   - [Tokens] reads once and weighs the numbers that the model might have
//     written by their probability. Source "tokens": the spread of those numbers.
//   - [Interval] reads once and asks the model for its own 95% interval. Source
//     "interval": the variance is (width/3.92)², as the model states it.
//   - [Panel] asks several judges. Source "panel": the variance between them.
//
// # What a variance is worth
//
// None of them knows how far the judge is from the truth. That is what labels
// are for: offpolicy.Calibrator learns what to expect at a score, and
// [Uncertainty] how far labels lie from that, in three parts that add up:
//
//	sampling     what asking again would move, from the readings of a Repeated
//	residual     how labels scatter at this score, and at this much stated doubt
//	calibrator   how well the curve itself is known
//
// What a judge says of its own doubt (an interval, a distribution, a panel's
// disagreement) is a feature of the residual part, and counts as far as labels
// bear it out. All of it holds for the policy whose responses were labelled;
// under another the labels of that other policy must say whether it does.
//
// # Identity
//
// A score means something only together with the judge that gave it. A Scorer's
// Identity is its name and a hash over everything that changes its scores: the
// model, every word of its prompt, the scale, the sampling, the number of
// readings, the limits. A calibrator fitted for one identity holds for no other,
// and [Uncertainty.Calibrate] refuses the scores of any other.
//
// # What the judge is shown
//
// The rubric is the system prompt. Prompt and response follow between marker
// lines that carry a code which their authors could not know, another one for
// each call, so that a response can neither leave its place nor speak for the
// system. The response is inserted literally: placeholders, markers and
// instructions in it are text. An empty response is judged like any other; one
// that is longer than MaxMaterial is not sent, and never cut.
//
// That is a defence and no proof. [Canaries] are 20 texts that ask for the best
// score in ways that have worked on judges; plant them in responses, and count
// how many scores move.
//
// # Unscored is a state
//
// A reply is a JSON object: asked for by a schema where the server takes one,
// else by its JSON mode, else by the prompt alone. A reply in another form is
// read only where it leaves no choice ("**Score:** 8", the object with text
// around it), and is marked Repaired. A number in a sentence, two numbers, a
// value outside the declared scale, an interval that does not contain its own
// mean, a refusal, a reply cut short, log-probs that are missing where they are
// to be weighed: each is an [*UnscoredError], never a number. The scale is
// declared once and never guessed from a value: 1 on a scale to 100 is 0.01. One
// unscored reading or member among several leaves the whole response unscored,
// for a mean over the survivors has another meaning. [Record] turns either
// outcome into the line of judge.jsonl.
package judge
