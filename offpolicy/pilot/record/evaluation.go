package record

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
)

// RunRecords are the records as [dataset.Join] takes them, with an empty text for every
// response that has one: texts stay where they are.
func (r *Records) RunRecords(judge string) dataset.RunRecords {
	out := dataset.RunRecords{
		Logging: r.Logging().Policy.Name, Judge: judge,
		Prompts: slices.Collect(r.Prompts.Values()),
		Labels:  slices.Collect(r.Labels.Values()), Scores: slices.Collect(r.Scores.Values()),
		Responses: make([]dataset.Response, 0, r.Responses.Len()), LogProbs: make([]dataset.LogProb, 0, r.LogProbs.Len()),
	}
	unread := ""
	for row := range r.Responses.Values() {
		if row.Text != nil {
			row.Response.Text = &unread
		}
		out.Responses = append(out.Responses, row.Response)
	}
	for row := range r.LogProbs.Values() {
		row.Methods = nil // the join does not ask for them
		out.LogProbs = append(out.LogProbs, row)
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
// positive log-prob. It returns the records joined, without the texts of responses.
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
	r.measure(&samples)
	if n := r.uncertified(); n > 0 {
		samples.Notes = append(samples.Notes, fmt.Sprintf("%s no certificate of the endpoint: what rests on them, "+
			"weights and all that is made of them, is as the endpoint says, unchecked.",
			Plural(n, "log-prob has", "log-probs have")))
	}
	return samples, err
}

// measure gives samples the lengths of the texts that were not read.
func (r *Records) measure(samples *offpolicy.Samples) {
	length := func(k dataset.Key) dataset.Float {
		if row, ok := r.Responses.Get(k); ok && row.Text != nil {
			return dataset.Known(float64(row.Text.Characters))
		}
		return dataset.Float{}
	}
	for i := range samples.Rows {
		row := &samples.Rows[i]
		inCharacters := row.Length == row.Covariate // nobody states tokens
		row.Covariate = length(dataset.Key{PromptID: row.PromptID, Policy: cmp.Or(row.Logger, samples.Logging)})
		if inCharacters {
			row.Length = row.Covariate
		}
	}
	for policy, draws := range samples.Draws {
		for i := range draws {
			d := &draws[i]
			d.Covariate = length(dataset.Key{PromptID: d.PromptID, Policy: policy, DrawIdx: d.Index})
		}
	}
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
	type calibrated struct {
		value, variance dataset.Float
		parts           *dataset.VarianceParts
	}
	values := make([]calibrated, 0, r.Scores.Len())
	for row := range r.Scores.Values() {
		if err := u.Calibrate(&row); err != nil { // the configuration admits no other judge's
			r.CalibratorError = err.Error()
		}
		values = append(values, calibrated{row.Calibrated, row.CalibratedVariance, row.VarianceParts})
	}
	r.Scores = r.Scores.with(func(i int, row *dataset.JudgeScore) {
		row.Calibrated, row.CalibratedVariance, row.VarianceParts = values[i].value, values[i].variance, values[i].parts
	})
}

// Document is the evaluation as report.json has it.
func (r *Records) Document() *offpolicy.Document {
	if r.Evaluation != nil {
		return r.Evaluation.Document()
	}
	return &offpolicy.Document{SchemaVersion: offpolicy.DocumentVersion, Logging: r.Logging().Policy.Name,
		Error: r.EvaluationError}
}
