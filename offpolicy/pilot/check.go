package pilot

import (
	"fmt"
)

// question is one check: its id, the stage whose records it needs (wholeRun for
// all of them), and how it is answered from them.
type question struct {
	id     string
	needs  string
	answer func(*Records, Thresholds, *Check)
	// readiness marks what judges the estimates and not the pipeline: without
	// its records it informs.
	readiness bool
}

// questions are asked in this order, the order of the run.
var questions = []question{
	{"prompts.fields", stagePrepare, checkPromptFields, false},
	{"prompts.unique", stagePrepare, checkPromptsUnique, false},
	{"endpoint.certified", "", checkCertified, false},
	{"p0.complete", stageP0, checkP0Complete, false},
	{"p0.logprobs", stageLogProbs, checkP0LogProbs, false},
	{"targets.complete", stageTargets, checkTargetsComplete, false},
	{"targets.diversity", stageTargets, checkDiversity, false},
	{"responses.truncated", stageTargets, checkTruncated, false},
	{"models.served", stageTargets, checkServed, false},
	{"logprobs.complete", stageLogProbs, checkLogProbsComplete, false},
	{"logprobs.zero", stageLogProbs, checkZero, false},
	{"logprobs.sign", stageLogProbs, checkSign, false},
	{"logprobs.range", stageLogProbs, checkRange, false},
	{"logprobs.methods", stageLogProbs, checkMethods, false},
	{"logprobs.agreement", stageLogProbs, checkAgreement, false},
	{"weights.clone", stageLogProbs, checkClone, false},
	{"weights.identical", stageLogProbs, checkIdentical, false},
	{"weights.mean_one", stageLogProbs, checkMeanOne, true},
	{"weights.overlap", stageLogProbs, checkOverlap, true},
	{"weights.balance", wholeRun, checkBalance, true},
	{"oracle.range", stageOracle, checkOracleRange, false},
	{"oracle.distribution", stageOracle, checkOracleDistribution, false},
	{"judge.complete", stageJudge, checkJudgeComplete, false},
	{"judge.uncertainty", stageJudge, checkJudgeUncertainty, false},
	{"judge.parse", stageJudge, checkParse, false},
	{"judge.calibration", wholeRun, checkCalibration, false},
	{"judge.support", wholeRun, checkSupport, true},
	{"judge.injection", stageCanaries, checkInjection, false},
	{"missing.pattern", wholeRun, checkMissing, false},
	{"policies.ranking", stageJudge, checkRanking, false},
	{"files.valid", wholeRun, checkFiles, false},
	{"cost.estimate", wholeRun, checkCost, false},
	{"projection.cost", wholeRun, checkProjectedCost, true},
	{"projection.time", wholeRun, checkProjectedTime, true},
	{"projection.ess", wholeRun, checkProjectedESS, true},
	{"projection.width", wholeRun, checkProjectedWidth, true},
	{"run.errors", "", checkRunErrors, false},
	{"run.ratelimit", "", checkRateLimit, false},
}

// questionsFor are the questions that are put to the records: the fixed ones, and that
// of transport for every target, before the ranking.
func questionsFor(r *Records) []question {
	var out []question
	for _, q := range questions {
		if q.id == "policies.ranking" {
			for _, a := range r.targets() {
				name := a.Policy.Name
				out = append(out, question{"transport." + name, wholeRun, func(r *Records, t Thresholds, c *Check) { checkTransport(r, t, c, name) }, true})
			}
		}
		out = append(out, q)
	}
	return out
}

// CheckIDs lists the ids of the checks that every run has, in the order of a
// report. There is one more for each target, transport.<policy>.
func CheckIDs() []string {
	ids := make([]string, len(questions))
	for i, q := range questions {
		ids[i] = q.id
	}
	return ids
}

// Evaluate puts every check to the records. A check whose records are not all
// there fails, or holds where the run can simply go on; it is never left out.
// Waived maps the ids that do not count to the reason for it.
func Evaluate(r *Records, t Thresholds, waived map[string]string) []Check {
	questions := questionsFor(r)
	checks := make([]Check, len(questions))
	for i, q := range questions {
		c := &checks[i]
		*c = Check{ID: q.id, Waived: waived[q.id]}
		if q.needs != "" && !r.reached(q.needs) {
			notComputed(c, r.Stop, q.readiness)
		} else {
			q.answer(r, t, c)
		}
		if c.Status == Pass || c.Status == Info {
			c.Remedy = ""
		}
		if c.Evidence.Figures == nil {
			c.Evidence.Figures = []Figure{}
		}
		if c.Evidence.Records == nil {
			c.Evidence.Records = []string{}
		}
	}
	return checks
}

func notComputed(c *Check, s *Stop, readiness bool) {
	switch {
	case readiness:
		c.Status = Info
	case s.Resumable():
		c.Status = Hold
	default:
		c.Status = Fail
	}
	c.Summary = fmt.Sprintf(NotComputed+"the run stopped in stage %s (%s)", s.Stage, s.Why())
	c.Threshold = "its records are complete"
	if s.Running() {
		c.Summary, c.Remedy = NotYet+s.Stage, "wait"
		return
	}
	c.Remedy = "see run.errors; start the run again once the cause is mended, it goes on from there"
	if s.Kind == StopUncertified {
		c.Remedy = "see endpoint.certified"
	}
}

// shareStatus grades bad of n against a pass and a hold share: at most
// floor(n·pass), but always one once n·pass reaches one, passes.
func shareStatus(bad, n int, pass, hold float64) Status {
	switch {
	case float64(bad) <= pass*float64(n):
		return Pass
	case float64(bad) <= hold*float64(n):
		return Hold
	default:
		return Fail
	}
}
