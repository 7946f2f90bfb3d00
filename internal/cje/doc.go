// Package cje is the off-policy part of CJE, the Python reference
// implementation (package cje-eval, v0.3.0, the last that had one), to the
// letter: its choices of rows and folds, its weights, its intervals, and what is
// wrong with them. It is there to be compared with. For an answer, use
// [github.com/reweigh/reweigh/offpolicy].
//
// # What it computes
//
// [New] calibrates the judge on the labeled rows, in the rows' hash folds
// ([offpolicy.Fold], 5, seed 42), and gives every row the calibrated score as its
// reward, labeled rows too; only where every row has a label the label itself.
// [Reference.Estimate] then computes
//
//	cje_snips           Σ w R / Σ w, with self-normalised weights clipped at 100
//	cje_calibrated_ips  the same with SIMCal weights: functions of the held-out
//	                    reward, predicted for each outer fold (seed 1042) by a fit to
//	                    the others
//	cje_dr_cpo          mean g(S') + mean w (R - g(S)), g the calibration's own fold
//	                    fits, SIMCal weights in the folds of seed 42
//	cje_tmle            the same with g an isotonic regression of R, targeted along
//	                    the mean weight at a score
//
// A row that lacks one policy's log-prob is dropped for all. SIMCal mixes an
// increasing and a decreasing isotonic regression of weight on index so that the
// out-of-fold influence function has the least variance, and draws the mixture
// towards 1 until its variance is at most 1 and its ESS at least n/5.
// [CalibratedMean] is the mean that replaced all of these in v0.6.0.
//
// # Why its intervals claim no coverage
//
// On a design with mild weights and a judge that holds (500 rows, a quarter
// labeled, 100 repetitions) nominal 95% intervals covered 81% for raw-ips, whose
// error leaves the calibration out; 84% for calibrated-ips, which is biased by
// -.017; and 100% for dr-cpo and tmle, whose errors are 1.8 times too wide:
//
//   - Rewards are f(S) even where there is a label, so no estimator ever sees a
//     residual Y - f(S), and "doubly robust" corrects a prediction by another.
//   - The jackknife over calibrations moves the fresh draws' term and the rewards
//     but not g on the logs, and so counts the calibration about twice.
//   - Clusters are the five cross-fitting folds and not the prompts: four degrees
//     of freedom, and an error that itself varies by a third.
//   - SIMCal weights depend on the score alone. Where nothing overlaps they are
//     about 1, every gate passes, and the estimate is near the logging policy's
//     mean.
//
// # What is not reproduced, and why
//
//   - Mode "auto". It picks two_stage if that has the smaller error in two of three
//     thirds of the scores; which third a tied score falls into depends on the
//     order of the rows, and the answer with it. The caller chooses a [Mode].
//   - The estimators mrdr and stacked-dr, calibrated-ips without outer folds,
//     weight_mode "raw", TMLE's identity link, covariates: not on offer here.
//   - scikit-learn's KFold, a shuffle by MT19937, which only mrdr and SIMCal
//     without folds fall back to.
//   - The bootstrap's random numbers (PCG64 and a ziggurat): [CalibratedMean] takes
//     the replicates' weights instead.
//   - Labels that the reference makes of its figures: recommended methods,
//     confidence penalties, the median of Hill's index over several k, statuses
//     but for the boundary's. The transport audit is offpolicy's.
//   - Rounding that decides. Under two_stage the last bit of the spline's value
//     decides the rank of a tied score, and in the reference that bit depends on how
//     many scores are predicted in one call: one score's calibrated value was seen
//     to differ by .1 between a call of its own and a call of all. Here a score has
//     one value, so the doubly robust estimators may differ in the third digit.
//   - Refusal: the reference only warns, by [Diagnostics.Flags], unless asked to.
//
// Folds, weights and what is made of them alone agree with the recorded outputs
// to 1e-12, SIMCal and the doubly robust estimators to 1e-9, two_stage, whose
// ridge regression goes through another decomposition, to 1e-6. testdata has a
// script that compares with the Python package itself.
//
// Source: github.com/cimo-labs/cje (MIT); Landesberg, "Causal Judge Evaluation",
// arXiv 2512.11150.
package cje
