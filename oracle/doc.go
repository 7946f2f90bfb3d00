// Package oracle obtains labels, which are costly and right by definition: an
// off-policy estimate is about their mean.
//
// # The model
//
// An [Oracle] labels one response to one prompt with a number in [0, 1]. A
// [Labeler] asks a strong language model, configured as a judge is, with a rubric
// of its own: the response stands between markers that it cannot imitate, and a
// reply that does not leave one reading is a [*judge.UnscoredError], never a
// number. A [File] holds labels that people gave, read by [ReadLabels]. [Func]
// makes an oracle of a plain function. In any case an identity goes with every
// label.
//
// # Designs
//
// Labels cost money, so only some responses get one, and an estimate is right
// only if it knows each response's probability of having been chosen. A [Design]
// decides before anything is labeled: it ranks the responses by a hash of seed
// and key and takes the first m of n, which is simple random sampling without
// replacement and gives each of the n the inclusion probability m/n; or it does
// so within ranges of the judge's scores, so that rare scores are labeled too.
// The same seed and the same set of keys give the same design, whatever their
// order, and a larger design contains a smaller one: labels can be topped up.
//
// Labels count for more where weights are large and where the judge is likely to be wrong:
// [Design.AssignBySize] draws about in proportion to a size, in strata of equal sums, and
// [offpolicy.LabelSizes] makes sizes of weights. At an ESS of .45 of the rows that narrows
// intervals to .5 to .8 of what as many random labels give. [Share] divides one budget among
// policies: the least that each needs first, the rest to the widest interval. What cannot be
// labeled gives way to the next of the same draw, and the probability counts it:
// [Design.AssignAround].
//
// A label has one role. Logged responses are labeled for calibration; a target's
// own responses are labeled, on request, as probes that test whether the
// calibration carries over; and some responses are labeled twice, which measures
// how well the oracle agrees with itself: [DuplicateVariance].
//
// # Batches
//
// What can wait a day costs half: [Labeler.LabelBatch] asks through the
// service's batches what Label asks by single calls, and continues where another
// process left off.
package oracle
