package journal

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Breaker pauses work while everything fails. Work goes on until Failures items
// in a row have failed; then nothing is started for Pause, and after it a single
// item, as a probe. If that one succeeds, all goes on; if not, the next pause is
// twice as long. When Probes of them have failed one after the other it gives
// up, with a [*BrokenError].
//
// The zero value is ready for use. It is safe for concurrent use, and meant to be
// shared by everything that depends on one service.
type Breaker struct {
	Failures int           // 0 means 20
	Pause    time.Duration // 0 means 30 s
	Probes   int           // 0 means 5: with the default pause, a quarter of an hour in all
	// OnPause, where not nil, is told of each pause and of the failure that
	// led to it. It must not call the Breaker.
	OnPause func(time.Duration, error)

	mu      sync.Mutex
	inARow  int
	failed  int // probes, one after the other
	until   time.Time
	open    bool
	probing bool
	changed chan struct{} // closed at the next change, for those who wait
	broken  *BrokenError
}

// BrokenError says that a [Breaker] has given up.
type BrokenError struct {
	InARow int   // items that failed one after the other
	Err    error // the last failure
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("journal: %d items in a row failed, and waiting did not help; the last: %v", e.InARow, e.Err)
}

// Unwrap returns the last failure.
func (e *BrokenError) Unwrap() error { return e.Err }

// Report tells the breaker how an item ended. Failures are those that speak
// against the service: an item that failed for a reason of its own, a refused
// value for instance, is not to be reported at all.
func (b *Breaker) Report(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		// Also of an item that began before a pause: the service answers.
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

// done gives the probe's place back where an item ended without a Report.
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

// enter waits until an item may be started. It returns early when ctx ends,
// with its error, and when quit is closed, without one.
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
			over = nil // what the probe finds out decides
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
