package batch

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// What is done, as errors name it.
const (
	opRun     = "run batch"
	opUpload  = "upload batch"
	opBatch   = "create batch"
	opPoll    = "get batch"
	opList    = "list batches"
	opCancel  = "cancel batch"
	opResults = "download batch"
)

const (
	// metadataKey is the key under which a batch carries what it is found by.
	metadataKey = "reweigh_batch"
	// clockSlack is how far this machine's clock may be ahead of the server's.
	clockSlack = 48 * time.Hour
)

// run is one Run.
type run struct {
	c      *providers.Client
	config Config
	items  []*item
	byID   map[string]*item

	saving  sync.Mutex // one call of the store at a time
	mu      sync.Mutex // guards results
	results map[providers.Tag]Result
}

// item is one request.
type item struct {
	req      providers.GenerateRequest
	id       string
	endpoint string
	line     []byte
	sum      string
	price    providers.Price // of a batch
	reserve  providers.USD
	attempt  int              // submissions that ended
	last     *providers.Error // what the last of them came to
	busy     bool             // in a batch of an earlier process that is unfinished
}

// prepare encodes the requests. What is wrong with one of them is its result.
func (r *run) prepare(requests []providers.GenerateRequest) error {
	r.byID = make(map[string]*item, len(requests))
	for _, req := range requests {
		it := &item{req: req, id: providers.RequestID(req.Tag)}
		if other, ok := r.byID[it.id]; ok {
			return fmt.Errorf("two requests have the id %s: tags %+v and %+v", it.id, other.req.Tag, req.Tag)
		}
		r.byID[it.id] = it
		refuse := func(err error) {
			r.results[req.Tag] = Result{Err: r.c.Fail(it.call(), providers.ClassBadRequest, err)}
		}
		if err := req.Validate(); err != nil {
			refuse(err)
			continue
		}
		price, err := r.c.Books().Price(req.Model)
		if err != nil {
			refuse(err)
			continue
		}
		it.price = price.Batched()
		it.reserve = it.price.Worst(req.Bound())
		b := r.batcher(req.Model)
		if b == nil {
			refuse(errNoBatches)
			continue
		}
		if it.endpoint, it.line, err = b.BatchLine(req); err != nil {
			r.results[req.Tag] = Result{Err: r.c.Adopt(it.call(), err)}
			continue
		}
		if len(it.line) > r.config.MaxBytes {
			refuse(fmt.Errorf("a line of %d bytes: a batch holds %d", len(it.line), r.config.MaxBytes))
			continue
		}
		sum := sha256.Sum256(it.line)
		it.sum = hex.EncodeToString(sum[:8])
		r.items = append(r.items, it)
	}
	return nil
}

// batcher takes the batches of a model, nil if nothing does.
func (r *run) batcher(model string) providers.Batcher {
	b, ok := providers.Batches(r.c.Provider(), model)
	if !ok {
		return nil
	}
	return b
}

func (it *item) call() providers.Call {
	return providers.Call{Op: "generate", Tag: it.req.Tag, Model: it.req.Model, Endpoint: "batch"}
}

// load reads the states of this run, the last of each key.
func (r *run) load() ([]*State, error) {
	r.saving.Lock()
	all, err := r.config.Store.Load()
	r.saving.Unlock()
	if err != nil {
		return nil, r.storeFailed(err)
	}
	var states []*State
	byKey := map[string]*State{}
	for _, st := range all {
		if st.Run != r.config.Run {
			continue
		}
		if was, ok := byKey[st.Key]; ok {
			*was = st
			continue
		}
		byKey[st.Key] = &st
		states = append(states, &st)
	}
	return states, nil
}

func (r *run) save(st *State) error {
	r.saving.Lock()
	defer r.saving.Unlock()
	if err := r.config.Store.Save(*st); err != nil {
		return r.storeFailed(err)
	}
	return nil
}

func (r *run) storeFailed(err error) *providers.Error {
	e := r.c.Fail(providers.Call{Op: opRun}, providers.ClassLedger, fmt.Errorf("batch store: %w", err))
	e.Hint = "make the store usable, then resume: nothing is submitted that cannot be remembered"
	return e
}

// job is lines that go together, and the batch they are in, if any.
type job struct {
	items []*item
	state *State
}

func (r *run) run(ctx context.Context) error {
	jobs, err := r.resume(ctx)
	if err != nil {
		return err
	}
	jobs = append(jobs, r.fresh()...)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.config.InFlight)
	for _, j := range jobs {
		group.Go(func() error { return r.work(ctx, j) })
	}
	return group.Wait()
}

