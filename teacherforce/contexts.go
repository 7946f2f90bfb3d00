package teacherforce

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// contextsKept bounds the contexts held at a time. Sharing pays if several
// responses to one context are scored close together, and not beyond: at a few
// hundred bytes a token, 64 contexts are a few megabytes.
const contextsKept = 64

// contextKey says for whom a context's echo may stand. The policy's name is part
// of it: a clone of the logging policy has the same hash and the same text, and
// must make a call of its own, or comparing the two would compare a number with
// itself.
type contextKey struct{ policy, hash, promptID, text string }

// contexts shares the echo of a context among the responses to it. Concurrent
// requests for one key make one call; failures are not kept. The least recently
// used echo goes first.
type contexts struct {
	mu     sync.Mutex
	m      map[contextKey]*contextEntry
	recent list.List // of contextKey, most recent first; finished entries only
}

type contextEntry struct {
	done chan struct{} // closed when echo and err are final
	echo Echo
	err  error
	at   *list.Element
}

// get returns the echo for key, calling fetch unless it is known or under way;
// called reports whether this caller's own fetch ran.
func (c *contexts) get(ctx context.Context, key contextKey, fetch func(context.Context) (Echo, error)) (echo Echo,
	called bool, err error) {
	for {
		c.mu.Lock()
		e, ok := c.m[key]
		if !ok {
			e = c.begin(key)
			c.mu.Unlock()
			echo, err = c.run(ctx, key, e, fetch)
			return echo, true, err
		}
		if e.at != nil {
			c.recent.MoveToFront(e.at)
		}
		c.mu.Unlock()

		select {
		case <-e.done:
		case <-ctx.Done():
			return Echo{}, false, ctx.Err()
		}
		// The end of another caller's context is no failure of ours: try again.
		if e.err != nil && ctx.Err() == nil && (errors.Is(e.err, context.Canceled) ||
			errors.Is(e.err, context.DeadlineExceeded)) {
			continue
		}
		return e.echo, false, e.err
	}
}

func (c *contexts) begin(key contextKey) *contextEntry {
	e := &contextEntry{done: make(chan struct{})}
	if c.m == nil {
		c.m = make(map[contextKey]*contextEntry)
	}
	c.m[key] = e
	return e
}

func (c *contexts) run(ctx context.Context, key contextKey, e *contextEntry, fetch func(context.Context) (Echo,
	error)) (Echo, error) {
	// Set before the call so that a panic in it leaves waiters an error, not a
	// deadlock.
	e.err = errors.New("teacherforce: the call for the shared context did not return")
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if e.err != nil {
			delete(c.m, key)
		} else {
			e.at = c.recent.PushFront(key)
			for c.recent.Len() > contextsKept {
				delete(c.m, c.recent.Remove(c.recent.Back()).(contextKey))
			}
		}
		close(e.done)
	}()
	e.echo, e.err = fetch(ctx)
	return e.echo, e.err
}
