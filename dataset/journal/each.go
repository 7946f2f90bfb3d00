package journal

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Work is how [Each] goes through its items.
type Work struct {
	// Limit is how many calls run at once, at most; below 1 panics.
	Limit int
	// Breaker, where not nil, is asked before each item. Several Eaches may
	// share one.
	Breaker *Breaker
}

// Items is a closed channel of items, for an [Each] that knows all of them at
// the start.
func Items[T any](items ...T) <-chan T {
	c := make(chan T, len(items))
	for _, item := range items {
		c <- item
	}
	close(c)
	return c
}

// Each calls fn for every item that comes out of items, at most w.Limit at a
// time, and returns when the channel is closed and all calls have returned. An
// item is taken only when there is room for it, so that whoever sends them is
// held back; a stage whose items become known as another's end is an Each of
// its own beside that one.
//
// After an error of fn, or when ctx ends, no further item is started; those
// under way run to their end, with ctx as it is, so that what they have paid for
// is not thrown away. Each then returns the first error of fn, that of
// w.Breaker, or ctx's where items may have been left out for that.
func Each[T any](ctx context.Context, items <-chan T, w Work, fn func(context.Context, T) error) error {
	if w.Limit < 1 {
		panic(fmt.Sprintf("journal: Each with a limit of %d", w.Limit))
	}
	var g errgroup.Group // without a context: an error must not cancel the others
	var failed atomic.Bool
	failure := make(chan struct{}) // closed by the first
	room := make(chan struct{}, w.Limit)
	start := func(item T) {
		g.Go(func() error {
			defer func() { <-room }()
			err := fn(ctx, item)
			w.Breaker.done()
			if err != nil && failed.CompareAndSwap(false, true) { // before the room is free for another
				close(failure)
			}
			return err
		})
	}
	stopped := func() error {
		// In order: what was done in time is done, even if ctx ended meanwhile.
		for {
			if failed.Load() {
				return nil // g has it
			}
			select {
			case room <- struct{}{}:
			case <-failure:
				continue
			case <-ctx.Done():
				return leftOut(ctx, items)
			}
			if failed.Load() {
				return nil
			}
			if ctx.Err() != nil {
				return leftOut(ctx, items)
			}
			select {
			case item, ok := <-items:
				if !ok {
					return nil
				}
				if err := w.Breaker.enter(ctx, failure); err != nil {
					return err
				}
				if failed.Load() {
					return nil
				}
				start(item)
			case <-failure:
				return nil
			case <-ctx.Done():
				return leftOut(ctx, items)
			}
		}
	}()
	if err := g.Wait(); err != nil {
		return err
	}
	return stopped
}

// leftOut is ctx's error, unless there was nothing left to do.
func leftOut[T any](ctx context.Context, items <-chan T) error {
	select {
	case _, more := <-items:
		if !more {
			return nil
		}
	default:
	}
	return ctx.Err()
}
