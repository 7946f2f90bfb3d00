package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/work"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// stage is the work of one stage. All stages run at once: an item is begun when
// the responses that it is about are there, so that the slowest service sets the
// time of a run and not the sum of them.
type stage struct {
	name    string
	breaker *work.Breaker // its service's
	// after are the stages whose records decide what this one owes: it is asked
	// for that when all of them have ended. Most stages wait for none.
	after []string
	owes  func() (duty, error)
	makes bool // its records are responses, which others wait for; it waits for no stage

	duty    duty
	ready   <-chan int32  // places of its items
	through chan struct{} // closed when its last item has its record

	mu    sync.Mutex
	known bool // what it owes
	state record.Event
	begun time.Time // of its first item
	ended time.Time // of its last
}

// workAll brings every item of every stage to a record.
func (r *Run) workAll(ctx context.Context, stages []*stage) error {
	ctx, halt := context.WithCancelCause(ctx)
	defer halt(nil)
	begun := time.Now()
	w := newArrivals(&r.job)
	byName := map[string]*stage{}
	first := map[*stage]duty{}
	for _, s := range stages {
		s.through, s.state.Stage = make(chan struct{}), s.name
		byName[s.name] = s
		if len(s.after) > 0 {
			continue
		}
		d, err := s.owes()
		if err != nil {
			return err
		}
		if first[s] = d; s.makes {
			w.expect(d)
		}
	}
	for _, s := range stages {
		if len(s.after) == 0 {
			r.plan(w, s, first[s])
		}
	}
	clear(first)

	quit := make(chan struct{})
	var ticking, working sync.WaitGroup
	ticking.Go(func() { r.renderAsItGoes(quit, stages) })
	for _, s := range stages {
		working.Go(func() {
			err := r.await(ctx, w, s, byName)
			if err == nil {
				err = r.work(ctx, s, w)
			}
			if err != nil {
				halt(err) // the first is the cause
			}
		})
	}
	working.Wait()
	close(quit)
	ticking.Wait()
	err := context.Cause(ctx)
	return errors.Join(err, r.store.addSeconds(record.WholeRun, time.Since(begun).Seconds()))
}

// plan gives a stage its items.
func (r *Run) plan(w *arrivals, s *stage, d duty) {
	total, left := len(d.slots), d.left()
	s.duty, s.ready = d, w.queue(d)
	s.mu.Lock()
	s.known = true
	s.state.Total, s.state.Done = total, total-left
	e := s.state
	s.mu.Unlock()
	e.Begun = true
	r.progress(e)
}

// await plans a stage when those before it have ended. Where ctx ends first the
// stage stays unplanned: what it owes is not known.
func (r *Run) await(ctx context.Context, w *arrivals, s *stage, byName map[string]*stage) error {
	if len(s.after) == 0 {
		return nil
	}
	for _, name := range s.after {
		select {
		case <-byName[name].through:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	d, err := s.owes()
	if err == nil {
		r.plan(w, s, d)
	}
	return err
}

// work brings the items of one stage to a record, in the order in which they can
// be begun.
func (r *Run) work(ctx context.Context, s *stage, w *arrivals) error {
	err := work.Each(ctx, s.ready, work.Bounds{Limit: r.job.Concurrency, Breaker: s.breaker},
		func(ctx context.Context, at int32) error {
			it := s.duty.item(at)
			s.mu.Lock()
			if s.begun.IsZero() {
				s.begun = time.Now()
			}
			s.mu.Unlock()
			failed, err := s.duty.do(ctx, it)
			if err != nil {
				return err
			}
			s.count(failed)
			r.progress(s.event())
			if s.makes {
				w.made(it.slot)
			}
			return nil
		})
	if err == nil {
		close(s.through)
	}
	s.mu.Lock()
	var seconds float64
	if !s.begun.IsZero() {
		seconds = s.ended.Sub(s.begun).Seconds()
	}
	s.mu.Unlock()
	err2 := r.store.addSeconds(s.name, max(seconds, 0))
	end := s.event()
	end.Finished = true
	r.progress(end)

	var broken *work.BrokenError
	var last *dataset.RecordError
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		// Another stage's failure, or somebody's wish: the cause says which.
		err = nil
	case errors.As(err, &broken) && errors.As(err, &last):
		err = &stopError{record.Stop{Stage: s.name, Class: last.Class,
			Message: fmt.Sprintf("%d items in a row failed, and waiting did not help; the last: %s", broken.InARow,
				last.Message)}}
	}
	return errors.Join(err, err2)
}

// count takes an item's end into account, and tells the breaker of it.
func (s *stage) count(failed *dataset.RecordError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = time.Now()
	switch {
	case failed == nil:
		s.state.Done++
		s.breaker.Report(nil)
	case providers.Class(failed.Class).Retryable():
		s.breaker.Report(failed)
	case failed.Class != record.ClassNoResponse:
		s.breaker.Report(nil) // the service answers
	}
	if failed != nil {
		s.state.Failed++
		s.state.LastError = failed.Message
		s.state.Errors = maps.Clone(s.state.Errors) // events have the old one
		if s.state.Errors == nil {
			s.state.Errors = map[string]int{}
		}
		s.state.Errors[failed.Class]++
	}
}

// event is how far the stage is.
func (s *stage) event() record.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.state
	if !s.begun.IsZero() {
		e.Elapsed = time.Since(s.begun)
	}
	return e
}

