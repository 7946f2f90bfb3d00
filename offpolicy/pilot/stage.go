package pilot

// stageNames are the stages in their order.
var stageNames = []string{stagePrepare, stageCertify, stageP0, stageTargets, stageLogProbs, stageOracle, stageJudge, stageCanaries}

const (
	stagePrepare  = "prepare"
	stageCertify  = "certify"
	stageP0       = "p0"
	stageTargets  = "targets"
	stageLogProbs = "logprobs"
	stageOracle   = "oracle"
	stageJudge    = "judge"
	stageCanaries = "canaries"
	// stagePreflight is not a stage of the run: it tags the free calls.
	stagePreflight = "preflight"
)

// wholeRun is the key of the time that all stages together took: they overlap.
const wholeRun = "run"
