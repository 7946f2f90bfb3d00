package record

import (
	"fmt"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
)

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
// positive log-prob. It returns whether they could be joined at all.
func (r *Records) Evaluate(judge string, c offpolicy.Config) (joined bool) {
	r.Evaluation, r.EvaluationError = nil, "the sample is not complete"
	defer func() { r.weights = nil }() // they know the noise by the evaluation
	r.Calibrator, r.CalibratorError = nil, ""
	fail := func(err error) { r.EvaluationError, r.CalibratorError = err.Error(), err.Error() }
	var labels []labeled
	table, err := r.table(judge, func(s dataset.Sample) {
		if s.OracleLabel.Valid() && s.JudgeScore.Valid() {
			labels = append(labels, labeled{s.PromptID, s.OracleLabel, s.InclusionProb})
		}
	})
	joined = table != nil
	if err != nil {
		fail(err)
		return joined
	}
	if !r.Reached(WholeRun) {
		r.Calibrator, err = table.Calibrate(c)
	} else if r.Evaluation, err = table.Evaluate(c); err != nil {
		fail(err)
		return joined
	} else {
		r.EvaluationError, r.Calibrator, err = "", r.Evaluation.Calibrator, r.Evaluation.CalibratorError
	}
	if err != nil {
		r.CalibratorError = err.Error()
		return joined
	}
	r.calibrateScores(labels)
	return joined
}

// Samples are the joined records as an evaluation takes them. A note says how many of their
// log-probs are not certified.
func (r *Records) Samples(judge string) (offpolicy.Samples, error) {
	table, err := r.table(judge, func(dataset.Sample) {})
	if err != nil {
		return offpolicy.Samples{}, err
	}
	return table.Samples()
}

// table are the samples in columns, nil if there is no joining the records. each is given every
// sample, without its text.
func (r *Records) table(judge string, each func(dataset.Sample)) (*offpolicy.Table, error) {
	plan := offpolicy.Plan{Logging: r.Logging().Policy.Name, Judge: judge, Scored: map[string]dataset.Scored{}}
	table := offpolicy.NewTable(plan)
	length := func(k dataset.Key) dataset.Float {
		if row, ok := r.Responses.Brief().Get(k); ok && row.Text != nil {
			return dataset.Known(float64(row.Text.Characters))
		}
		return dataset.Float{}
	}
	var unreadable error // as a row of a table
	var unjoined []dataset.Unjoined
	whole := r.Reached(WholeRun) // before that much is missing
	scored, err := r.Join(judge, func(j dataset.Joined) error {
		if whole {
			unjoined = append(unjoined, j.Unjoined...)
		}
		if s := j.Sample; s != nil && unreadable == nil {
			unreadable = table.AddUnread(*s, length(dataset.Key{PromptID: s.PromptID, Policy: plan.Logging}))
			each(*s)
		}
		for _, d := range j.Draws {
			table.AddDraw(d.Policy, offpolicy.Draw{PromptID: d.PromptID, Index: d.DrawIdx, Score: d.JudgeScore,
				Label: d.OracleLabel, InclusionProb: d.InclusionProb,
				Covariate: length(dataset.Key{PromptID: d.PromptID, Policy: d.Policy, DrawIdx: d.DrawIdx})})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.Unjoined = append(r.Unjoined, unjoined...)
	for name, s := range scored {
		if name != plan.Logging {
			s.Unseen = r.unseen(name)
		}
		plan.Scored[name] = s
	}
	if n := r.uncertified(); n > 0 {
		table.AddNote(fmt.Sprintf("%s no certificate of the endpoint: what rests on them, "+
			"weights and all that is made of them, is as the endpoint says, unchecked.",
			Plural(n, "log-prob has", "log-probs have")))
	}
	return table, unreadable
}

// uncertified counts the log-probs that carry the mark.
func (r *Records) uncertified() int {
	n := 0
	for row := range r.LogProbs.Brief().Values() {
		if slices.Contains(row.Flags, FlagUncertified) {
			n++
		}
	}
	return n
}

// labeled is a logged response with a label.
type labeled struct {
	promptID         string
	label, inclusion dataset.Float
}

// calibrateScores gives every score its calibrated value, out of fold for its prompt,
// with its variance.
func (r *Records) calibrateScores(labels []labeled) {
	scores := r.Scores.Of(r.Logging().Policy.Name)
	rows := make([]judge.Labeled, len(labels))
	for i, l := range labels {
		s, _ := scores(l.promptID)
		rows[i] = judge.Labeled{PromptID: l.promptID, Score: judge.ScoreOf(s), Label: l.label, InclusionProb: l.inclusion}
	}
	u, err := judge.FitUncertainty(r.Calibrator, rows)
	if err != nil {
		r.CalibratorError = err.Error()
		return
	}
	type calibrated struct {
		value dataset.Float
		parts dataset.VarianceParts
	}
	values := make([]calibrated, r.Scores.Len())
	i := 0
	for row := range r.Scores.Values() {
		if err := u.Calibrate(&row); err != nil { // the configuration admits no other judge's
			r.CalibratorError = err.Error()
		} else if row.VarianceParts != nil {
			values[i] = calibrated{row.Calibrated, *row.VarianceParts}
		}
		i++
	}
	r.Scores = r.Scores.with(func(i int, row *dataset.JudgeScore) {
		if c := &values[i]; *c != (calibrated{}) {
			row.Calibrated, row.CalibratedVariance, row.VarianceParts = c.value, c.parts.Total(), &c.parts
		}
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
