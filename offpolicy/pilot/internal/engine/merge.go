package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/journal"
	"github.com/reweigh/reweigh/internal/folder"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// Merged is a run that was put together of its shards.
type Merged struct {
	Job
	Records *record.Records
	Others  []json.RawMessage // the settings of the shards after the first
}

// part is the folder of a shard.
type part struct {
	dir     string
	m       manifest
	prompts []dataset.Prompt
	last    map[string]int64 // where the latest record of a name is
}

// Merge puts the records of all shards of one run into out, as the run itself would have
// written them. It can be repeated, and takes what is new then. The error is a
// [*record.MergeError] if the folders or out are refused.
func Merge(out string, dirs []string) (*Merged, error) {
	parts, err := readParts(dirs)
	if err != nil {
		return nil, &record.MergeError{Err: err}
	}
	job, err := whole(out, parts)
	if err != nil {
		return nil, &record.MergeError{Err: err}
	}
	r := &Run{job: job, program: thisProgram()}
	refused := func(err error) error { return &record.MergeError{Err: folderProblem(out, err)} }
	if err := foreignFolder(out); err != nil {
		return nil, refused(err)
	}
	if err := r.makeFolder(); err != nil {
		return nil, refused(err)
	}
	have := map[string]uint64{}
	own := map[string]bool{} // attempts that out has and no part
	seed := maphash.MakeSeed()
	err = journal.Scan(job.journalPath(), func(rec journal.Record) error {
		name := identityOf(rec)
		have[name] = maphash.Bytes(seed, rec.Payload)
		if rec.Kind == kindLedger && paid(rec) {
			own[name] = true
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, refused(err)
	}
	for i := range parts {
		if err := parts[i].scan(); err != nil {
			return nil, &record.MergeError{Err: err}
		}
		maps.DeleteFunc(own, func(name string, _ bool) bool { _, ok := parts[i].last[name]; return ok })
	}
	if r.store, err = openStore(job.journalPath(), job.Identity); err != nil {
		return nil, refused(err)
	}
	defer r.store.j.Close()
	if len(own) > 0 || r.outside() > 0 {
		return nil, &record.MergeError{Err: fmt.Errorf("%s has gone on as a run of its own: merge into another folder", out)}
	}
	first := parts[0].m
	r.graders.oracle, r.design = first.Oracle, r.designKey()
	var configuration struct {
		Judge string `json:"judge"`
	}
	if err := json.Unmarshal(first.Configuration, &configuration); err != nil {
		return nil, err
	}
	r.graders.judge = configuration.Judge
	rest := &leftover{seconds: map[string]float64{}, certs: map[string]teacherforce.Certificate{}}
	for _, p := range parts {
		if err := r.take(p, have, seed, rest); err != nil {
			return nil, err
		}
	}
	if err := r.conclude(rest); err != nil {
		return nil, err
	}
	if err := r.writePrompts(); err != nil {
		return nil, err
	}
	rec, err := r.finish(stopOf(parts))
	merged := &Merged{Job: job, Records: rec}
	for _, p := range parts[1:] {
		merged.Others = append(merged.Others, p.m.Shard.Settings)
	}
	return merged, err
}

// paid reports whether an attempt was one of the run, and not of a preflight.
func paid(rec journal.Record) bool {
	var e providers.Entry
	return json.Unmarshal(rec.Payload, &e) == nil && (e.Stage != record.StagePreflight || e.Cost > 0)
}

// scan notes where the latest records of the part are, and refuses what is of another.
func (p *part) scan() error {
	p.last = map[string]int64{}
	var foreign error
	err := journal.Scan((&Job{Dir: p.dir}).journalPath(), func(rec journal.Record) error {
		switch rec.Kind {
		case kindResponse, kindLogProb, kindLabel, kindScore, kindCanary:
			if id := record.PromptOf(rec.Key); !p.m.Shard.Has(id) {
				foreign = fmt.Errorf("%s holds a record of prompt %q, which is not of its shard", p.dir, id)
				return foreign
			}
		}
		p.last[identityOf(rec)] = rec.At
		return nil
	})
	if err != nil && foreign == nil {
		return folderProblem(p.dir, err)
	}
	return foreign
}

// readParts reads the manifests and prompts of the shards, in their order, and refuses
// what is not all of one run.
func readParts(dirs []string) ([]part, error) {
	var parts []part
	for _, dir := range dirs {
		in, err := folder.Open(dir)
		if err != nil {
			return nil, err
		}
		p := part{dir: dir}
		if p.m, err = readShard(in); err == nil {
			p.prompts, err = readFile[dataset.Prompt](in, "prompts.jsonl")
		}
		in.Close()
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return nil, errors.New("there are no folders: give those of all shards")
	}
	slices.SortFunc(parts, func(a, b part) int { return a.m.Shard.Index - b.m.Shard.Index })
	first := parts[0]
	id, err := withoutShard(first.m.Configuration)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", first.dir, err)
	}
	for i, p := range parts {
		other, err := withoutShard(p.m.Configuration)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.dir, err)
		}
		a, b := first.m.Shard, p.m.Shard
		switch {
		case !bytes.Equal(id, other) || a.Of != b.Of || a.Plan != b.Plan || first.m.Oracle != p.m.Oracle:
			return nil, fmt.Errorf("%s and %s are of different runs: give the folders of one run's shards, "+
				"started with the same prompts, policies, labels, judge, oracle and seed", first.dir, p.dir)
		case first.m.TransportMargin != p.m.TransportMargin || first.m.Noise != p.m.Noise:
			return nil, fmt.Errorf("%s and %s were started with different transport margins or noise of log-probs: start one "+
				"again with those of the other", first.dir, p.dir)
		case i > 0 && parts[i-1].m.Shard.Index == b.Index:
			return nil, fmt.Errorf("%s and %s are the same shard, %d of %d", parts[i-1].dir, p.dir, b.Index,
				b.Of)
		}
		for _, q := range p.prompts {
			if !b.Has(q.ID) {
				return nil, fmt.Errorf("%s holds prompt %q, which is not of shard %d of %d", p.dir, q.ID, b.Index,
					b.Of)
			}
		}
	}
	// Each is there once, so that few more numbers than parts are looked at.
	lacks := first.m.Shard.Of - len(parts)
	if lacks > mostNamed {
		return nil, fmt.Errorf("the folders of %d of %d shards are missing", lacks, first.m.Shard.Of)
	}
	var missing []string
	for i := range first.m.Shard.Of {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.m.Shard.Index == i }) {
			missing = append(missing, fmt.Sprint(i))
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("the folders of shards %s of %d are missing", strings.Join(missing, ", "),
			first.m.Shard.Of)
	}
	return parts, nil
}

