package pilot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
)

// runRecords are the records as [dataset.Join] takes them.
func (r *Records) runRecords(judge string) dataset.RunRecords {
	out := dataset.RunRecords{
		Logging: r.logging().Policy.Name, Judge: judge, Prompts: r.Prompts, Responses: r.Responses,
		LogProbs: r.LogProbs, Labels: r.Labels, Scores: r.Scores,
	}
	for _, a := range r.Arms {
		if a.Role != Logging {
			out.Targets = append(out.Targets, a.Policy.Name)
		}
	}
	return out
}

// evaluationConfig is how a run's samples are evaluated.
func (r *Records) evaluationConfig(seed uint64, margin float64) offpolicy.Config {
	labelUSD, _ := r.labelUSD()
	c := offpolicy.Config{Seed: seed, Margin: margin, LabelUSD: dataset.Known(labelUSD)}
	for _, a := range r.Arms {
		if a.Role == Clone {
			c.Clones = append(c.Clones, a.Policy.Name)
		}
	}
	return c
}

// evaluate joins the records, fits the calibrator, and, if the sample is complete,
// estimates every policy. A check reports what cannot be evaluated at all, such as a
// positive log-prob.
func (r *Records) evaluate(judge string, c offpolicy.Config) {
	r.Evaluation, r.EvaluationError = nil, "the sample is not complete"
	r.Calibrator, r.CalibratorError = nil, ""
	fail := func(err error) { r.EvaluationError, r.CalibratorError = err.Error(), err.Error() }
	logs, unjoined, err := dataset.Join(r.runRecords(judge))
	if err != nil {
		fail(err)
		return
	}
	r.logs = logs
	for _, u := range unjoined {
		r.Unjoined = append(r.Unjoined, u.String())
	}
	samples, err := offpolicy.FromRecords(logs)
	if err != nil {
		fail(err)
		return
	}
	if !r.reached(wholeRun) {
		r.Calibrator, err = offpolicy.Calibrate(samples, c)
	} else if r.Evaluation, err = offpolicy.Evaluate(samples, c); err != nil {
		fail(err)
		return
	} else {
		r.EvaluationError, r.Calibrator, err = "", r.Evaluation.Calibrator, r.Evaluation.CalibratorError
	}
	if err != nil {
		r.CalibratorError = err.Error()
		return
	}
	r.calibrateScores(samples)
}

// calibrateScores gives every score its calibrated value, out of fold for its prompt,
// with its variance.
func (r *Records) calibrateScores(samples offpolicy.Samples) {
	scores := r.scoresOf(samples.Logging)
	var labeled []judge.Labeled
	for _, row := range samples.Rows {
		if row.Label.Valid() && row.Score.Valid() {
			labeled = append(labeled, judge.Labeled{
				PromptID: row.PromptID, Score: judge.ScoreOf(scores[row.PromptID]), Label: row.Label, InclusionProb: row.InclusionProb,
			})
		}
	}
	u, err := judge.FitUncertainty(r.Calibrator, labeled)
	if err != nil {
		r.CalibratorError = err.Error()
		return
	}
	for i := range r.Scores {
		if err := u.Calibrate(&r.Scores[i]); err != nil { // the configuration admits no other judge's
			r.CalibratorError = err.Error()
		}
	}
}

// document is the evaluation as report.json has it.
func (r *Records) document() *offpolicy.Document {
	if r.Evaluation != nil {
		return r.Evaluation.Document()
	}
	return &offpolicy.Document{SchemaVersion: offpolicy.DocumentVersion, Logging: r.logging().Policy.Name, Error: r.EvaluationError}
}

// labelUSD is what one label of the oracle cost on average, and what it would
// have in a batch; NaN where none was bought, or where batches have no price.
func (r *Records) labelUSD() (single, batch float64) {
	n := 0
	for _, e := range r.Ledger {
		if e.Stage != stageOracle {
			continue
		}
		single += float64(e.Cost)
		if factor, ok := r.BatchFactors[e.Model]; !ok {
			batch = math.NaN()
		} else if e.Endpoint != "batch" {
			batch += factor * float64(e.Cost)
		} else {
			batch += float64(e.Cost)
		}
		if e.Outcome == "ok" {
			n++
		}
	}
	return single / float64(n), batch / float64(n)
}

// ReadEvaluation reads from a run's folder what its evaluation is made of: the samples,
// joined from its records, and the configuration that the run evaluated them with.
// [offpolicy.Evaluate] of the two is the evaluation in report.json, to the last digit.
//
// It is an error if dir is not the folder of a run, or one of an earlier build.
func ReadEvaluation(dir string) (offpolicy.Samples, offpolicy.Config, error) {
	fail := func(err error) (offpolicy.Samples, offpolicy.Config, error) {
		return offpolicy.Samples{}, offpolicy.Config{}, fmt.Errorf("pilot: read evaluation: %w", err)
	}
	path := filepath.Join(dir, "manifest.json")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fail(fmt.Errorf("%s holds no manifest.json: is it the folder of a run that has finished, or been stopped? (%w)", dir, err))
	}
	if err != nil {
		return fail(err)
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return fail(fmt.Errorf("%s: %w", path, err))
	}
	var configuration struct {
		Judge string `json:"judge"`
	}
	if m.SchemaVersion != SchemaVersion {
		return fail(fmt.Errorf("%s has schema_version %d, and this build reads %d: read the folder with the build that wrote it, or run again", path, m.SchemaVersion, SchemaVersion))
	}
	if err := json.Unmarshal(m.Configuration, &configuration); err != nil || configuration.Judge == "" {
		return fail(fmt.Errorf("%s names no judge: run again", path))
	}
	r := &Records{}
	for _, p := range m.Policies {
		r.Arms = append(r.Arms, Arm{Role: p.Role, Policy: offpolicy.Policy{Name: p.Name}})
	}
	if r.logging().Policy.Name == "" {
		return fail(fmt.Errorf("%s names no logging policy: run again", path))
	}
	if err := errors.Join(
		readRows(dir, "prompts.jsonl", &r.Prompts), readRows(dir, "responses.jsonl", &r.Responses), readRows(dir, "logprobs.jsonl", &r.LogProbs),
		readRows(dir, "oracle.jsonl", &r.Labels), readRows(dir, "judge.jsonl", &r.Scores), readRows(dir, "ledger.jsonl", &r.Ledger),
	); err != nil {
		return fail(err)
	}
	logs, _, err := dataset.Join(r.runRecords(configuration.Judge))
	if err != nil {
		return fail(err)
	}
	samples, err := offpolicy.FromRecords(logs)
	if err != nil {
		return fail(err)
	}
	return samples, r.evaluationConfig(m.Seed, m.TransportMargin), nil
}

func readRows[T any](dir, name string, to *[]T) (err error) {
	*to, err = dataset.ReadFile[T](filepath.Join(dir, name))
	return err
}
