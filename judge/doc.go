// Package judge scores responses with a language model: cheaply, with bias, and
// with a plain account of what each score's variance does and does not cover.
//
// # The model
//
// A [Scorer] reads one response to one prompt and gives a [Score]: a mean in
// [0, 1] and the variance of that mean, with its source. Scorers differ in where
// the variance comes from:
//
//   - [NewDeterministic] reads once at temperature 0. Source "deterministic": the
//     variance is 0, which is that of reading again, not of being wrong.
//   - [NewRepeated] reads k times at temperature 0.7 and gives the mean of the
//     readings. Source "repeated": the variance is s²/k, with s² the unbiased
//     sample variance of the readings. [Shrink] pools those of many responses.
//   - [NewTokens] reads once and weights the numbers that the model might have
//     written by their probability. Source "tokens": the spread of those numbers.
//   - [NewInterval] reads once and asks the model for its own 95% interval. Source
//     "interval": the variance is (width/3.92)², as the model states it.
//   - [NewPanel] asks several judges. Source "panel": the variance between them.
//   - [Func] calls a plain function. Source "function": the variance is missing.
//
// # What a variance is worth
//
// None of them knows how far the judge is from the truth. That is what labels
// are for: offpolicy.Calibrator learns what to expect at a score, and
// [Uncertainty] how far labels lie from that, in three parts that add up:
//
//	sampling     what asking again would change, from repeated readings
//	residual     how labels scatter at this score, and at this much stated doubt
//	calibrator   how well the curve itself is known
//
// What a judge says of its own doubt (an interval, a distribution, a panel's
// disagreement) is a feature of the residual part, and counts as far as labels
// bear it out. All of it holds for the policy whose responses were labeled;
// under another policy only labels of its own can say whether it does.
//
// # Identity
//
// A score means something only together with the judge that gave it. A Scorer's
// identity is its name and a hash over everything that changes its scores: the
// model, every word of its prompt, the scale, the sampling, the number of
// readings, the limits. A calibrator fitted for one identity holds for no other,
// and [Uncertainty.Calibrate] refuses the scores of any other.
//
// # What the judge is shown
//
// The rubric is the system prompt. Prompt and response follow between marker
// lines that carry a code which their authors could not know, a new one for each
// call, so that a response can neither leave its place nor speak for the system.
// The response is inserted literally: placeholders, markers and instructions in
// it are text. An empty response is judged like any other. One that is longer
// than MaxMaterial is neither sent nor cut.
//
// That is a defense and not a proof. [Canaries] are 20 texts that ask for the best
// score in ways that have worked on judges: plant them in responses, and count
// how many scores move.
//
// # Unscored is a state
//
// A reply is a JSON object: a schema asks for it if the server takes one,
// otherwise its JSON mode, otherwise the prompt alone. A reply in another form
// counts, marked as Repaired, if it leaves one reading from its first word to its
// last: a thought between known markers, then prose, then one object or one line
// such as "**Score:** 8", and nothing after it. Prose may hold numbers, but if it
// names a score, a grade or a rating of its own, or leads into a quotation, the
// response is unscored.
//
// So it is after a number in a sentence, a value outside the scale, an interval
// that does not enclose its own mean, a refusal, a reply that was cut or filtered
// or ended in an error, and log-probs that are missing if they are to be weighted:
// each is an [*UnscoredError], never a number. The scale is declared once and
// never guessed from a value: 1 on a scale to 100 is 0.01. One unscored reading
// or member among several leaves the whole response unscored, because a mean over
// the survivors means something else. [Record] turns either outcome into the line
// of judge.jsonl.
//
// # Models that reason
//
// What a model spends on reasoning counts against MaxTokens, whose default of 200
// is meant for models that do not reason: raise it to several thousand for one
// that does. A model that refuses the judge's temperature is read at its own.
package judge
