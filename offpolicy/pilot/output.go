package pilot

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/providers"
)

func (r *run) path(parts ...string) string {
	return filepath.Join(append([]string{r.cfg.Dir}, parts...)...)
}

func (r *run) journalPath() string { return r.path(journalDir) }

// records collects what the store holds of this run's prompts.
func (r *run) records(stop *Stop) *Records {
	here := r.prompts()
	keep := func(k dataset.Key) bool { _, ok := here[k.PromptID]; return ok }
	rec := &Records{
		Arms:      r.cfg.Arms,
		Prompts:   r.cfg.Prompts,
		Responses: sorted(r.store, r.store.responses, keep),
		LogProbs:  sorted(r.store, r.store.logprobs, keep),
		Scores:    sorted(r.store, r.store.scores, keep),
		Ledger:    sortLedger(r.store.ledger()),
		Estimate:  r.estimate,
		Stop:      stop,

		Full: r.cfg.Full, FullBudget: r.cfg.FullBudget, Resolution: r.cfg.Resolution, Live: r.cfg.Live, Concurrency: r.cfg.Concurrency, BatchFactors: map[string]float64{},
	}
	if _, ok := r.cfg.Grader.(providers.Batcher); ok {
		for model, price := range r.rates(rec.Ledger) {
			rec.BatchFactors[model] = cmp.Or(price.Batch, providers.DefaultBatchFactor)
		}
	}
	r.store.mu.Lock()
	rec.Seconds, rec.CertifySeconds = r.store.seconds[wholeRun], r.store.seconds[stageCertify]
	for _, k := range slices.Sorted(maps.Keys(r.store.certs)) {
		rec.Certificates = append(rec.Certificates, r.store.certs[k])
	}
	r.store.mu.Unlock()
	r.addLabels(rec)
	shrink(rec.Scores)
	for i := range rec.Scores {
		s := &rec.Scores[i]
		s.Calibrated, s.CalibratedVariance, s.VarianceParts = dataset.Float{}, dataset.Float{}, nil
	}
	owed := map[dataset.Key]bool{}
	for _, p := range plants(rec.Scores) {
		rec.CanariesOwed = append(rec.CanariesOwed, p.score.Key())
		owed[p.score.Key()] = true
	}
	rec.Canaries = sorted(r.store, r.store.canaries, func(k dataset.Key) bool { return owed[k] })
	rec.evaluate(r.judge.Identity(), rec.evaluationConfig(r.cfg.Seed, r.cfg.Thresholds.TransportMargin))
	return rec
}

// shrink draws the variances of repeated readings together.
func shrink(scores []dataset.JudgeScore) {
	var at []int
	var variances []float64
	for i, s := range scores {
		if s.Source == string(judge.SourceRepeated) && s.Mean.Valid() {
			at, variances = append(at, i), append(variances, s.Variance.OrNaN())
		}
	}
	if len(at) == 0 {
		return
	}
	for j, v := range judge.Shrink(variances, len(scores[at[0]].Readings)) {
		scores[at[j]].Variance = dataset.Known(v)
	}
}

func writeRows[T any](path string, rows []T) error {
	return dataset.WriteFile(path, func(w io.Writer) error { return dataset.WriteJSONL(w, slices.Values(rows)) })
}

func (r *run) writePrompts() error { return writeRows(r.path("prompts.jsonl"), r.cfg.Prompts) }

func (r *run) writeManifest() error {
	c := &r.cfg
	m := manifest{
		SchemaVersion: SchemaVersion, Configuration: r.identity, Oracle: r.oracle.Identity(), Seed: c.Seed, Prompts: len(c.Prompts),
		TransportMargin: c.Thresholds.TransportMargin,
		Policies:        manifestPolicies(c.Arms), Input: c.Input.Name, InputSHA: c.Input.SHA256, InputNotes: c.Input.Notes,
		PricesDate: c.Prices.Date, Served: r.served(), Versions: c.Versions,
	}
	r.store.mu.Lock()
	for _, k := range slices.Sorted(maps.Keys(r.store.certs)) {
		m.Certificates = append(m.Certificates, r.store.certs[k])
	}
	r.store.mu.Unlock()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return err
	}
	return dataset.WriteFile(r.path("manifest.json"), func(w io.Writer) error { _, err := w.Write(b.Bytes()); return err })
}

// served lists which models answered for which.
func (r *run) served() map[string]string {
	seen := map[string]map[string]bool{}
	for _, e := range r.store.ledger() {
		if e.Outcome != providers.OutcomeOK || e.Served == "" {
			continue
		}
		if seen[e.Model] == nil {
			seen[e.Model] = map[string]bool{}
		}
		seen[e.Model][e.Served] = true
	}
	out := map[string]string{}
	for asked, answered := range seen {
		out[asked] = strings.Join(slices.Sorted(maps.Keys(answered)), ", ")
	}
	return out
}

