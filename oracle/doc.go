// Package oracle obtains labels, dear and by definition right: the quantity that
// an off-policy estimate is about.
//
// # The model
//
// An [Oracle] labels one response to one prompt with a number in [0, 1]. A
// [Labeler] asks a strong language model, with a rubric of its own and the same
// precautions as a judge: the response stands between markers that it cannot
// imitate, and a reply that is not exactly what was asked for is an
// [*UnlabeledError], never a number. A [File] holds labels that people gave,
// read by [ReadLabels]. Either way an identity, name and hash, goes with every
// label.
//
// # Designs
//
// Labels cost money, so only some responses get one, and an estimate is right
// only if it knows each response's probability of having been chosen. A [Design]
// decides before anything is labelled: it ranks the responses by a hash of seed
// and key and takes the first m of n, which is simple random sampling without
// replacement and gives each of the n the inclusion probability m/n; or does so
// within ranges of the judge's scores, so that rare scores are labelled too.
// The same seed and the same set of keys give the same design, whatever their
// order, and a larger design holds all of a smaller one: labels can be topped up.
//
// A label has one role. Logged responses are labelled for calibration; a
// target's own responses, where wanted, as probes that test whether the
// calibration carries over; and some responses twice, which measures the
// oracle's own noise: [MeasureNoise].
//
// # Batches
//
// What can wait a day costs half: [Labeler.LabelBatch] asks through the
// service's batches what Label asks by single calls, and goes on where another
// process left off.
package oracle
