package providers

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
)

const (
	opRun = "run batch"
	// batchMetadata is the key under which a batch carries what it is found by.
	batchMetadata = "reweigh_batch"
	// clockSlack is how far this machine's clock may be ahead of the server's.
	clockSlack = 48 * time.Hour
)

// batchRun is one RunBatch.
type batchRun struct {
	c      *Client
	b      Batcher
	config BatchConfig
	items  []*batchItem
	byID   map[string]*batchItem

	saving  sync.Mutex // one call of the store at a time
	mu      sync.Mutex // guards results
	results map[Tag]BatchResult
}

// batchItem is one request.
type batchItem struct {
	req      GenerateRequest
	id       string
	endpoint string
	line     []byte
	sum      string
	price    Price // of a batch
	reserve  USD
	attempt  int    // submissions that ended
	last     *Error // what the last of them came to
	busy     bool   // in a batch of an earlier process that is unfinished
}

// prepare encodes the requests. What is wrong with one of them is its result.
func (r *batchRun) prepare(requests []GenerateRequest) error {
	r.byID = make(map[string]*batchItem, len(requests))
	for _, req := range requests {
		it := &batchItem{req: req, id: RequestID(req.Tag)}
		if other, ok := r.byID[it.id]; ok {
			return fmt.Errorf("two requests have the id %s: tags %+v and %+v", it.id, other.req.Tag, req.Tag)
		}
		r.byID[it.id] = it
		refuse := func(err error) {
			r.results[req.Tag] = BatchResult{Err: r.c.fail(it.call(), ClassBadRequest, err)}
		}
		if err := req.Validate(); err != nil {
			refuse(err)
			continue
		}
		price, err := r.c.config.Prices.For(req.Model)
		if err != nil {
			refuse(err)
			continue
		}
		it.price = price.times(cmp.Or(price.Batch, DefaultBatchFactor))
		it.reserve = it.price.worst(req.Bound())
		if it.endpoint, it.line, err = r.b.BatchLine(req); err != nil {
			r.results[req.Tag] = BatchResult{Err: r.c.adopt(it.call(), err)}
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

// times is p for a discounted service.
func (p Price) times(factor float64) Price {
	p.Input *= PerMTok(factor)
	p.CachedInput *= PerMTok(factor)
	p.Output *= PerMTok(factor)
	return p
}

func (it *batchItem) call() call {
	return call{op: opGenerate, tag: it.req.Tag, model: it.req.Model, endpoint: "batch", price: it.price, reserve: it.reserve}
}

// load reads the states of this run, the last of each key.
func (r *batchRun) load() ([]*BatchState, error) {
	r.saving.Lock()
	all, err := r.config.Store.Load()
	r.saving.Unlock()
	if err != nil {
		return nil, r.storeFailed(err)
	}
	var states []*BatchState
	byKey := map[string]*BatchState{}
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

func (r *batchRun) save(st *BatchState) error {
	r.saving.Lock()
	defer r.saving.Unlock()
	if err := r.config.Store.Save(*st); err != nil {
		return r.storeFailed(err)
	}
	return nil
}

func (r *batchRun) storeFailed(err error) *Error {
	e := r.c.fail(call{op: opRun}, ClassLedger, fmt.Errorf("batch store: %w", err))
	e.Hint = "make the store usable, then resume: nothing is submitted that cannot be remembered"
	return e
}

// job is lines that go together, and the batch they are in, if any.
type job struct {
	items []*batchItem
	state *BatchState
}

func (r *batchRun) run(ctx context.Context) error {
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
func (r *batchRun) resume(ctx context.Context) ([]job, error) {
	states, err := r.load()
	if err != nil {
		return nil, err
	}
	// A later attempt has the last word.
	slices.SortStableFunc(states, func(a, b *BatchState) int { return cmp.Compare(a.Attempt, b.Attempt) })
	var jobs []job
	for _, st := range states {
		items := make([]*batchItem, 0, len(st.Lines))
		for _, l := range st.Lines {
			it := r.byID[l.ID]
			if it == nil || it.line == nil {
				continue
			}
			if it.sum != l.Sum {
				return nil, r.c.fail(it.call(), ClassBadRequest,
					fmt.Errorf("this request differs from the one submitted under its id in batch %s: give the changed run another name (BatchConfig.Run)", st.Key))
			}
			items = append(items, it)
		}
		if len(items) == 0 {
			continue
		}
		if !st.Done {
			if len(items) < len(st.Lines) {
				return nil, r.c.fail(call{op: opRun, tag: st.tag(""), model: st.Model}, ClassBadRequest,
					fmt.Errorf("the unfinished batch %s has %d lines, of which %d are not among the requests: add them, so that its answers can be accounted for", st.Key, len(st.Lines), len(st.Lines)-len(items)))
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
func (r *batchRun) fresh() []job {
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
func (r *batchRun) work(ctx context.Context, j job) error {
	pause := r.config.PollMin
	for {
		err := r.batch(ctx, j.items, j.state)
		var e *Error
		if errors.As(err, &e) && e.Class == ClassBudget && errors.Is(err, ErrBudget) {
			return r.halve(ctx, j.items, e)
		}
		if err != nil {
			return err
		}
		var again []*batchItem
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
func (r *batchRun) halve(ctx context.Context, items []*batchItem, e *Error) error {
	if len(items) == 1 {
		k := items[0].call()
		refused := *e
		refused.Op, refused.Provider, refused.Model, refused.Tag = k.op, r.c.provider.Name(), k.model, k.tag
		r.set(items[0], BatchResult{Err: &refused})
		return nil
	}
	n := len(items) / 2
	if err := r.work(ctx, job{items: items[:n]}); err != nil {
		return err
	}
	return r.work(ctx, job{items: items[n:]})
}

func (r *batchRun) set(it *batchItem, res BatchResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results[it.req.Tag] = res
}

func (r *batchRun) has(it *batchItem) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.results[it.req.Tag]
	return ok
}

// take makes an outcome the line's result, unless it is to be submitted again.
func (r *batchRun) take(it *batchItem, st *BatchState, o lineOutcome) {
	it.attempt = max(it.attempt, st.Attempt)
	if o.err == nil {
		o.generation.Meta.Attempts = st.Attempt
		r.set(it, BatchResult{Generation: o.generation})
		return
	}
	e := *o.err
	e.Meta.Attempts = st.Attempt
	it.last = &e
	if !e.Class.Retryable() || st.Attempt >= r.config.Attempts {
		r.set(it, BatchResult{Err: it.last})
	}
}

// wait waits, and ends at once with ctx.
func (r *batchRun) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		e := r.c.fail(call{op: opRun}, ctxClass(ctx.Err()), ctx.Err())
		e.Hint = "run again with the same store and requests: what was submitted is not submitted again"
		return e
	}
}

// newState is the intent to submit items.
func (r *batchRun) newState(items []*batchItem) *BatchState {
	first := items[0]
	st := &BatchState{
		Run: r.config.Run, Attempt: first.attempt + 1, Try: 1,
		Endpoint: first.endpoint, Model: first.req.Model, Intent: time.Now().UTC(),
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%q %q %q %d\n", st.Run, st.Endpoint, st.Model, st.Attempt)
	for _, it := range items {
		st.Lines = append(st.Lines, BatchMark{ID: it.id, Sum: it.sum})
		fmt.Fprintf(&b, "%q %s\n", it.id, it.sum)
	}
	sum := sha256.Sum256(b.Bytes())
	st.Key = hex.EncodeToString(sum[:16])
	return st
}

// submission is what a batch's metadata say, and what it is found by.
func (st *BatchState) submission() string { return fmt.Sprintf("%s-%d", st.Key, st.Try) }

// tag marks the calls that move a batch.
func (st *BatchState) tag(call string) Tag { return Tag{Stage: "batch", Key: st.Key, Call: call} }

func (st *BatchState) call(op, name, endpoint string) call {
	return call{op: op, tag: st.tag(name), endpoint: endpoint, free: true}
}
