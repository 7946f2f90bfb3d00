package journal

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Each calls fn for every item, at most limit at a time, and returns when all
// calls have returned. Items are started in their order.
//
// After an error of fn, or when ctx ends, no further item is started; those
// under way run to their end, with ctx as it is, so that what they have paid for
// is not thrown away. Each then returns the first error of fn, or ctx's where
// items were left out for that. A limit below 1 panics.
func Each[T any](ctx context.Context, items []T, limit int, fn func(context.Context, T) error) error {
	if limit < 1 {
		panic(fmt.Sprintf("journal: Each with a limit of %d", limit))
	}
	var g errgroup.Group // without a context: an error must not cancel the others
	g.SetLimit(limit)
	var failed, leftOut atomic.Bool
	for _, item := range items {
		if failed.Load() || ctx.Err() != nil {
			leftOut.Store(true)
			break
		}
		g.Go(func() error { // blocks until there is room
			if failed.Load() || ctx.Err() != nil {
				leftOut.Store(true)
				return nil
			}
			err := fn(ctx, item)
			if err != nil {
				failed.Store(true) // before the room is free for another
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if leftOut.Load() {
		return ctx.Err()
	}
	return nil
}