// mostNamed bounds how many shards that are missing are named.
const mostNamed = 20

// whole is the job that the shards are parts of, as far as outputs need it.
func whole(out string, parts []part) (Job, error) {
	m := parts[0].m
	j := Job{Dir: out, Seed: m.Seed, Labels: m.Shard.Labels, Settings: m.Shard.Settings, Versions: m.Versions,
		TransportMargin: m.TransportMargin, Noise: m.Noise, Anytime: m.Anytime,
		Input:  record.Input{Name: m.Input, SHA256: m.InputSHA, Notes: m.InputNotes},
		Prices: providers.Prices{Date: m.PricesDate}}
	for _, p := range m.Policies {
		j.Arms = append(j.Arms, record.Arm{Role: p.Role, ExpectedTokens: p.ExpectedTokens, ExpectedRank: p.ExpectedRank,
			Policy: offpolicy.Policy{Name: p.Name, Model: p.Model, System: p.System, Template: p.Template,
				Sampling: offpolicy.Sampling{Temperature: p.Temperature, TopP: p.TopP, TopK: p.TopK, MaxTokens: p.MaxTokens}}})
	}
	if err := j.Arms.Validate(); err != nil {
		return j, fmt.Errorf("%s: %w", parts[0].dir, err)
	}
	for _, p := range parts {
		j.Prompts = append(j.Prompts, p.prompts...)
	}
	j.Prompts = SortPrompts(j.Prompts)
	j.Plan = j.Prompts
	if planHash(j.Plan, j.Labels) != m.Shard.Plan {
		return j, errors.New("the prompts of the folders are not those of the run: start every shard with " +
			"the same prompts")
	}
	var err error
	j.Identity, err = withoutShard(m.Configuration)
	return j, err
}