// resume takes in what earlier calls left: the answers of batches that are
// done, and a job for each that is not.
func (r *run) resume(ctx context.Context) ([]job, error) {
	states, err := r.load()
	if err != nil {
		return nil, err
	}
	// A later attempt has the last word.
	slices.SortStableFunc(states, func(a, b *State) int { return cmp.Compare(a.Attempt, b.Attempt) })
	var jobs []job
	for _, st := range states {
		items := make([]*item, 0, len(st.Lines))
		for _, l := range st.Lines {
			it := r.byID[l.ID]
			if it == nil || it.line == nil {
				continue
			}
			if it.sum != l.Sum || it.req.Model != st.Model { // a line has the name at its endpoint alone
				return nil, r.c.Fail(it.call(), providers.ClassBadRequest,
					fmt.Errorf("this request differs from the one submitted under its id in batch %s: give the changed run "+
						"another name (Config.Run)", st.Key))
			}
			items = append(items, it)
		}
		if len(items) == 0 {
			continue
		}
		if !st.Done {
			if len(items) < len(st.Lines) {
				return nil, r.c.Fail(providers.Call{Op: opRun, Tag: st.tag(""), Model: st.Model}, providers.ClassBadRequest,
					fmt.Errorf("the unfinished batch %s has %d lines, of which %d are not among the requests: add them, so that "+
						"its answers can be accounted for", st.Key, len(st.Lines), len(st.Lines)-len(items)))
			}
			for _, it := range items {
				it.busy = true
			}
			jobs = append(jobs, job{items, st})
			continue
		}
		outcomes, err := r.download(ctx, st)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			r.take(it, st, outcomes(it))
		}
	}
	return jobs, nil
}

// fresh makes jobs of the lines that no unfinished batch holds.
func (r *run) fresh() []job {
	type kind struct {
		endpoint, model string
		attempt         int
	}
	var (
		jobs []job
		open = map[kind]int{} // the job that takes more lines of a kind
		size = map[kind]int{}
	)
	for _, it := range r.items {
		if _, done := r.results[it.req.Tag]; done || it.busy {
			continue
		}
		k := kind{it.endpoint, it.req.Model, it.attempt}
		i, ok := open[k]
		if !ok || len(jobs[i].items) == r.config.MaxLines || size[k]+len(it.line) > r.config.MaxBytes {
			i = len(jobs)
			open[k], size[k] = i, 0
			jobs = append(jobs, job{})
		}
		jobs[i].items = append(jobs[i].items, it)
		size[k] += len(it.line)
	}
	return jobs
}

// work submits the lines of a job until each has a result.
func (r *run) work(ctx context.Context, j job) error {
	pause := r.config.PollMin
	for {
		err := r.batch(ctx, j.items, j.state)
		var e *providers.Error
		if errors.As(err, &e) && e.Class == providers.ClassBudget && errors.Is(err, providers.ErrBudget) {
			return r.halve(ctx, j.items, e)
		}
		if err != nil {
			return err
		}
		var again []*item
		for _, it := range j.items {
			if !r.has(it) {
				again = append(again, it)
			}
		}
		if len(again) == 0 {
			return nil
		}
		// Whatever kept the server from answering may need a moment.
		if err := r.wait(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, r.config.PollMax)
		j = job{items: again}
	}
}

// halve does what it can of a batch that the budget has no room for.
func (r *run) halve(ctx context.Context, items []*item, e *providers.Error) error {
	if len(items) == 1 {
		k := items[0].call()
		refused := *e
		refused.Op, refused.Provider, refused.Model, refused.Tag = k.Op, r.c.Provider().Name(), k.Model, k.Tag
		r.set(items[0], Result{Err: &refused})
		return nil
	}
	n := len(items) / 2
	if err := r.work(ctx, job{items: items[:n]}); err != nil {
		return err
	}
	return r.work(ctx, job{items: items[n:]})
}

func (r *run) set(it *item, res Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results[it.req.Tag] = res
}

func (r *run) has(it *item) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.results[it.req.Tag]
	return ok
}

// take makes an outcome the line's result, unless it is to be submitted again.
func (r *run) take(it *item, st *State, o lineOutcome) {
	it.attempt = max(it.attempt, st.Attempt)
	if o.err == nil {
		o.generation.Meta.Attempts = st.Attempt
		o.generation.Usage, _ = r.c.Books().Believed(it.req.Model, it.req.Bound(), o.generation.Usage)
		r.set(it, Result{Generation: o.generation})
		return
	}
	e := *o.err
	e.Meta.Attempts = st.Attempt
	it.last = &e
	if !e.Class.Retryable() || st.Attempt >= r.config.Attempts {
		r.set(it, Result{Err: it.last})
	}
}

// wait waits, and ends at once with ctx.
func (r *run) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		e := r.c.Fail(providers.Call{Op: opRun}, providers.ContextClass(ctx.Err()), ctx.Err())
		e.Hint = "run again with the same store and requests: what was submitted is not submitted again"
		return e
	}
}

// newState is the intent to submit items.
func (r *run) newState(items []*item) *State {
	first := items[0]
	st := &State{
		Run: r.config.Run, Attempt: first.attempt + 1, Try: 1,
		Endpoint: first.endpoint, Model: first.req.Model, Intent: time.Now().UTC(),
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%q %q %q %d\n", st.Run, st.Endpoint, st.Model, st.Attempt)
	for _, it := range items {
		st.Lines = append(st.Lines, Mark{ID: it.id, Sum: it.sum})
		fmt.Fprintf(&b, "%q %s\n", it.id, it.sum)
	}
	sum := sha256.Sum256(b.Bytes())
	st.Key = hex.EncodeToString(sum[:16])
	return st
}

// submission is what a batch's metadata say, and what it is found by.
func (st *State) submission() string { return fmt.Sprintf("%s-%d", st.Key, st.Try) }

// tag marks the calls that move a batch.
func (st *State) tag(call string) providers.Tag {
	return providers.Tag{Stage: "batch", Key: dataset.Key{PromptID: st.Key}, Call: call}
}

func (st *State) call(op, name, endpoint string) providers.Call {
	return providers.Call{Op: op, Tag: st.tag(name), Model: st.Model, Endpoint: endpoint}
}
