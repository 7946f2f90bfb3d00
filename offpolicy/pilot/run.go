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
	"github.com/reweigh/reweigh/internal/work"
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
	cfg          Config
	started      time.Time
	store        *store
	policies     *providers.Client
	grader       *providers.Client
	free         providers.MemoryLedger // the preflight's calls, before there is a folder
	forcer       *teacherforce.Forcer
	judge        judge.Scorer
	oracle       oracle.Oracle
	identity     []byte
	design       string // names the labelling design and what it is drawn from
	estimate     Estimate
	warnings     []string
	graderModels []string
	alerted      atomic.Int64 // percent of the budget last alerted of
	limited      atomic.Int64
	retries      atomic.Int64
	render       sync.Mutex
}

// RunPreflight runs the preflight alone: free calls only, nothing written.
func RunPreflight(ctx context.Context, cfg Config) (Preflight, error) {
	r, err := newRun(cfg)
	if err != nil {
		return Preflight{}, err
	}
	soft, release := r.gently(ctx)
	defer release()
	pf, err := r.preflight(soft)
	if err != nil {
		return pf, asked(soft, err)
	}
	return pf, r.checkFolder(pf.Estimate)
}

// Run runs the pilot in cfg.Dir, from where an earlier start left it, and
// returns its verdict, which is also in the folder.
//
// The error is a [*PreflightError] where the run was refused before anything
// was spent; it wraps context.Canceled, beside a verdict of state
// "interrupted", where ctx or cfg.Stop ended the run, which can then be resumed.
// A run that failed has a verdict that says so, and no error.
func Run(ctx context.Context, cfg Config) (*Verdict, error) {
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	soft, release := r.gently(ctx)
	defer release()
	pf, err := r.preflight(soft)
	if err != nil {
		return nil, asked(soft, err)
	}
	r.estimate, r.warnings = pf.Estimate, pf.Warnings
	if err := r.checkFolder(pf.Estimate); err != nil {
		return nil, err
	}
	if r.cfg.Announce != nil {
		r.cfg.Announce(pf)
	}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	defer r.store.j.Close()

	stop, err := r.stages(soft)
	if err != nil {
		return nil, err
	}
	v, err := r.finish(stop)
	if err != nil {
		return nil, err
	}
	if stop != nil && stop.Class == "interrupted" {
		return v, fmt.Errorf("pilot: interrupted in stage %s; start again to go on: %w", stop.Stage, context.Canceled)
	}
	return v, nil
}

// gently returns the context under which calls are begun: it ends with ctx, and
// when the run is asked to stop.
func (r *run) gently(ctx context.Context) (context.Context, context.CancelFunc) {
	soft, cancel := context.WithCancelCause(ctx)
	if c := r.cfg.Stop; c != nil {
		go func() {
			select {
			case <-c:
				cancel(errStopped)
			case <-soft.Done():
			}
		}()
	}
	return soft, func() { cancel(nil) }
}

// errStopped is the cause of a run that was asked to stop.
var errStopped = errors.New("asked to stop")

// asked makes the error of a preflight that was broken off one of that kind.
func asked(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("pilot: interrupted in the preflight; nothing was spent: %w", context.Canceled)
}

