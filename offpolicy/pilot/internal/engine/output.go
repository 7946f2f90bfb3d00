package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"path/filepath"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/folder"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

func (j *Job) path(parts ...string) string {
	return filepath.Join(append([]string{j.Dir}, parts...)...)
}

func (j *Job) journalPath() string { return j.path(journalDir) }

// records collects what the store holds of this run's prompts, and evaluates it. joined reports
// whether it could be joined.
func (r *Run) records(stop *record.Stop) (rec *record.Records, joined bool) {
	responses := sorted(r.store, &r.store.responses, r.here())
	logprobs := sorted(r.store, &r.store.logprobs, r.here())
	scores := sorted(r.store, &r.store.scores, r.here())
	rec = &record.Records{
		Arms: r.job.Arms,
		Prompts: record.RowsOf(r.job.Prompts, func(p dataset.Prompt) dataset.Key { return dataset.Key{PromptID: p.ID} },
			func(p dataset.Prompt) dataset.Prompt { return r.prompt(p.ID) }).
			InBrief(func(i int) dataset.Prompt { return r.job.Prompts[i] }),
		Responses: heldRows(responses, (*response).number,
			func(h *response) record.Response { return h.row(responses.keys) }).
			InBrief(func(i int) record.Response { return responses.at(i).brief(responses.keys) }),
		LogProbs: heldRows(logprobs, (*logProb).number,
			func(h *logProb) dataset.LogProb { return h.row(logprobs.keys) }).
			InBrief(func(i int) dataset.LogProb { return logprobs.at(i).brief(logprobs.keys) }),
		Ledger:   r.store.entries(),
		Stop:     stop,
		Judge:    r.graders.judge,
		Oracle:   r.graders.oracle,
		ReadText: r.readText,
		Live:     r.job.Live, Noise: r.job.Noise, Anytime: r.job.Anytime,
		Concurrency: r.job.Concurrency, StageSeconds: map[string]float64{},
	}
	r.store.mu.Lock()
	maps.Copy(rec.StageSeconds, r.store.seconds)
	for _, k := range slices.Sorted(maps.Keys(r.store.certs)) {
		rec.Certificates = append(rec.Certificates, r.store.certs[k])
	}
	r.store.mu.Unlock()
	r.addLabels(rec)
	rec.Scores = scoreRows(scores, shrink(scores))
	owed := map[dataset.Key]bool{}
	for _, p := range r.plants(rec.Scores.Values()) {
		rec.CanariesOwed = append(rec.CanariesOwed, p.Score.Key())
		owed[p.Score.Key()] = true
	}
	var canaries []dataset.Canary
	r.store.mu.Lock()
	for _, k := range slices.SortedFunc(maps.Keys(r.store.canaries), dataset.Key.Compare) {
		if owed[k] {
			canaries = append(canaries, r.store.canaries[k])
		}
	}
	r.store.mu.Unlock()
	rec.Canaries = record.NewRows(canaries, dataset.Canary.Key)
	return rec, rec.Evaluate(rec.Judge, rec.EvaluationConfig(r.job.Seed, r.job.TransportMargin))
}

// here reports whether a record is of this run's prompts. It is quick for whoever asks in the
// order of the keys.
func (r *Run) here() func(dataset.Key) bool {
	at := 0 // the prompt found last
	return func(k dataset.Key) bool {
		for i := at; i < min(at+2, len(r.job.Prompts)); i++ {
			if r.job.Prompts[i].ID == k.PromptID {
				at = i
				return true
			}
		}
		i, ok := r.job.place(k.PromptID)
		if ok {
			at = i
		}
		return ok
	}
}

func writeRows[T any](path string, rows iter.Seq[T]) error {
	return dataset.WriteFile(path, func(w io.Writer) error { return dataset.WriteJSONL(w, rows) })
}

func (r *Run) writePrompts() error {
	return writeRows(r.job.path("prompts.jsonl"), r.job.prompts)
}

