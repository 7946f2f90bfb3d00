package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

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
	if m.SchemaVersion != record.SchemaVersion {
		return fail(fmt.Errorf("%s has schema_version %d, and this build reads %d: read the folder with the build that wrote it, or run again", path, m.SchemaVersion, record.SchemaVersion))
	}
	if err := json.Unmarshal(m.Configuration, &configuration); err != nil || configuration.Judge == "" {
		return fail(fmt.Errorf("%s names no judge: run again", path))
	}
	r := &record.Records{}
	for _, p := range m.Policies {
		r.Arms = append(r.Arms, record.Arm{Role: p.Role, Policy: offpolicy.Policy{Name: p.Name}})
	}
	if r.Logging().Policy.Name == "" {
		return fail(fmt.Errorf("%s names no logging policy: run again", path))
	}
	if err := errors.Join(
		readRows(dir, "prompts.jsonl", &r.Prompts), readRows(dir, "responses.jsonl", &r.Responses), readRows(dir, "logprobs.jsonl", &r.LogProbs),
		readRows(dir, "oracle.jsonl", &r.Labels), readRows(dir, "judge.jsonl", &r.Scores), readRows(dir, "ledger.jsonl", &r.Ledger),
	); err != nil {
		return fail(err)
	}
	logs, _, err := dataset.Join(r.RunRecords(configuration.Judge))
	if err != nil {
		return fail(err)
	}
	samples, err := offpolicy.FromRecords(logs)
	if err != nil {
		return fail(err)
	}
	return samples, r.EvaluationConfig(m.Seed, m.TransportMargin), nil
}

func readRows[T any](dir, name string, to *[]T) (err error) {
	*to, err = dataset.ReadFile[T](filepath.Join(dir, name))
	return err
}
