package record

// The stages, as records, ledger and reports name them.
const (
	StagePrepare  = "prepare"
	StageCertify  = "certify"
	StageP0       = "p0"
	StageTargets  = "targets"
	StageLogProbs = "logprobs"
	StageOracle   = "oracle"
	StageJudge    = "judge"
	StageCanaries = "canaries"
	// StagePreflight is not a stage of the run: it tags the free calls.
	StagePreflight = "preflight"
)

// WholeRun stands for all stages together: their time, which is less than the sum of
// theirs because they overlap, and their records.
const WholeRun = "run"

// Stages lists the stages in their order.
func Stages() []string {
	return []string{StagePrepare, StageCertify, StageP0, StageTargets, StageLogProbs, StageOracle, StageJudge,
		StageCanaries}
}
