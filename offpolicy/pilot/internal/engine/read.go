package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/folder"
	"github.com/reweigh/reweigh/internal/jsonline"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
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
	in, err := folder.Open(dir)
	if err != nil {
		return fail(err)
	}
	defer in.Close()
	m, err := readManifest(in)
	if err != nil {
		return fail(err)
	}
	var configuration struct {
		Judge string `json:"judge"`
	}
	if err := json.Unmarshal(m.Configuration, &configuration); err != nil || configuration.Judge == "" {
		return fail(fmt.Errorf("%s names no judge: run again", path))
	}
	r := &record.Records{Arms: m.arms(), Noise: m.Noise, Anytime: m.Anytime}
	if r.Prompts, err = readRows(in, "prompts.jsonl",
		func(p dataset.Prompt) dataset.Key { return dataset.Key{PromptID: p.ID} }); err != nil {
		return fail(err)
	}
	var responses []record.Response
	for row, err := range rowsOf[dataset.Response](in, "responses.jsonl") {
		if err != nil {
			return fail(err)
		}
		responses = append(responses, record.ResponseOf(row))
	}
	r.Responses = record.NewRows(responses, record.Response.Key)
	if r.LogProbs, err = readRows(in, "logprobs.jsonl", dataset.LogProb.Key); err != nil {
		return fail(err)
	}
	if r.Labels, err = readRows(in, "oracle.jsonl", dataset.OracleLabel.Key); err != nil {
		return fail(err)
	}
	if r.Scores, err = readRows(in, "judge.jsonl", dataset.JudgeScore.Key); err != nil {
		return fail(err)
	}
	ledger, err := readFile[providers.Entry](in, "ledger.jsonl")
	if err != nil {
		return fail(err)
	}
	r.Ledger = record.NewAttempts(slices.Values(ledger))
	samples, err := r.Samples(configuration.Judge)
	if err != nil {
		return fail(err)
	}
	return samples, r.EvaluationConfig(m.Seed, m.TransportMargin), nil
}

// readManifest reads the manifest of a run's folder.
func readManifest(in *folder.Folder) (m manifest, err error) {
	path := filepath.Join(in.Path(), "manifest.json")
	var b []byte
	f, err := in.Read("manifest.json")
	if err == nil {
		b, err = io.ReadAll(f)
		f.Close()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%s holds no manifest.json: is it the folder of a run that has finished, or been stopped? "+
			"(%w)", in.Path(), err)
	}
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%s: %w", path, jsonline.Error(b, err))
	}
	if m.SchemaVersion != record.SchemaVersion {
		return m, fmt.Errorf("%s has schema_version %d, and this build reads %d: read the folder with the build that "+
			"wrote it, or run again", path, m.SchemaVersion, record.SchemaVersion)
	}
	if err := m.validate(); err != nil {
		return m, fmt.Errorf("%s is not as a run writes it: %w", path, err)
	}
	return m, nil
}

func readRows[T any](dir *folder.Folder, name string, key func(T) dataset.Key) (record.Rows[T], error) {
	rows, err := readFile[T](dir, name)
	return record.NewRows(rows, key), err
}
