package work

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func TestEachBoundsAndOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		var mu sync.Mutex
		started := make(map[int]time.Duration)
		begin := time.Now()
		err := Each(t.Context(), Items(upTo(10)...), Bounds{Limit: 4}, func(_ context.Context, i int) error {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			mu.Lock()
			started[i] = time.Since(begin)
			mu.Unlock()
			time.Sleep(time.Second)
			return nil
		})
		if err != nil || len(started) != 10 {
			t.Errorf("%d items run, %v", len(started), err)
		}
		if most.Load() != 4 || running.Load() != 0 {
			t.Errorf("at most %d ran at once, %d still run; want 4 and 0", most.Load(), running.Load())
		}
		// Four start at once, four a second later, and so on: in order.
		for i, at := range started {
			if want := time.Duration(i/4) * time.Second; at != want {
				t.Errorf("item %d started at %v, want %v", i, at, want)
			}
		}
	})
}

func TestEachError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := errors.New("first"), errors.New("second")
		var mu sync.Mutex
		var finished []int
		err := Each(t.Context(), Items(upTo(100)...), Bounds{Limit: 3}, func(ctx context.Context, i int) error {
			time.Sleep(time.Duration(i+1) * time.Second)
			mu.Lock()
			defer mu.Unlock()
			finished = append(finished, i)
			switch {
			case ctx.Err() != nil:
				t.Errorf("item %d was cancelled by another's error", i)
			case i == 1:
				return first
			case i == 2:
				return second
			}
			return nil
		})
		if err != first {
			t.Errorf("got %v, want the first error in time", err)
		}
		// 0 ends after 1s and makes room for 3, which runs from 1s to 5s; 1 fails at
		// 2s, 2 at 3s; nothing starts after 2s.
		if !slices.Equal(finished, []int{0, 1, 2, 3}) {
			t.Errorf("finished %v, want 0, 1, 2 and 3, which was under way", finished)
		}
	})
}

func TestEachCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		var n atomic.Int64
		work := func(context.Context, int) error {
			time.Sleep(time.Second)
			n.Add(1)
			return nil
		}
		if err := Each(ctx, Items(upTo(100)...), Bounds{Limit: 2}, work); !errors.Is(err, context.DeadlineExceeded) ||
			n.Load() != 4 {
			t.Errorf("%v after %d items, want the deadline after 4", err, n.Load())
		}
		if err := Each(ctx, Items(upTo(1)...), Bounds{Limit: 2}, work); !errors.Is(err, context.DeadlineExceeded) ||
			n.Load() != 4 {
			t.Errorf("with an ended context: %v after %d items, want none", err, n.Load()-4)
		}
		if err := Each(ctx, Items[int](), Bounds{Limit: 2}, work); err != nil {
			t.Errorf("nothing to do, yet %v", err)
		}
	})
}

func TestEachDoneBeforeCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := Each(ctx, Items(upTo(1)...), Bounds{Limit: 1}, func(context.Context, int) error { cancel(); return nil })
	if err != nil {
		t.Errorf("every item was done, yet %v", err)
	}
}

func TestEachLimit(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a limit of 0 did not panic")
		}
	}()
	Each(t.Context(), Items(upTo(1)...), Bounds{Limit: 0}, func(context.Context, int) error { return nil })
}
