// Package check puts questions to the records of a pilot and answers each with a
// finding.
//
// A [Check] is one literal: its id, the records that it needs, its threshold, its
// remedy, and the function that reads the records. It stands in the file of its family
// (logprobs.go for those of log-probs) and adds itself to the list; to add a check is
// to add a literal there, and a row to TestEveryCheckCanLeavePass.
//
// Checks are required or of readiness. A required check judges the pipeline: it fails
// if the plan needs what it could not compute. A check of readiness judges what may be
// estimated, and passes or informs; two can do more: weights.mean_one fails where
// weights prove the log-probs wrong, and projection.cost holds if the full run may
// pass its budget.
//
// [Run] puts all of them to the records; [For] lists them, one of transport for each
// target. A check reads nothing but its [Input], so that the same records give the
// same findings, whether a run has just ended or its folder was read.
package check
