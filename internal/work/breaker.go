package work

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Breaker pauses work while everything fails. After Failures failures in a row
// it starts nothing for Pause, then one item as a probe. If the probe succeeds,
// work goes on. If it fails, the next pause is twice as long. After Probes failed
// probes in a row the breaker gives up with a [*BrokenError].
//
// The zero value is ready for use. A Breaker is safe for concurrent use; everything
// that depends on one service shares one.
type Breaker struct {
	Failures int           // 0 means 20
	Pause    time.Duration // 0 means 30 s
	Probes   int           // 0 means 5: a quarter of an hour in all, with the default pause
	// OnPause, if not nil, is called with each pause and the failure that led
	// to it. It must not call the Breaker.
	OnPause func(time.Duration, error)

	mu      sync.Mutex
	inARow  int
	failed  int       // probes in a row
	until   time.Time // no item starts before
	open    bool
	probing bool
	changed chan struct{} // closed at the next change
	broken  *BrokenError
}

// BrokenError reports that a [Breaker] has given up.
type BrokenError struct {
	InARow int   // failures in a row
	Err    error // the last failure
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("work: %d items in a row failed, and waiting did not help; the last: %v", e.InARow, e.Err)
}

// Unwrap returns the last failure.
func (e *BrokenError) Unwrap() error { return e.Err }

// Report records how an item ended. A failure speaks against the service; do not
// report an item that failed for a reason of its own, such as a refused value.
func (b *Breaker) Report(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		// The item may have begun before the pause. Even so, the service answers.
		b.inARow, b.failed = 0, 0
		if b.open {
			b.open, b.probing = false, false
			b.wake()
		}
		return
	}
	b.inARow++
	switch {
	case b.broken != nil:
	case b.probing:
		b.probing = false
		b.failed++
		if b.failed >= orDefault(b.Probes, 5) {
			b.broken = &BrokenError{b.inARow, err}
			b.wake()
			return
		}
		b.pause(err)
	case !b.open && b.inARow >= orDefault(b.Failures, 20):
		b.open = true
		b.pause(err)
	}
}

// done gives the probe's place back if the item ended without a Report.
func (b *Breaker) done() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.probing {
		b.probing = false
		b.wake()
	}
}

func (b *Breaker) pause(err error) {
	d := orDefault(b.Pause, 30*time.Second) << b.failed
	b.until = time.Now().Add(d)
	b.wake()
	if b.OnPause != nil {
		b.OnPause(d, err)
	}
}

func (b *Breaker) wake() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

func orDefault[T int | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// enter waits until an item may start. It returns ctx's error when ctx ends, and
// nil when quit is closed.
func (b *Breaker) enter(ctx context.Context, quit <-chan struct{}) error {
	if b == nil {
		return nil
	}
	for {
		b.mu.Lock()
		wait := time.Until(b.until)
		switch {
		case b.broken != nil:
			b.mu.Unlock()
			return b.broken
		case !b.open:
			b.mu.Unlock()
			return nil
		case wait <= 0 && !b.probing:
			b.probing = true
			b.mu.Unlock()
			return nil
		}
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		changed, probing := b.changed, b.probing
		b.mu.Unlock()
		t := time.NewTimer(max(wait, 0))
		over := t.C
		if probing {
			over = nil // the probe decides
		}
		select {
		case <-changed:
		case <-over:
		case <-quit:
			t.Stop()
			return nil
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
		t.Stop()
	}
}
