package record

import (
	"fmt"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
)

// RunRecords are the records as [dataset.Join] takes them.
func (r *Records) RunRecords(judge string) dataset.RunRecords {
	out := dataset.RunRecords{
		Logging: r.Logging().Policy.Name, Judge: judge,
		Prompts: slices.Collect(r.Prompts.Values()), Responses: slices.Collect(r.Responses.Values()),
		LogProbs: slices.Collect(r.LogProbs.Values()),
		Labels:   slices.Collect(r.Labels.Values()), Scores: slices.Collect(r.Scores.Values()),
	}
	for _, a := range r.Arms {
		if a.Role != Logging {
			out.Targets = append(out.Targets, a.Policy.Name)
		}
	}
	return out
}

// EvaluationConfig is how a run's samples are evaluated.
func (r *Records) EvaluationConfig(seed uint64, margin float64) offpolicy.Config {
	labelUSD, _ := r.LabelUSD()
	c := offpolicy.Config{Seed: seed, Margin: margin, LabelUSD: dataset.Known(labelUSD), Noise: r.Noise,
		Anytime: r.Anytime}
	for _, a := range r.Arms {
		if a.Role == Clone {
			c.Clones = append(c.Clones, a.Policy.Name)
		}
	}
	return c
}

// Evaluate joins the records, fits the calibrator, and, if the sample is complete,
// estimates every policy. A check reports what cannot be evaluated at all, such as a
// positive log-prob. It returns the records joined.
func (r *Records) Evaluate(judge string, c offpolicy.Config) dataset.Logs {
	r.Evaluation, r.EvaluationError = nil, "the sample is not complete"
	r.Calibrator, r.CalibratorError = nil, ""
	fail := func(err error) { r.EvaluationError, r.CalibratorError = err.Error(), err.Error() }
	logs, unjoined, err := dataset.Join(r.RunRecords(judge))
	if err != nil {
		fail(err)
		return logs
	}
	for _, u := range unjoined {
		r.Unjoined = append(r.Unjoined, u.String())
	}
	samples, err := r.Samples(logs)
	if err != nil {
		fail(err)
		return logs
	}
	if !r.Reached(WholeRun) {
		r.Calibrator, err = offpolicy.Calibrate(samples, c)
	} else if r.Evaluation, err = offpolicy.Evaluate(samples, c); err != nil {
		fail(err)
		return logs
	} else {
		r.EvaluationError, r.Calibrator, err = "", r.Evaluation.Calibrator, r.Evaluation.CalibratorError
	}
	if err != nil {
		r.CalibratorError = err.Error()
		return logs
	}
	r.calibrateScores(samples)
	return logs
}

// Samples are the joined records as an evaluation takes them. A note says how many of their
// log-probs are not certified.
func (r *Records) Samples(logs dataset.Logs) (offpolicy.Samples, error) {
	for name, s := range logs.Scored {
		if name != logs.Logging {
			s.Unseen = r.unseen(name)
			logs.Scored[name] = s
		}
	}
	samples, err := offpolicy.FromRecords(logs)
	if n := r.uncertified(); n > 0 {
		samples.Notes = append(samples.Notes, fmt.Sprintf("%s no certificate of the endpoint: what rests on them, "+
			"weights and all that is made of them, is as the endpoint says, unchecked.",
			Plural(n, "log-prob has", "log-probs have")))
	}
	return samples, err
}

// uncertified counts the log-probs that carry the mark.
func (r *Records) uncertified() int {
	n := 0
	for row := range r.LogProbs.Values() {
		if slices.Contains(row.Flags, FlagUncertified) {
			n++
		}
	}
	return n
}

// calibrateScores gives every score its calibrated value, out of fold for its prompt,
// with its variance.
func (r *Records) calibrateScores(samples offpolicy.Samples) {
	scores := r.Scores.Of(samples.Logging)
	var labeled []judge.Labeled
	for _, row := range samples.Rows {
		if row.Label.Valid() && row.Score.Valid() {
			s, _ := scores(row.PromptID)
			labeled = append(labeled, judge.Labeled{
				PromptID: row.PromptID, Score: judge.ScoreOf(s), Label: row.Label, InclusionProb: row.InclusionProb,
			})
		}
	}
	u, err := judge.FitUncertainty(r.Calibrator, labeled)
	if err != nil {
		r.CalibratorError = err.Error()
		return
	}
	calibrated := slices.Collect(r.Scores.Values())
	for i := range calibrated {
		if err := u.Calibrate(&calibrated[i]); err != nil { // the configuration admits no other judge's
			r.CalibratorError = err.Error()
		}
	}
	r.Scores = NewRows(calibrated, dataset.JudgeScore.Key)
}

// Document is the evaluation as report.json has it.
func (r *Records) Document() *offpolicy.Document {
	if r.Evaluation != nil {
		return r.Evaluation.Document()
	}
	return &offpolicy.Document{SchemaVersion: offpolicy.DocumentVersion, Logging: r.Logging().Policy.Name,
		Error: r.EvaluationError}
}
