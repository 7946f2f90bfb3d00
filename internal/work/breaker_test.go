package work

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = errors.New("the service is down")

// TestBreaker runs 40 items against a service that is down from the fifth
// second to the given one, on a fake clock; each item takes a second.
func TestBreaker(t *testing.T) {
	rows := []struct {
		back   time.Duration // when the service is up again
		pauses []time.Duration
		failed int
		broken bool
		reason string
	}{
		{5 * time.Second, nil, 0, false, "no outage, no pause"},
		{7 * time.Second, nil, 2, false, "fewer than three in a row"},
		{8 * time.Second, []time.Duration{10 * time.Second}, 3, false, "the first probe finds it up"},
		{30 * time.Second, []time.Duration{10 * time.Second, 20 * time.Second}, 4, false,
			"the pause doubles; only probes are spent on a dead service"},
		{time.Hour, []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second}, 6, true,
			"three probes failed: it gives up"},
	}
	for _, row := range rows {
		synctest.Test(t, func(t *testing.T) {
			var pauses []time.Duration
			b := &Breaker{Failures: 3, Pause: 10 * time.Second, Probes: 3, OnPause: func(d time.Duration, err error) {
				if err != errDown {
					t.Errorf("%s: paused for %v", row.reason, err)
				}
				pauses = append(pauses, d)
			}}
			begin, failed, done := time.Now(), 0, 0
			err := Each(t.Context(), Items(upTo(40)...), Bounds{Limit: 1, Breaker: b}, func(context.Context, int) error {
				time.Sleep(time.Second)
				if at := time.Since(begin); at > 5*time.Second && at <= row.back {
					failed++
					b.Report(errDown)
				} else {
					done++
					b.Report(nil)
				}
				return nil
			})
			if !slices.Equal(pauses, row.pauses) || failed != row.failed {
				t.Errorf("%s: paused for %v, %d failed; want %v and %d", row.reason, pauses, failed, row.pauses, row.failed)
			}
			var broken *BrokenError
			if errors.As(err, &broken) != row.broken || row.broken && (!errors.Is(err, errDown) ||
				broken.InARow != row.failed) {
				t.Errorf("%s: %v", row.reason, err)
			}
			if !row.broken && done+failed != 40 {
				t.Errorf("%s: %d of 40 items", row.reason, done+failed)
			}
		})
	}
}

// TestBreakerIsShared: two Eaches pause together, one probe speaks for both, and
// an item that ends without a report does not hold the probe's place for ever.
func TestBreakerIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Breaker{Failures: 4, Pause: time.Minute}
		begin := time.Now()
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				errs <- Each(t.Context(), Items(upTo(6)...), Bounds{Limit: 2, Breaker: b}, func(context.Context, int) error {
					at := time.Since(begin)
					time.Sleep(time.Second)
					switch {
					case at < time.Minute:
						b.Report(errDown)
					case at < time.Minute+2*time.Second:
						// says nothing of the service
					default:
						b.Report(nil)
					}
					return nil
				})
			}()
		}
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		// 4 items at 0 s, one a second from 61 s, of which the third succeeds and
		// lets the rest go.
		if got := time.Since(begin).Round(time.Second); got < 64*time.Second || got > 68*time.Second {
			t.Errorf("it took %v", got)
		}
	})
}

// TestBreakerLetsGo: who waits out a pause stops waiting when the context ends.
func TestBreakerLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Breaker{Failures: 1, Pause: time.Hour}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		n := 0
		err := Each(ctx, Items(upTo(3)...), Bounds{Limit: 1, Breaker: b}, func(context.Context, int) error {
			n++
			b.Report(fmt.Errorf("no. %d: %w", n, errDown))
			return nil
		})
		if !errors.Is(err, context.DeadlineExceeded) || n != 1 {
			t.Errorf("%v after %d items", err, n)
		}
	})
}

// TestEachWaitsForItems: items that become known late are started when they are
// there, and one that waits in vain is let go.
func TestEachWaitsForItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		items := make(chan int)
		go func() {
			for i := range 3 {
				time.Sleep(time.Minute)
				items <- i
			}
			close(items)
		}()
		begin := time.Now()
		var mu sync.Mutex
		var at []time.Duration
		err := Each(t.Context(), items, Bounds{Limit: 2}, func(context.Context, int) error {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(begin))
			return nil
		})
		if want := []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute}; err != nil || !slices.Equal(at, want) {
			t.Errorf("%v, started at %v, want %v", err, at, want)
		}
		stuck := make(chan int, 1)
		stuck <- 7
		boom := errors.New("boom")
		if err := Each(t.Context(), stuck, Bounds{Limit: 2}, func(context.Context, int) error { return boom }); err != boom {
			t.Errorf("%v, want the item's error though the channel stays open", err)
		}
	})
}

// TestBackpressure: an item is taken only when there is room for it.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		items := make(chan int)
		sent := 0
		go func() {
			for ; sent < 10; sent++ {
				items <- sent
			}
			close(items)
		}()
		release := make(chan struct{})
		done := make(chan error)
		go func() {
			done <- Each(t.Context(), items, Bounds{Limit: 3}, func(context.Context, int) error { <-release; return nil })
		}()
		synctest.Wait()
		if sent != 3 {
			t.Errorf("%d items taken while three of them run", sent)
		}
		close(release)
		if err := <-done; err != nil || sent != 10 {
			t.Errorf("%v after %d items", err, sent)
		}
	})
}
