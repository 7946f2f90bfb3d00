// Package work runs bounded parallel work.
//
// [Each] calls a function for every item of a channel, so many at a time. It
// takes an item when there is room for it, so a stage can begin with what
// another stage has just finished. When something goes wrong it starts nothing
// more and lets what is under way end. A [Breaker] pauses it while a service is
// down.
package work

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Bounds limits an [Each].
type Bounds struct {
	// Limit is the largest number of calls at one time. Each panics below 1.
	Limit int
	// Breaker, if not nil, is asked before each item. Several calls of Each may
	// share one.
	Breaker *Breaker
}

// Items returns a closed channel of items, for work that is all known at the
// start.
func Items[T any](items ...T) <-chan T {
	c := make(chan T, len(items))
	for _, item := range items {
		c <- item
	}
	close(c)
	return c
}

// Each calls fn for every item of the channel, at most b.Limit at a time, and
// returns when the channel is closed and all calls have returned. It takes an
// item only when there is room for it, which holds the sender back.
//
// After an error of fn, or when ctx ends, it starts no further item. Calls under
// way run to their end with ctx as it is, so that nothing paid for is lost. Each
// then returns the first error of fn, else the breaker's, else ctx's if an item
// may have been left out.
func Each[T any](ctx context.Context, items <-chan T, b Bounds, fn func(context.Context, T) error) error {
	if b.Limit < 1 {
		panic(fmt.Sprintf("work: Each with a limit of %d", b.Limit))
	}
	var g errgroup.Group // without a context: an error must not cancel the others
	var failed atomic.Bool
	failure := make(chan struct{}) // closed by the first
	room := make(chan struct{}, b.Limit)
	start := func(item T) {
		g.Go(func() error {
			defer func() { <-room }()
			err := fn(ctx, item)
			b.Breaker.done()
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
				if err := b.Breaker.enter(ctx, failure); err != nil {
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

// leftOut returns ctx's error, or nil if nothing was left to do.
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
