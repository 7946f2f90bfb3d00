package record

// StageNames are the stages in their order.
var StageNames = []string{StagePrepare, StageCertify, StageP0, StageTargets, StageLogProbs, StageOracle, StageJudge, StageCanaries}

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

// WholeRun is the key of the time that all stages together took: they overlap.
const WholeRun = "run"
