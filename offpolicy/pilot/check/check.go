package check

import (
	"fmt"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// Check is one check: its id, the stage whose records it needs (wholeRun for
// all of them), and how it is answered from them.
type Check struct {
	ID    string
	Needs string
	Find  func(*record.Records, Thresholds, *record.Finding)
	// Readiness marks what judges the estimates and not the pipeline: without
	// its records it informs.
	Readiness bool
}

// all are asked in this order, the order of the run.
var all = []Check{
	{"prompts.fields", record.StagePrepare, checkPromptFields, false},
	{"prompts.unique", record.StagePrepare, checkPromptsUnique, false},
	{"endpoint.certified", "", checkCertified, false},
	{"p0.complete", record.StageP0, checkP0Complete, false},
	{"p0.logprobs", record.StageLogProbs, checkP0LogProbs, false},
	{"targets.complete", record.StageTargets, checkTargetsComplete, false},
	{"targets.diversity", record.StageTargets, checkDiversity, false},
	{"responses.truncated", record.StageTargets, checkTruncated, false},
	{"models.served", record.StageTargets, checkServed, false},
	{"logprobs.complete", record.StageLogProbs, checkLogProbsComplete, false},
	{"logprobs.zero", record.StageLogProbs, checkZero, false},
	{"logprobs.sign", record.StageLogProbs, checkSign, false},
	{"logprobs.range", record.StageLogProbs, checkRange, false},
	{"logprobs.methods", record.StageLogProbs, checkMethods, false},
	{"logprobs.agreement", record.StageLogProbs, checkAgreement, false},
	{"weights.clone", record.StageLogProbs, checkClone, false},
	{"weights.identical", record.StageLogProbs, checkIdentical, false},
	{"weights.mean_one", record.StageLogProbs, checkMeanOne, true},
	{"weights.overlap", record.StageLogProbs, checkOverlap, true},
	{"weights.balance", record.WholeRun, checkBalance, true},
	{"oracle.range", record.StageOracle, checkOracleRange, false},
	{"oracle.distribution", record.StageOracle, checkOracleDistribution, false},
	{"judge.complete", record.StageJudge, checkJudgeComplete, false},
	{"judge.uncertainty", record.StageJudge, checkJudgeUncertainty, false},
	{"judge.parse", record.StageJudge, checkParse, false},
	{"judge.calibration", record.WholeRun, checkCalibration, false},
	{"judge.support", record.WholeRun, checkSupport, true},
	{"judge.injection", record.StageCanaries, checkInjection, false},
	{"missing.pattern", record.WholeRun, checkMissing, false},
	{"policies.ranking", record.StageJudge, checkRanking, false},
	{"files.valid", record.WholeRun, checkFiles, false},
	{"cost.estimate", record.WholeRun, checkCost, false},
	{"projection.cost", record.WholeRun, checkProjectedCost, true},
	{"projection.time", record.WholeRun, checkProjectedTime, true},
	{"projection.ess", record.WholeRun, checkProjectedESS, true},
	{"projection.width", record.WholeRun, checkProjectedWidth, true},
	{"run.errors", "", checkRunErrors, false},
	{"run.ratelimit", "", checkRateLimit, false},
}

// For are the questions that are put to the records: the fixed ones, and that
// of transport for every target, before the ranking.
func For(r *record.Records) []Check {
	var out []Check
	for _, q := range all {
		if q.ID == "policies.ranking" {
			for _, a := range r.Targets() {
				name := a.Policy.Name
				out = append(out, Check{"transport." + name, record.WholeRun, func(r *record.Records, t Thresholds, c *record.Finding) { checkTransport(r, t, c, name) }, true})
			}
		}
		out = append(out, q)
	}
	return out
}

// CheckIDs lists the ids of the checks that every run has, in the order of a
// report. There is one more for each target, transport.<policy>.
func CheckIDs() []string {
	ids := make([]string, len(all))
	for i, q := range all {
		ids[i] = q.ID
	}
	return ids
}

// Evaluate puts every check to the records. A check whose records are not all
// there fails, or holds where the run can simply go on; it is never left out.
// Waived maps the ids that do not count to the reason for it.
func Evaluate(r *record.Records, t Thresholds, waived map[string]string) []record.Finding {
	questions := For(r)
	checks := make([]record.Finding, len(questions))
	for i, q := range questions {
		c := &checks[i]
		*c = record.Finding{ID: q.ID, Waived: waived[q.ID]}
		if q.Needs != "" && !r.Reached(q.Needs) {
			notComputed(c, r.Stop, q.Readiness)
		} else {
			q.Find(r, t, c)
		}
		if c.Status == record.Pass || c.Status == record.Info {
			c.Remedy = ""
		}
		if c.Evidence.Figures == nil {
			c.Evidence.Figures = []record.Figure{}
		}
		if c.Evidence.Records == nil {
			c.Evidence.Records = []string{}
		}
	}
	return checks
}

func notComputed(c *record.Finding, s *record.Stop, readiness bool) {
	switch {
	case readiness:
		c.Status = record.Info
	case s.Resumable():
		c.Status = record.Hold
	default:
		c.Status = record.Fail
	}
	c.Summary = fmt.Sprintf(record.NotComputed+"the run stopped in stage %s (%s)", s.Stage, s.Why())
	c.Threshold = "its records are complete"
	if s.Running() {
		c.Summary, c.Remedy = record.NotYet+s.Stage, "wait"
		return
	}
	c.Remedy = "see run.errors; start the run again once the cause is mended, it goes on from there"
	if s.Kind == record.StopUncertified {
		c.Remedy = "see endpoint.certified"
	}
}

// shareStatus grades bad of n against a pass and a hold share: at most
// floor(n·pass), but always one once n·pass reaches one, passes.
func shareStatus(bad, n int, pass, hold float64) record.Status {
	switch {
	case float64(bad) <= pass*float64(n):
		return record.Pass
	case float64(bad) <= hold*float64(n):
		return record.Hold
	default:
		return record.Fail
	}
}
