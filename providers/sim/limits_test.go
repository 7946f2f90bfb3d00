package sim

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What is refused is refused truthfully: after the wait that the server asks
// for, and no sooner, the request is let in.
func TestLimitsAreEnforced(t *testing.T) {
	tokenizer()
	for _, c := range []struct {
		reason string
		limits Limits
		let    int           // of ten at once
		wait   time.Duration // what the others are asked to wait
		limit  string        // as announced
		kind   string
	}{
		{"a second's worth may go at once, and the next in its turn", Limits{RequestsPerMinute: 120}, 2,
			500 * time.Millisecond, "120", "Requests"},
		{"one may always go", Limits{RequestsPerMinute: 6}, 1, 10 * time.Second, "6", "Requests"},
		{"halved from the second request on: one of the two is left, and pays a minute's half",
			Limits{RequestsPerMinute: 120, HalveAfter: 2}, 2, time.Second, "60", "Requests"},
		{"no limit", Limits{}, 10, 0, "", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := New(Config{Limits: c.limits})
			defer s.Close()
			client := s.Client()
			ask := func(i int) reply {
				return post(client, s.OpenAIURL()+"/chat/completions", fmt.Sprintf("p0-%016x", i), dict{"model": OracleModel,
					"messages": []dict{{"role": "user", "content": "a"}}, "max_completion_tokens": 1})
			}
			let := 0
			for i := range 10 {
				r := ask(i)
				if c.kind != "" && i > 1 && r.header.Get("X-Ratelimit-Limit-"+c.kind) != c.limit {
					t.Errorf("%s: limit %q announced, want %s", c.reason, r.header.Get("X-Ratelimit-Limit-"+c.kind), c.limit)
				}
				switch r.status {
				case 200:
					let++
				case 429:
					if got := r.header.Get("Retry-After-Ms"); got != fmt.Sprint(c.wait.Milliseconds()) ||
						!strings.Contains(string(r.body), "message") {
						t.Errorf("%s: asked to wait %s ms, want %v; %s", c.reason, got, c.wait, r.body)
					}
				default:
					t.Errorf("status %d", r.status)
				}
			}
			if let != c.let {
				t.Errorf("%s: %d let in, want %d", c.reason, let, c.let)
			}
			if c.wait > 0 {
				time.Sleep(c.wait - time.Millisecond)
				if r := ask(10); r.status != 429 {
					t.Errorf("%s: status %d a millisecond too early", c.reason, r.status)
				}
				time.Sleep(time.Millisecond)
				if r := ask(11); r.status != 200 {
					t.Errorf("%s: status %d after the wait", c.reason, r.status)
				}
			}
		})
	}
}

func TestTokenLimit(t *testing.T) {
	tokenizer()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Limits: Limits{TokensPerMinute: 60}})
		defer s.Close()
		client := s.Client()
		start := time.Now()
		for i := 0; i < 5; {
			r := post(client, s.FireworksURL()+"/completions", fmt.Sprintf("p0-%016x", i),
				dict{"model": ScoutModel, "prompt": "why is the sky blue", "max_tokens": 4})
			switch r.status {
			case 200:
				i++
			case 429:
				time.Sleep(100 * time.Millisecond)
			default:
				t.Fatalf("status %d", r.status)
			}
		}
		// All but the last answer's tokens are waited off, at one a second,
		// but for the one that was saved up.
		b := s.Bill().Total
		want := float64(b.PromptTokens+b.CompletionTokens)*4/5 - 1
		if got := time.Since(start).Seconds(); got < want-2 || got > want+5 {
			t.Errorf("five answers of %d tokens took %.1f s at a token a second, want about %.1f",
				b.PromptTokens+b.CompletionTokens, got, want)
		}
	})
}

func TestLimitsArePerKeyAndModelAndValid(t *testing.T) {
	s, client := newServer(t, Config{Limits: Limits{RequestsPerMinute: 1}})
	for _, model := range []string{ScoutModel, MaverickModel} {
		r := post(client, s.FireworksURL()+"/completions", "", dict{"model": model, "prompt": "a", "max_tokens": 1})
		if r.status != 200 {
			t.Errorf("%s: status %d: the other model's requests count", model, r.status)
		}
	}
	defer func() {
		if r := recover(); r == nil || !strings.HasPrefix(fmt.Sprint(r), "sim: ") {
			t.Errorf("a negative limit: panic %v", r)
		}
	}()
	New(Config{Limits: Limits{TokensPerMinute: -1}})
}