func newRun(cfg Config) (*run, error) {
	r := &run{cfg: cfg.withDefaults(), started: time.Now()}
	r.cfg.Prompts = slices.SortedFunc(slices.Values(r.cfg.Prompts), func(a, b dataset.Prompt) int {
		return dataset.Key{PromptID: a.ID}.Compare(dataset.Key{PromptID: b.ID})
	})
	r.design = r.designKey()
	var err error
	// Rendering needs no scorer; open replaces this forcer by one that has it.
	if r.forcer, err = teacherforce.New(teacherforce.Config{Scorer: noScorer{}, Templates: r.cfg.Templates}); err != nil {
		return nil, &PreflightError{[]Problem{{err.Error(), "give templates of your own names that are not taken", err}}}
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
	r.identity, err = r.cfg.identity(r.judge.Identity())
	return err
}

// checkFolder reports what keeps the folder from taking this run, and leaves
// it as it was.
func (r *run) checkFolder(e Estimate) error {
	if err := r.identify(&dryRun{}); err != nil {
		return err
	}
	if err := foreignFolder(r.cfg.Dir); err != nil {
		return &PreflightError{[]Problem{folderProblem(r.cfg.Dir, err)}}
	}
	err := journal.Check(r.journalPath(), r.identity)
	if err == nil {
		var problem *Problem
		if problem, err = r.checkLabels(); problem != nil {
			return &PreflightError{[]Problem{*problem}}
		}
	}
	if err != nil {
		return &PreflightError{[]Problem{folderProblem(r.cfg.Dir, err)}}
	}
	if p := checkRoom(r.cfg.Dir, e); p != nil {
		return &PreflightError{[]Problem{*p}}
	}
	return nil
}

// open takes the folder and readies the clients.
func (r *run) open(ctx context.Context) error {
	c := &r.cfg
	var err error
	if r.store, err = openStore(r.journalPath(), r.identity); err != nil {
		return &PreflightError{[]Problem{folderProblem(c.Dir, err)}}
	}
	if n := r.store.j.Repaired(); n > 0 {
		r.warnings = append(r.warnings, fmt.Sprintf("the last start was ended in the middle of a write: %s of the journal were cut off, none of which was acknowledged", plural(int(n), "byte", "bytes")))
	}
	if lost := r.outside(); lost > 0 {
		r.store.j.Close()
		return &PreflightError{[]Problem{{
			What:   fmt.Sprintf("%s holds records of %s that this run would leave out", c.Dir, plural(lost, "prompt", "prompts")),
			Remedy: "a run can be extended and not shortened: give the -n it has, or more, or another -out",
		}}}
	}
	if n := r.undrawn(); n > 0 {
		r.warnings = append(r.warnings, fmt.Sprintf("%s of the targets' own responses that were bought are left out: the design asks for %d of each; give a larger -probes to use them", plural(n, "label", "labels"), c.Labels.Probes))
	}
	var budget *providers.Budget
	if c.Budget > 0 {
		budget = providers.NewBudget(c.Budget)
		budget.Charge(r.store.spent() - r.store.owed()) // by earlier starts
	}
	for _, e := range r.free.Entries() {
		if err := r.store.entry(e); err != nil {
			return err
		}
	}
	client := func(p providers.Provider) (*providers.Client, error) {
		return providers.NewClient(steadily(p, ctx), providers.ClientConfig{
			Concurrency: c.Concurrency, Retry: c.Retry, Prices: c.Prices, Budget: budget, Ledger: r.store, OnAttempt: r.onAttempt,
		})
	}
	if r.policies, err = client(c.Policies); err != nil {
		return err
	}
	if r.grader = r.policies; !sameProvider(c.Policies, c.Grader) {
		if r.grader, err = client(c.Grader); err != nil {
			return err
		}
	}
	forcing := teacherforce.Config{Scorer: &r.store.echoes, Templates: c.Templates, Noise: teacherforce.ExactNoise}
	if c.Live {
		forcing.Noise, forcing.Tolerance = teacherforce.ServerNoise, teacherforce.ServerTolerance
	}
	r.store.echoes.scorer, r.store.echoes.generator, r.store.echoes.chat = r.policies, r.policies, r.policies
	if providers.ScoresChats(c.Policies) {
		forcing.Chat = &r.store.echoes
	}
	if r.forcer, err = teacherforce.New(forcing); err != nil {
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

// stages runs all stages, certification before anything else is bought. The stop
// is nil where all came to their end.
func (r *run) stages(ctx context.Context) (*Stop, error) {
	if err := r.writePrompts(); err != nil {
		return nil, err
	}
	if err := r.writeManifest(); err != nil {
		return nil, err
	}
	// From here on there is a report to watch.
	if err := r.show(&Stop{Stage: stageCertify, Class: "running", Message: "the run is under way", Open: stageNames[1:]}, "running"); err != nil {
		return nil, err
	}
	err := r.certify(ctx)
	var stages []*stage
	if err == nil {
		stages = r.owed()
		err = r.workAll(ctx, stages)
	}
	open := unfinished(stages)
	var stop *stopError
	switch {
	case errors.As(err, &stop):
	case err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		at := stageCertify
		if len(open) > 0 {
			at = open[0]
		} else if len(stages) > 0 {
			return nil, nil // it was through
		}
		stop = &stopError{Stop{Stage: at, Class: "interrupted", Message: "interrupted from outside"}}
	default:
		return nil, err
	}
	if stop.Open = open; len(stages) == 0 {
		stop.Open = stageNames[1:]
	}
	return &stop.Stop, nil
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
	// Side by side: the probes of one certificate are one after the other.
	var mu sync.Mutex
	stops := map[string]*stopError{}
	keys := work.Items(slices.Sorted(maps.Keys(todo))...)
	err := work.Each(ctx, keys, work.Bounds{Limit: r.cfg.Concurrency}, func(ctx context.Context, key string) error {
		cert, err := r.forcer.Certify(ctx, &r.store.echoes, todo[key].Policy)
		if ctx.Err() != nil && err != nil {
			return context.Cause(ctx)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			re := recordError(err)
			stops[key] = &stopError{Stop{Stage: stageCertify, Class: re.Class, Message: re.Message, Key: key}}
			return nil
		}
		cert.Endpoint, cert.Issued = r.cfg.Policies.Name(), time.Now().UTC()
		if err := r.store.putCertificate(key, cert); err != nil {
			return err
		}
		if cert.OK {
			state.Done++
		} else {
			state.Failed++
			stops[key] = &stopError{Stop{Stage: stageCertify, Class: "certification", Message: "the endpoint's log-probs of " + cert.Model + " failed certification", Key: key}}
		}
		state.Elapsed = time.Since(begun)
		r.progress(state)
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.store.addSeconds(stageCertify, time.Since(begun).Seconds()); err != nil {
		return err
	}
	state.Finished, state.Elapsed = true, time.Since(begun)
	r.progress(state)
	for _, key := range slices.Sorted(maps.Keys(stops)) {
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
