package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/work"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// Run is one start of a job.
type Run struct {
	// Warnings say what was found on opening the folder.
	Warnings []string

	job        Job
	store      *store
	policies   *providers.Client
	grader     *providers.Client // nil if judge and oracle ask no model
	forcer     *teacherforce.Forcer
	judge      judge.Scorer
	oracle     oracle.Oracle
	graders    struct{ judge, oracle string } // their identities
	open       []string                       // stages that have not come to their end
	failed     int                            // records without a value
	verified   *writtenOutputs                // are those of the folder
	wrote      map[string]fileDigest          // what writeStored wrote
	program    string                         // which code writes the outputs; empty if that is not known
	named      sync.Once
	armsByName map[string]offpolicy.Policy // see arms
	drawn      sync.Once
	design     string       // names the labeling design and what it is drawn from
	alerted    atomic.Int64 // percent of the budget last alerted of
	limited    atomic.Int64
	retries    atomic.Int64
}

// Open takes the folder and readies the clients. ctx breaks off calls that are on
// their way. The error is a [*Problem] if the folder cannot take the run.
func Open(ctx context.Context, c Job) (*Run, error) {
	r := &Run{job: c, program: thisProgram(), open: record.Stages()[1:]}
	r.design = r.designKey()
	var err error
	if err := r.makeFolder(); err != nil {
		return nil, folderProblem(c.Dir, err)
	}
	found := c.Found
	if found == nil {
		found, err = look(c.journalPath(), c.Identity)
	}
	if err == nil {
		r.store, err = found.take(c.Identity)
	}
	if err != nil {
		var foreign *foreignRecord
		if errors.As(err, &foreign) {
			return nil, err
		}
		return nil, folderProblem(c.Dir, err)
	}
	r.store.expect(&r.job)
	if err := errors.Join(r.settle(), r.ready(ctx)); err != nil {
		r.store.j.Close()
		return nil, err
	}
	return r, nil
}

// Close gives the folder free.
func (r *Run) Close() error { return r.store.j.Close() }

func (r *Run) ready(ctx context.Context) error {
	c := &r.job
	if n := r.store.j.Repaired(); n > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the last start was ended in the middle of a write: %s of the journal "+
			"were cut off, none of which was acknowledged", record.Plural(int(n), "byte", "bytes")))
	}
	if lost := r.outside(); lost > 0 {
		return &record.Problem{
			What: fmt.Sprintf("%s holds records of %s that this run would leave out", c.Dir,
				record.Plural(lost, "prompt", "prompts")),
			Remedy: record.Do("a run can be extended and not shortened: give as many prompts as it has, or more, or another "+
				"folder", record.FieldPrompts, record.FieldDir),
			Err: record.ErrShortened,
		}
	}
	var budget *providers.Budget
	if c.Budget > 0 {
		budget = providers.NewBudget(c.Budget)
		budget.Charge(r.store.spent() - r.store.owed()) // by earlier starts
	}
	for _, e := range c.Free {
		if err := r.store.entry(e); err != nil {
			return err
		}
	}
	client := func(p providers.Provider) (*providers.Client, error) {
		return providers.NewClient(steady{p, ctx}, providers.ClientConfig{
			Concurrency: c.Concurrency, Retry: c.Retry, Prices: c.Prices, Budget: budget, Ledger: r.store,
			OnAttempt: r.onAttempt, Among: c.Shard.Of,
		})
	}
	var err error
	if r.policies, err = client(c.Policies); err != nil {
		return err
	}
	var generator judge.Generator = noGrader{}
	switch {
	case c.Grader == nil:
	case SameProvider(c.Policies, c.Grader):
		r.grader, generator = r.policies, r.policies
	default:
		if r.grader, err = client(c.Grader); err != nil {
			return err
		}
		generator = r.grader
	}
	forcing := teacherforce.Config{Scorer: &r.store.echoes, Templates: c.Templates,
		Repeatability: teacherforce.ExactRepeatability,
		Vocabularies:  c.Arms.Vocabularies()}
	if c.Live {
		forcing.Repeatability, forcing.Tolerance = teacherforce.ServerRepeatability, teacherforce.ServerTolerance
	}
	if stated, _ := c.Noise.Get(); stated > 0 { // one scoring's; two lie further apart
		forcing.Repeatability, forcing.Tolerance = max(forcing.Repeatability, 2*stated), teacherforce.ServerTolerance
	}
	r.store.echoes.scorer, r.store.echoes.generator, r.store.echoes.chat = r.policies, r.policies, r.policies
	r.store.echoes.renderer = r.policies
	if providers.ScoresChats(c.Policies) {
		forcing.Chat = &r.store.echoes
	}
	if r.forcer, err = teacherforce.New(forcing); err != nil {
		return err
	}
	if r.judge, err = c.Judge(generator); err != nil {
		return err
	}
	if r.oracle, err = c.Oracle(generator); err != nil {
		return err
	}
	r.graders.judge, r.graders.oracle = r.judge.Identity(), r.oracle.Identity()
	if n := r.undrawn(); n > 0 {
		asks := fmt.Sprintf("design asks for %d of each; ask for more of each to use them", c.Labels.Probes)
		if c.LabelsBudget > 0 {
			asks = fmt.Sprintf("budget of %d labels goes to others; ask for more to use them", c.LabelsBudget)
		}
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s of the targets' own responses that were bought are left out: the %s",
			record.Plural(n, "label", "labels"), asks))
	}
	return nil
}

// noGrader is the generator of a judge and an oracle that ask no model.
type noGrader struct{}