func (r *Run) writeManifest() error {
	c := &r.job
	m := manifest{
		SchemaVersion: record.SchemaVersion, Configuration: c.Identity, Oracle: r.graders.oracle, Seed: c.Seed,
		Prompts:         len(c.Prompts),
		TransportMargin: c.TransportMargin, Noise: c.Noise, Anytime: c.Anytime,
		Policies: manifestPolicies(c.Arms), Input: c.Input.Name, InputSHA: c.Input.SHA256, InputNotes: c.Input.Notes,
		PricesDate: c.Prices.Date, Served: record.Served(r.store.entries()),
		Versions: c.Versions,
	}
	if !c.Shard.Whole() {
		m.Shard = &manifestShard{Shard: c.Shard, Plan: planHash(c.Plan, c.Labels), Labels: c.Labels, Open: r.open,
			Failed: r.failed, Spent: dataset.Known(float64(r.store.spent())), Shares: c.Shares, Settings: c.Settings}
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
	return dataset.WriteFile(r.job.path("manifest.json"),
		func(w io.Writer) error { _, err := w.Write(b.Bytes()); return err })
}

// finish writes every output and reads it back.
func (r *Run) finish(stop *record.Stop) (*record.Records, error) {
	rec, joined := r.records(stop)
	same := r.unchanged()
	if err := r.writeOutputs(rec, joined, same); err != nil {
		return nil, err
	}
	classes, _ := record.Failures(rec)
	r.open, r.failed = []string{}, 0
	for class, n := range classes {
		if !record.Unavoidable(class) { // which the next start does not ask for
			r.failed += n
		}
	}
	if stop != nil {
		r.open = stop.Open
	}
	if err := r.writeManifest(); err != nil {
		return nil, err
	}
	if err := r.settle(); err != nil {
		return nil, err
	}
	var err error
	if same {
		err = r.renewWritten()
	} else if rec.FileProblems, err = r.readBack(rec); err == nil && stop == nil && len(rec.FileProblems) == 0 {
		err = r.keepWritten()
	}
	if err == nil {
		_ = r.store.keepIndex() // without it the next start takes longer, and does the same
	}
	return rec, err
}

// show shows what there is so far.
func (r *Run) show(stop *record.Stop) error {
	if r.job.Show == nil || r.unchanged() { // there is a report of all that there is
		return nil
	}
	rec, _ := r.records(stop)
	return errors.Join(r.job.Show(rec), r.settle())
}

// writeOutputs writes the outputs, but those that follow from the records alone if they are
// the same as before.
func (r *Run) writeOutputs(rec *record.Records, joined, same bool) error {
	if same {
		if err := r.addToLedger(); err != nil {
			return fmt.Errorf("pilot: writing outputs: %w", err)
		}
		return nil
	}
	writes := []func() error{
		func() error {
			return writeStored(r, "responses.jsonl", stored(r, &r.store.responses, func(h *response) int64 { return h.at }))
		},
		func() error {
			return writeStored(r, "logprobs.jsonl", stored(r, &r.store.logprobs, func(h *logProb) int64 { return h.at }))
		},
		func() error { return writeRows(r.job.path("oracle.jsonl"), rec.AllLabels()) },
		func() error { return writeRows(r.job.path("judge.jsonl"), rec.Scores.Values()) },
		func() error { return writeRows(r.job.path("canaries.jsonl"), rec.Canaries.Values()) },
		func() error { return r.writeSamples(rec, joined) },
		r.writeLedger,
	}
	for _, a := range rec.Arms {
		if a.Role == record.Logging {
			continue
		}
		writes = append(writes, func() error {
			return r.writeDraws(rec, joined, a.Policy.Name)
		})
	}
	draws, err := folder.MakeIn(r.job.path(drawsDir)) // also if no policy has draws
	if err != nil {
		return fmt.Errorf("pilot: writing outputs: %w", err)
	}
	draws.Close()
	for _, w := range writes {
		if err := w(); err != nil {
			return fmt.Errorf("pilot: writing outputs: %w", err)
		}
	}
	return nil
}

// readBack reads the outputs as a stranger would and says what is wrong with
// them.
func (r *Run) readBack(rec *record.Records) (problems []string, err error) {
	dir, err := folder.Open(r.job.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	add := func(p []string) { problems = append(problems, p...) }
	prompts := r.job.Prompts
	add(checkFile(dir, "prompts.jsonl", func(p dataset.Prompt) string { return p.ID },
		listed{len(prompts), func(i int) string { return prompts[i].ID }}))
	var names []string
	for _, a := range r.job.Arms {
		names = append(names, a.Policy.Name)
	}
	slices.Sort(names)
	all := listed{len(prompts) * len(names), func(i int) string { // in the order of the keys
		k := dataset.Key{PromptID: prompts[i/len(names)].ID, Policy: names[i%len(names)]}
		return k.String()
	}}
	add(r.checkStored("responses.jsonl", rec.Responses.Len(), rec.Responses.Key, all))
	add(r.checkStored("logprobs.jsonl", rec.LogProbs.Len(), rec.LogProbs.Key, all))
	add(checkFile(dir, "judge.jsonl", keyText[dataset.JudgeScore], all))
	add(checkFile(dir, "oracle.jsonl", keyText[dataset.OracleLabel],
		listed{len(rec.Design), func(i int) string { return rec.Design[i].Key.String() }}))
	add(checkFile(dir, "canaries.jsonl", keyText[dataset.Canary],
		listed{len(rec.CanariesOwed), func(i int) string { return rec.CanariesOwed[i].String() }}))
	return problems, nil
}

// checkStored reads a file of records that were copied from the journal, whose checksums cover
// them: it is to be what was written, and its n records those that it should have.
func (r *Run) checkStored(name string, n int, key func(int) dataset.Key, want listed) []string {
	d, err := digestOf(r.job.path(name))
	if err != nil {
		return []string{err.Error()}
	}
	if d != r.wrote[name] {
		return []string{name + " is not what was written"}
	}
	c := comparison{want: want}
	for i := range n {
		k := key(i)
		c.add(k.String())
	}
	return c.end(name)
}

func keyText[T keyed](row T) string { return row.Key().String() }

// listed are the keys that a file should have.
type listed struct {
	n  int
	at func(int) string
}

// checkFile reads a file a row at a time, and compares its keys with those that it should have.
func checkFile[T any](dir *folder.Folder, name string, key func(T) string, want listed) []string {
	c := comparison{want: want}
	for row, err := range rowsOf[T](dir, name) {
		if err != nil {
			return []string{err.Error()}
		}
		c.add(key(row))
	}
	return c.end(name)
}

// comparison is of the keys that a file has with those that it should have. As long as they are
// the same one by one, as they mostly are, it keeps none.
type comparison struct {
	want  listed
	n     int            // of want that were there
	count map[string]int // of the others: how much more often they are there than they should
}

func (c *comparison) add(k string) {
	switch {
	case c.count == nil && c.n < c.want.n && c.want.at(c.n) == k:
		c.n++
		return
	case c.count == nil:
		c.count = map[string]int{}
	}
	c.count[k]++
}

// end says which keys a file has more or less often than it should.
func (c *comparison) end(name string) (problems []string) {
	count := c.count
	if count == nil {
		count = map[string]int{}
	}
	for i := c.n; i < c.want.n; i++ {
		count[c.want.at(i)]--
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
		problems = append(problems, fmt.Sprintf("%s lacks %s", name, record.Some(missing)))
	}
	if len(extra) > 0 {
		problems = append(problems, fmt.Sprintf("%s has %s twice or unasked", name, record.Some(extra)))
	}
	return problems
}
