package pilot

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
	"github.com/reweigh/reweigh/dataset/journal"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// journalDir is the private part of a run folder.
const journalDir = "journal"

// run is one start of a pilot.
type run struct {
	cfg      Config
	started  time.Time
	store    *store
	policies *providers.Client
	grader   *providers.Client
	free     providers.MemoryLedger // the preflight's calls, before there is a folder
	forcer   *teacherforce.Forcer
	judge    judge.Scorer
	oracle   oracle.Oracle
	identity []byte
	estimate Estimate
	warnings []string
	alerted  atomic.Int64 // percent of the budget last alerted of
	limited  atomic.Int64
	retries  atomic.Int64
	render   sync.Mutex
}

// RunPreflight runs the preflight alone: free calls only, nothing written.
func RunPreflight(ctx context.Context, cfg Config) (Preflight, error) {
	r, err := newRun(cfg)
	if err != nil {
		return Preflight{}, err
	}
	pf, err := r.preflight(ctx)
	if err != nil {
		return pf, err
	}
	return pf, r.checkFolder()
}

// Run runs the pilot in cfg.Dir, from where an earlier start left it, and
// returns its verdict, which is also in the folder.
//
// The error is a [*PreflightError] where the run was refused before anything
// was spent; it wraps context.Canceled, beside a verdict of state
// "interrupted", where ctx ended the run, which can then be resumed. A run that
// failed has a verdict that says so, and no error.
func Run(ctx context.Context, cfg Config) (*Verdict, error) {
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	pf, err := r.preflight(ctx)
	if err != nil {
		return nil, err
	}
	r.estimate, r.warnings = pf.Estimate, pf.Warnings
	if err := r.checkFolder(); err != nil {
		return nil, err
	}
	if r.cfg.Announce != nil {
		r.cfg.Announce(pf)
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	defer r.store.j.Close()

	stop, err := r.stages(ctx)
	if err != nil {
		return nil, err
	}
	v, err := r.finish(stop)
	if err != nil {
		return nil, err
	}
	if stop != nil && stop.Class == "interrupted" {
		return v, fmt.Errorf("pilot: interrupted in stage %s; start again to go on: %w", stop.Stage, context.Cause(ctx))
	}
	return v, nil
}

func newRun(cfg Config) (*run, error) {
	r := &run{cfg: cfg.withDefaults(), started: time.Now()}
	r.cfg.Prompts = slices.SortedFunc(slices.Values(r.cfg.Prompts), func(a, b dataset.Prompt) int {
		return dataset.Key{PromptID: a.ID}.Compare(dataset.Key{PromptID: b.ID})
	})
	var err error
	// Rendering needs no scorer; open replaces this forcer by one that has it.
	if r.forcer, err = teacherforce.New(teacherforce.Config{Scorer: noScorer{}}); err != nil {
		return nil, err
	}
	return r, nil
}

type noScorer struct{}

func (noScorer) ScorePrompt(context.Context, providers.ScoreRequest) (providers.PromptScore, error) {
	return providers.PromptScore{}, errors.ErrUnsupported
}

// graders builds judge and oracle around a generator.
func (r *run) graders(g judge.Generator) (judge.Scorer, oracle.Oracle, error) {
	j, err := r.cfg.Judge(g)
	if err != nil {
		return nil, nil, err
	}
	o, err := r.cfg.Oracle(g)
	return j, o, err
}

// identify sets the run's identity, which needs the graders' own.
func (r *run) identify(g judge.Generator) error {
	var err error
	if r.judge, r.oracle, err = r.graders(g); err != nil {
		return err
	}
	r.identity, err = r.cfg.identity(r.judge.Identity(), r.oracle.Identity())
	return err
}

// checkFolder reports what keeps the folder from taking this run, and leaves
// it as it was.
func (r *run) checkFolder() error {
	if err := r.identify(&dryRun{}); err != nil {
		return err
	}
	if err := foreignFolder(r.cfg.Dir); err != nil {
		return &PreflightError{[]Problem{folderProblem(r.cfg.Dir, err)}}
	}
	if err := journal.Check(r.journalPath(), r.identity); err != nil {
		return &PreflightError{[]Problem{folderProblem(r.cfg.Dir, err)}}
	}
	return nil
}

// open takes the folder and readies the clients.
func (r *run) open() error {
	c := &r.cfg
	var err error
	if r.store, err = openStore(r.journalPath(), r.identity); err != nil {
		return &PreflightError{[]Problem{folderProblem(c.Dir, err)}}
	}
	if lost := r.outside(); lost > 0 {
		r.store.j.Close()
		return &PreflightError{[]Problem{{
			What:   fmt.Sprintf("%s holds records of %s that this run would leave out", c.Dir, plural(lost, "prompt", "prompts")),
			Remedy: "a run can be extended and not shortened: give the -n it has, or more, or another -out",
		}}}
	}
	var budget *providers.Budget
	if c.Budget > 0 {
		budget = providers.NewBudget(c.Budget)
		budget.Charge(r.store.spent()) // by earlier starts
	}
	for _, e := range r.free.Entries() {
		if err := r.store.entry(e); err != nil {
			return err
		}
	}
	client := func(p providers.Provider) (*providers.Client, error) {
		return providers.NewClient(p, providers.ClientConfig{
			Concurrency: c.Concurrency, Retry: c.Retry, Prices: c.Prices, Budget: budget, Ledger: r.store, OnAttempt: r.onAttempt,
		})
	}
	if r.policies, err = client(c.Policies); err != nil {
		return err
	}
	if r.grader, err = client(c.Grader); err != nil {
		return err
	}
	noise := teacherforce.ExactNoise
	if c.Live {
		noise = teacherforce.ServerNoise
	}
	r.store.echoes.scorer = r.policies
	if r.forcer, err = teacherforce.New(teacherforce.Config{Scorer: &r.store.echoes, Noise: noise}); err != nil {
		return err
	}
	r.judge, r.oracle, err = r.graders(r.grader)
	return err
}

// outside counts the prompts that have records and are not part of this run.
func (r *run) outside() int {
	here := map[string]bool{}
	for _, p := range r.cfg.Prompts {
		here[p.ID] = true
	}
	others := map[string]bool{}
	for k := range r.store.responses {
		if !here[k.PromptID] {
			others[k.PromptID] = true
		}
	}
	return len(others)
}

func (r *run) onAttempt(e providers.Entry) {
	if e.Outcome == string(providers.ClassRateLimited) {
		r.limited.Add(1)
	}
	if e.Attempt > 1 {
		r.retries.Add(1)
	}
}

// stages runs all stages in order. The stop is nil where all came to their end.
func (r *run) stages(ctx context.Context) (*Stop, error) {
	if err := r.writePrompts(); err != nil {
		return nil, err
	}
	if err := r.writeManifest(); err != nil {
		return nil, err
	}
	for _, s := range []func(context.Context) error{r.certify, r.respondP0, r.respondTargets, r.scoreLogProbs, r.label, r.grade, r.plant} {
		err := s(ctx)
		var stop *stopError
		switch {
		case errors.As(err, &stop):
			return &stop.Stop, nil
		case err != nil:
			return nil, err
		}
	}
	return nil, nil
}

// stopError ends the run early.
type stopError struct{ Stop }

func (e *stopError) Error() string { return "stopped in stage " + e.Stage + ": " + e.Message }

// certificateKey names what one certificate covers.
func certificateKey(p offpolicy.Policy) string { return p.Model + " " + p.Template }

// certify probes every model and template that the run scores with.
func (r *run) certify(ctx context.Context) error {
	begun := time.Now()
	todo := map[string]Arm{}
	for _, a := range r.cfg.Arms {
		if _, ok := todo[certificateKey(a.Policy)]; !ok {
			todo[certificateKey(a.Policy)] = a // the first that needs it, P0 mostly
		}
	}
	state := Event{Stage: stageCertify, Total: len(todo)}
	for key := range todo {
		if c, ok := r.store.certs[key]; ok && c.OK {
			state.Done++
			delete(todo, key)
		}
	}
	first := state
	first.Begun = true
	r.progress(first)
	var failed *stopError
	for _, key := range slices.Sorted(maps.Keys(todo)) {
		cert, err := r.forcer.Certify(ctx, r.policies, todo[key].Policy)
		if ctx.Err() != nil {
			return r.interrupted(stageCertify)
		}
		if err != nil {
			re := recordError(err)
			return &stopError{Stop{Stage: stageCertify, Class: re.Class, Message: re.Message, Key: key}}
		}
		if err := r.store.putCertificate(key, cert); err != nil {
			return err
		}
		if cert.OK {
			state.Done++
		} else {
			state.Failed++
			if failed == nil {
				failed = &stopError{Stop{Stage: stageCertify, Class: "certification", Message: "the endpoint's log-probs of " + cert.Model + " failed certification", Key: key}}
			}
		}
		state.Elapsed = time.Since(begun)
		r.progress(state)
	}
	if err := r.store.addSeconds(stageCertify, time.Since(begun).Seconds()); err != nil {
		return err
	}
	state.Finished, state.Elapsed = true, time.Since(begun)
	r.progress(state)
	if failed != nil {
		return failed
	}
	return r.writeManifest()
}

// item is one record that a stage owes.
type item struct {
	key  dataset.Key
	done bool // has a value already
	// do makes and keeps the record. It returns the error that the record
	// holds, if it holds one, and separately what keeps the run from going on.
	do func(context.Context) (*dataset.RecordError, error)
}

// tooManyInARow is how many items in a row may fail for a reason that a retry
// could have cured, before the run stops rather than pay for more of it.
const tooManyInARow = 20

// runStage brings every item of a stage to a record.
func (r *run) runStage(ctx context.Context, name string, items []item) error {
	begun := time.Now()
	todo := make([]item, 0, len(items))
	for _, it := range items {
		if !it.done {
			todo = append(todo, it)
		}
	}
	var mu sync.Mutex
	state := Event{Stage: name, Done: len(items) - len(todo), Total: len(items)}
	first := state
	first.Begun = true
	r.progress(first)
	quit := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Add(1)
	go func() {
		defer ticking.Done()
		r.renderAsItGoes(quit, name)
	}()

	inARow := 0
	err := journal.Each(ctx, todo, r.cfg.Concurrency, func(ctx context.Context, it item) error {
		failed, err := it.do(ctx)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if failed == nil {
			state.Done++
			inARow = 0
		} else {
			state.Failed++
			state.LastError = failed.Message
			if providers.Class(failed.Class).Retryable() {
				inARow++
			}
		}
		state.Elapsed = time.Since(begun)
		r.progress(state)
		if inARow >= tooManyInARow {
			return &stopError{Stop{Stage: name, Class: failed.Class, Key: it.key.String(),
				Message: fmt.Sprintf("%d items in a row failed, the last: %s", inARow, failed.Message)}}
		}
		return nil
	})
	close(quit)
	ticking.Wait()
	if err2 := r.store.addSeconds(name, time.Since(begun).Seconds()); err == nil {
		err = err2
	}
	state.Finished, state.Elapsed = true, time.Since(begun)
	r.progress(state)
	if err != nil && ctx.Err() != nil {
		return r.interrupted(name)
	}
	return err
}

func (r *run) interrupted(stage string) error {
	return &stopError{Stop{Stage: stage, Class: "interrupted", Message: "interrupted from outside"}}
}

// draw is the seed of one item's own random stream: it depends on the run's
// seed and the item's key, and on nothing that happened before it.
func draw(seed uint64, key dataset.Key) int64 {
	h := sha256.Sum256(append(binary.BigEndian.AppendUint64(nil, seed), key.String()...))
	return int64(binary.BigEndian.Uint32(h[:4]) >> 1) // providers take 31 bits
}