// unfinished reports whether items of the stage have no record of this start, or
// are not known yet.
func (s *stage) unfinished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.known || s.state.Done+s.state.Failed < s.state.Total
}

// unfinished lists the stages that are not through.
func unfinished(stages []*stage) []string {
	var out []string
	for _, s := range stages {
		if s.unfinished() {
			out = append(out, s.name)
		}
	}
	return out
}

// newBreaker pauses the stages that depend on one service while all of it fails.
func (r *Run) newBreaker(service string) *work.Breaker {
	return &work.Breaker{Pause: r.job.Pause, OnPause: func(d time.Duration, err error) {
		r.progress(record.Event{Alert: fmt.Sprintf("%s: everything fails, paused for %v; the last failure: %v", service, d,
			err)})
	}}
}

// steady lets a call that is on its way end although ctx has ended: it is paid
// for. Only hard, and the attempt's own time limit, break it off.
type steady struct {
	providers.Provider
	hard context.Context
}

func (s steady) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	ctx, cancel := s.outlast(ctx)
	defer cancel()
	return s.Provider.Generate(ctx, req)
}

func (s steady) ScorePrompt(ctx context.Context, req providers.ScoreRequest) (providers.PromptScore, error) {
	ctx, cancel := s.outlast(ctx)
	defer cancel()
	return s.Provider.ScorePrompt(ctx, req)
}

// NameOf is the name of what serves a model, if the provider stands for several.
func (s steady) NameOf(model string) string {
	if n, ok := s.Provider.(interface{ NameOf(string) string }); ok {
		return n.NameOf(model)
	}
	return s.Name()
}

// ScoreChat implements [providers.ChatScorer], where the provider does.
func (s steady) ScoreChat(ctx context.Context, req providers.ChatScoreRequest) (providers.PromptScore, error) {
	c, ok := s.Provider.(providers.ChatScorer)
	if !ok {
		return providers.PromptScore{}, errors.ErrUnsupported
	}
	ctx, cancel := s.outlast(ctx)
	defer cancel()
	return c.ScoreChat(ctx, req)
}

// BatcherOf is what takes batches for a model; a batch outlasts any call.
func (s steady) BatcherOf(model string) (providers.Batcher, bool) {
	return providers.Batches(s.Provider, model)
}

// RenderChat implements [providers.ChatRenderer], if the provider does.
func (s steady) RenderChat(ctx context.Context, req providers.RenderRequest) ([]int, error) {
	c, ok := s.Provider.(providers.ChatRenderer)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return c.RenderChat(ctx, req)
}

func (s steady) outlast(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	release := cancel
	if at, ok := ctx.Deadline(); ok {
		out, release = context.WithDeadline(out, at)
	}
	stop := context.AfterFunc(s.hard, cancel)
	return out, func() { stop(); release(); cancel() }
}

// SameProvider reports whether two are one service under one key, whose limits
// are then shared.
func SameProvider(a, b providers.Provider) bool {
	defer func() { _ = recover() }() // of a type that cannot be compared
	return a == b
}