// finish writes every output, reads it back, and renders the verdict.
func (r *run) finish(stop *Stop) (*Verdict, error) {
	rec := r.records(stop)
	if err := r.writeOutputs(rec); err != nil {
		return nil, err
	}
	if err := r.writeManifest(); err != nil {
		return nil, err
	}
	rec.FileProblems = readBack(r.cfg.Dir, rec)
	state := "done"
	if stop != nil && stop.resumable() {
		state = "interrupted"
	}
	v := r.verdict(rec, state)
	r.render.Lock()
	defer r.render.Unlock()
	if r.cfg.Render != nil {
		if err := r.cfg.Render(r.cfg.Dir, v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// show renders what there is so far.
func (r *run) show(stop *Stop, state string) error {
	if r.cfg.Render == nil || !r.render.TryLock() {
		return nil
	}
	defer r.render.Unlock()
	return r.cfg.Render(r.cfg.Dir, r.verdict(r.records(stop), state))
}

func (r *run) writeOutputs(rec *Records) error {
	writes := []func() error{
		func() error { return writeRows(r.path("responses.jsonl"), rec.Responses) },
		func() error { return writeRows(r.path("logprobs.jsonl"), rec.LogProbs) },
		func() error { return writeRows(r.path("oracle.jsonl"), rec.allLabels()) },
		func() error { return writeRows(r.path("judge.jsonl"), rec.Scores) },
		func() error { return writeRows(r.path("canaries.jsonl"), rec.Canaries) },
		func() error { return writeRows(r.path("samples.jsonl"), rec.logs.Samples) },
		func() error { return writeRows(r.path("ledger.jsonl"), rec.Ledger) },
	}
	for _, a := range rec.Arms {
		if a.Role == Logging {
			continue
		}
		writes = append(writes, func() error {
			return dataset.WriteFreshDraws(r.path("fresh_draws"), a.Policy.Name, rec.logs.Draws[a.Policy.Name])
		})
	}
	if err := os.MkdirAll(r.path("fresh_draws"), 0o777); err != nil {
		return fmt.Errorf("pilot: writing outputs: %w", err)
	}
	for _, w := range writes {
		if err := w(); err != nil {
			return fmt.Errorf("pilot: writing outputs: %w", err)
		}
	}
	return nil
}

// sortLedger orders attempts by stage, record, call and attempt.
func sortLedger(entries []providers.Entry) []providers.Entry {
	stage := func(e providers.Entry) int { return slices.Index(stageNames, e.Stage) }
	return slices.SortedFunc(slices.Values(entries), func(a, b providers.Entry) int {
		return cmp.Or(cmp.Compare(stage(a), stage(b)), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Call, b.Call), cmp.Compare(a.Attempt, b.Attempt), cmp.Compare(a.ID, b.ID))
	})
}

// readBack reads the outputs as a stranger would and says what is wrong with
// them.
func readBack(dir string, rec *Records) (problems []string) {
	ids := make([]string, len(rec.Prompts))
	for i, p := range rec.Prompts {
		ids[i] = p.ID
	}
	add := func(p []string) { problems = append(problems, p...) }
	prompts, err := dataset.ReadFile[dataset.Prompt](filepath.Join(dir, "prompts.jsonl"))
	if err != nil {
		add([]string{err.Error()})
	} else {
		got := make([]string, len(prompts))
		for i, p := range prompts {
			got[i] = p.ID
		}
		add(compareKeys("prompts.jsonl", got, ids))
	}
	want := func(keys []dataset.Key) []string {
		out := make([]string, len(keys))
		for i, k := range keys {
			out[i] = k.String()
		}
		return out
	}
	all := want(responseKeys(rec.Prompts, rec.Arms))
	add(checkFile[dataset.Response](dir, "responses.jsonl", all))
	add(checkFile[dataset.LogProb](dir, "logprobs.jsonl", all))
	add(checkFile[dataset.JudgeScore](dir, "judge.jsonl", all))
	add(checkFile[dataset.OracleLabel](dir, "oracle.jsonl", want(append(slices.Clone(rec.LabelsOwed), rec.DuplicatesOwed...))))
	add(checkFile[dataset.Canary](dir, "canaries.jsonl", want(rec.CanariesOwed)))
	return problems
}

func checkFile[T keyed](dir, name string, want []string) []string {
	rows, err := dataset.ReadFile[T](filepath.Join(dir, name))
	if err != nil {
		return []string{err.Error()}
	}
	got := make([]string, len(rows))
	for i, row := range rows {
		got[i] = row.Key().String()
	}
	return compareKeys(name, got, want)
}

// compareKeys compares the keys that a file has with those it should have.
func compareKeys(name string, got, want []string) (problems []string) {
	count := map[string]int{}
	for _, k := range want {
		count[k]--
	}
	for _, k := range got {
		count[k]++
	}
	var missing, extra []string
	for k, n := range count {
		switch {
		case n < 0:
			missing = append(missing, k)
		case n > 0:
			extra = append(extra, k)
		}
	}
	slices.Sort(missing)
	slices.Sort(extra)
	if len(missing) > 0 {
		problems = append(problems, fmt.Sprintf("%s lacks %s", name, some(missing)))
	}
	if len(extra) > 0 {
		problems = append(problems, fmt.Sprintf("%s has %s twice or unasked", name, some(extra)))
	}
	return problems
}
