// Package judge scores responses with a language model: cheaply, with bias, and
// with an honest account of what each score's variance is and is not.
//
// # The model
//
// A [Scorer] reads one response to one prompt and gives a [Score]: a mean in
// [0, 1] and the variance of that mean, with its source. Three scorers differ
// in where the variance comes from:
//
//   - [Deterministic] reads once at temperature 0. Source "deterministic": the
//     variance is 0, which is that of reading again, not of being wrong.
//   - [Repeated] reads k times at temperature 0.7 and gives the mean of the
//     readings. Source "repeated": the variance is s²/k, s² the unbiased sample
//     variance of the readings.
//   - [Interval] reads once and asks the model for its own 95% interval. Source
//     "interval": the variance is (width/3.92)², taken on faith; models are
//     overconfident.
//
// None of them knows how far the judge is from the truth. That is what labels
// are for: see offpolicy.Calibrator.
//
// # Identity
//
// A score means something only together with the judge that gave it. A Scorer's
// Identity is its name and a hash over everything that changes its scores: the
// model, every word of its prompt, the scale, the sampling, the number of
// readings. A calibrator fitted for one identity holds for no other.
//
// # What the judge is shown
//
// The rubric is the system prompt. Prompt and response follow between marker
// lines that carry a code which their authors could not know, so that a
// response can neither leave its place nor speak for the system. The response is
// inserted literally: placeholders, markers and instructions in it are text.
// An empty response is judged like any other.
//
// # Unscored is a state
//
// A reply that is not exactly the JSON object asked for, a value outside the
// declared scale, an interval that does not contain its own mean, a refusal, a
// reply cut short: each is an [*UnscoredError], never a number. The scale is
// declared once and never guessed from a value: 1 on a scale to 100 is 0.01.
// One unscored reading among several leaves the whole response unscored, for a
// mean over the survivors has another meaning. [Record] turns either outcome
// into the line of judge.jsonl.
package judge
