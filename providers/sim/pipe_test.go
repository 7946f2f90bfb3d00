package sim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// On the fake clock an hour of waiting takes no time and is exact.
func TestBubble(t *testing.T) {
	tokenizer() // built outside, where it is shared
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Faults: Faults{Slow: 1, SlowFor: time.Hour}})
		client := s.Client()
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				r := post(client, s.FireworksURL()+"/completions", fmt.Sprintf("p0-%016x", i),
					dict{"model": ScoutModel, "prompt": "a", "max_tokens": 1})
				if r.status != 200 {
					t.Errorf("status %d: %v", r.status, r.err)
				}
			})
		}
		wg.Wait()
		if got := time.Since(start); got != time.Hour {
			t.Errorf("16 requests at once took %v on the fake clock, want 1h", got)
		}
		if err := s.Close(); err != nil { // else the bubble never ends
			t.Error(err)
		}
	})
}

func TestBubbleCancellation(t *testing.T) {
	tokenizer()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Faults: Faults{Slow: 1, SlowFor: time.Hour}})
		defer s.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.FireworksURL()+"/completions",
			strings.NewReader(`{"model":"`+ScoutModel+`","prompt":"a","max_tokens":1}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer key")
		start := time.Now()
		if r := send(s.Client(), req); !errors.Is(r.err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the deadline", r.err)
		}
		if got := time.Since(start); got != time.Minute {
			t.Errorf("took %v, want 1m", got)
		}
		if got := s.Bill().Total.Calls; got != 1 {
			t.Errorf("%d calls billed, want 1: the work was done before the client left", got)
		}
	})
}

// Breaking a connection must not depend on there being a socket.
func TestBubbleReset(t *testing.T) {
	tokenizer()
	synctest.Test(t, func(t *testing.T) {
		for _, f := range []Faults{{Reset: 1}, {Truncate: 1}} {
			s := New(Config{Faults: f})
			r := post(s.Client(), s.FireworksURL()+"/completions", "", dict{"model": ScoutModel, "prompt": "a",
				"max_tokens": 1})
			if r.err == nil {
				t.Errorf("%v: status %d and a whole body", f, r.status)
			}
			if got := s.Bill().Total.Calls; got != 1 {
				t.Errorf("%v: %d calls billed, want 1", f, got)
			}
			s.Close()
		}
	})
}