// leftover is what shards have of which the run has one.
type leftover struct {
	drawn   []oracle.Assignment
	seconds map[string]float64
	certs   map[string]teacherforce.Certificate
}

// identityOf names what a later record of the same name replaces.
func identityOf(rec journal.Record) string {
	name := rec.Kind + " " + rec.Key
	if rec.Kind != kindLabel {
		return name
	}
	var row dataset.OracleLabel
	if json.Unmarshal(rec.Payload, &row) == nil {
		name += fmt.Sprintf(" %v %s", row.Role == oracle.RoleDuplicate, row.Oracle)
	}
	return name
}

// take puts the records of a shard that out does not have into its journal, of each the
// latest.
func (r *Run) take(p part, have map[string]uint64, seed maphash.Seed, rest *leftover) error {
	design := (&Run{job: Job{Labels: p.m.Shard.Labels, Prompts: p.prompts, Arms: r.job.Arms}}).designKey()
	seconds := map[string]float64{}
	err := journal.Scan((&Job{Dir: p.dir}).journalPath(), func(rec journal.Record) error {
		name := identityOf(rec)
		if p.last[name] != rec.At {
			return nil
		}
		switch rec.Kind {
		case kindResponse, kindLogProb, kindLabel, kindScore, kindCanary, kindLedger:
		case kindDesign:
			var drawn []oracle.Assignment
			if rec.Key != design {
				return nil
			}
			if err := json.Unmarshal(rec.Payload, &drawn); err != nil {
				return err
			}
			rest.drawn = append(rest.drawn, drawn...)
			return nil
		case kindCertificate:
			var c teacherforce.Certificate
			if err := json.Unmarshal(rec.Payload, &c); err != nil {
				return err
			}
			if before, ok := rest.certs[rec.Key]; !ok || before.OK && !c.OK {
				rest.certs[rec.Key] = c // one that failed says more
			}
			return nil
		case kindStage:
			var s float64
			if err := json.Unmarshal(rec.Payload, &s); err != nil {
				return err
			}
			seconds[rec.Key] = s
			return nil
		default:
			return nil // what only the next start of the shard needs
		}
		if sum, ok := have[name]; ok && sum == maphash.Bytes(seed, rec.Payload) {
			return nil
		}
		at, err := r.store.j.AppendAtNoSync(rec.Kind, rec.Key, rec.Payload)
		if err != nil {
			return err
		}
		return r.store.load(journal.Record{Kind: rec.Kind, Key: rec.Key, Payload: rec.Payload, At: at})
	})
	for stage, s := range seconds { // shards run beside one another
		rest.seconds[stage] = max(rest.seconds[stage], s)
	}
	return err
}

// conclude puts what shards have in common into out.
func (r *Run) conclude(rest *leftover) error {
	for key, c := range rest.certs {
		if err := r.store.putCertificate(key, c); err != nil {
			return err
		}
	}
	for stage, s := range rest.seconds {
		if err := r.store.addSeconds(stage, s-r.store.seconds[stage]); err != nil {
			return err
		}
	}
	if r.job.stratified() && len(rest.drawn) > 0 {
		slices.SortStableFunc(rest.drawn, func(a, b oracle.Assignment) int { return a.Key.Compare(b.Key) })
		if _, err := r.store.putDesign(r.design, rest.drawn); err != nil {
			return err
		}
	}
	return nil
}

// stopOf says what keeps the shards from being a whole run; nil if nothing does.
func stopOf(parts []part) *record.Stop {
	var names []string
	var shards []int
	open := map[string]bool{}
	for _, p := range parts {
		if len(p.m.Shard.Open) > 0 {
			names, shards = append(names, fmt.Sprint(p.m.Shard.Index)), append(shards, p.m.Shard.Index)
		}
		for _, s := range p.m.Shard.Open {
			open[s] = true
		}
	}
	if len(names) == 0 {
		return nil
	}
	stop := &record.Stop{Kind: record.StopInterrupted, Shards: shards,
		Message: fmt.Sprintf("shards %s of %d have not come to their end", strings.Join(names, ", "), parts[0].m.Shard.Of)}
	for _, s := range record.Stages() {
		if open[s] {
			stop.Open = append(stop.Open, s)
		}
	}
	stop.Stage = stop.Open[0] // there is one: the manifests name none but these
	return stop
}