func (noGrader) Generate(context.Context, providers.GenerateRequest) (providers.Generation, error) {
	return providers.Generation{},
		fmt.Errorf("pilot: a grader asks a model, and the run has no service for it: %w", errors.ErrUnsupported)
}

func (r *Run) onAttempt(e providers.Entry) {
	if e.Outcome == string(providers.ClassRateLimited) {
		r.limited.Add(1)
	}
	if e.Attempt > 1 {
		r.retries.Add(1)
	}
}

// Do works until nothing is owed or something stops it, writes the outputs, and
// returns what there is then.
func (r *Run) Do(ctx context.Context) (*record.Records, error) {
	stop, err := r.stages(ctx)
	if err != nil {
		return nil, err
	}
	return r.finish(stop)
}

// stages runs all stages, certification before anything else is bought. The stop
// is nil where all came to their end.
func (r *Run) stages(ctx context.Context) (*record.Stop, error) {
	if err := r.writePrompts(); err != nil {
		return nil, err
	}
	if err := r.writeManifest(); err != nil {
		return nil, err
	}
	// From here on there is a report to watch.
	if err := r.show(&record.Stop{Stage: record.StageCertify, Kind: record.StopRunning, Message: "the run is under way",
		Open: record.Stages()[1:]}); err != nil {
		return nil, err
	}
	err := r.certify(ctx)
	var stages []*stage
	for more := err == nil; more; {
		again := len(stages) > 0
		if stages = r.owed(); again { // what failed in other stages is for another start
			stages = slices.DeleteFunc(stages, func(s *stage) bool { return s.name != record.StageOracle })
			stages[0].after = nil
		}
		if err = r.workAll(ctx, stages); err != nil {
			break
		}
		if more, err = r.moreLabels(); err != nil {
			return nil, err
		}
	}
	if err == nil {
		err = r.renderedAlike(ctx)
	}
	open := unfinished(stages)
	var stop *stopError
	switch {
	case errors.As(err, &stop):
	case err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		at := record.StageCertify
		if len(open) > 0 {
			at = open[0]
		} else if len(stages) > 0 {
			return nil, nil // it was through
		}
		stop = &stopError{record.Stop{Stage: at, Kind: record.StopInterrupted, Message: "interrupted from outside"}}
	default:
		return nil, err
	}
	if stop.Open = open; len(stages) == 0 {
		stop.Open = record.Stages()[1:]
	}
	return &stop.Stop, nil
}

// stopError ends the run early.
type stopError struct{ record.Stop }

func (e *stopError) Error() string { return "stopped in stage " + e.Stage + ": " + e.Message }

// certify probes every model and template that the run scores with.
func (r *Run) certify(ctx context.Context) error {
	begun := time.Now()
	todo := map[string]record.Arm{}
	policies := map[string][]offpolicy.Policy{} // by certificate: all that sample in their own way
	for _, a := range r.job.Arms {
		// The first that needs it, P0 mostly; one that samples from the model's own
		// distribution can be asked more.
		key := record.CertificateKey(a.Policy)
		if first, ok := todo[key]; !ok || !first.Policy.Sampling.Neutral() && a.Policy.Sampling.Neutral() {
			todo[key] = a
		}
		policies[key] = append(policies[key], a.Policy)
	}
	state := record.Event{Stage: record.StageCertify, Total: len(todo)}
	for key := range todo {
		if c, ok := r.store.certs[key]; ok && c.OK {
			state.Done++
			delete(todo, key)
		}
	}
	first := state
	first.Begun = true
	r.progress(first)
	// Side by side: the probes of one certificate are one after the other.
	var mu sync.Mutex
	stops := map[string]*stopError{}
	err := work.Each(ctx, work.Items(slices.Sorted(maps.Keys(todo))...), work.Bounds{Limit: r.job.Concurrency},
		func(ctx context.Context, key string) error {
			cert, err := r.forcer.Certify(ctx, &r.store.echoes, todo[key].Policy, policies[key]...)
			if ctx.Err() != nil && err != nil {
				return context.Cause(ctx)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				re := recordError(err)
				stops[key] = &stopError{record.Stop{Stage: record.StageCertify, Class: re.Class, Message: re.Message, Key: key}}
				return nil
			}
			cert.Endpoint, cert.Issued = steady{Provider: r.job.Policies}.NameOf(cert.Model), time.Now().UTC()
			if err := r.store.putCertificate(key, cert); err != nil {
				return err
			}
			if cert.OK {
				state.Done++
			} else {
				state.Failed++
				stops[key] = &stopError{record.Stop{Stage: record.StageCertify, Kind: record.StopUncertified,
					Message: "the endpoint's log-probs of " + cert.Model + " failed certification", Key: key}}
			}
			state.Elapsed = time.Since(begun)
			r.progress(state)
			return nil
		})
	if err != nil {
		return err
	}
	if err := r.store.addSeconds(record.StageCertify, time.Since(begun).Seconds()); err != nil {
		return err
	}
	state.Finished, state.Elapsed = true, time.Since(begun)
	r.progress(state)
	for _, key := range slices.Sorted(maps.Keys(stops)) {
		if r.job.Uncertified && stops[key].Kind == record.StopUncertified {
			continue
		}
		return stops[key] // the first by name, whichever came first
	}
	return r.writeManifest()
}

// draw is the seed of one item's own random stream: it depends on the run's
// seed and the item's key, and on nothing that happened before it.
func draw(seed uint64, key dataset.Key) int64 {
	h := sha256.Sum256(append(binary.BigEndian.AppendUint64(nil, seed), key.String()...))
	return int64(binary.BigEndian.Uint32(h[:4]) >> 1) // providers take 31 bits
}
