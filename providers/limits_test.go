package providers_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
	"github.com/reweigh/reweigh/providers/sim"
)

// simPrices names the simulator's models; what they cost is of no interest here.
var simPrices = providers.Prices{Date: "2026-11-22", Models: map[string]providers.Price{
	sim.ScoutModel: {Input: 1, Output: 1}, sim.MaverickModel: {Input: 1, Output: 1}, sim.OracleModel: {Input: 1, Output: 1},
}}

// load is a run against a server that enforces limits, on the fake clock.
type load struct {
	server     sim.Limits
	limits     providers.Limits // of the client
	retry      providers.Retry
	calls      int
	prompt     int // words
	maxTokens  int
	concurrent int
	silent     bool // the server's headers do not arrive
	faults     sim.Faults
}

type measured struct {
	took     time.Duration
	bound    time.Duration // no client can be faster
	failed   int
	refused  int // 429s, absorbed or not
	tokens   int
	requests int
}

func (m measured) ratio() float64 { return m.took.Seconds() / m.bound.Seconds() }

// run makes the calls and works out the limits' own lower bound: requests and
// tokens before the halving at the full limit, those after it at half of it.
func (l load) run(t *testing.T) (m measured) {
	t.Helper()
	warm := sim.New(sim.Config{}) // the model is built outside the bubble, where it is shared
	if _, err := warm.Client().Post(warm.OpenAIURL()+"/chat/completions", "application/json", strings.NewReader("{}")); err != nil {
		t.Fatal(err)
	}
	if err := warm.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		l.faults.Slow, l.faults.SlowFor = 1, 200*time.Millisecond
		s := sim.New(sim.Config{Limits: l.server, Faults: l.faults})
		h := s.Client()
		if l.silent {
			h.Transport = silent{h.Transport}
		}
		p, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: s.OpenAIURL(), Key: providers.NewSecret(key), HTTP: h})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var before, after [2]float64 // requests and tokens, in the order of their end
		c := client(t, p, providers.ClientConfig{
			Concurrency: l.concurrent, Limits: l.limits, Retry: l.retry, Prices: simPrices,
			OnAttempt: func(e providers.Entry) {
				mu.Lock()
				defer mu.Unlock()
				if e.Status == http.StatusTooManyRequests {
					m.refused++
					return
				}
				side := &before
				if l.server.HalveAfter > 0 && before[0] >= float64(l.server.HalveAfter) {
					side = &after
				}
				side[0]++
				side[1] += float64(e.PromptTokens + e.CompletionTokens)
			},
		})
		start := time.Now()
		var wg sync.WaitGroup
		for i := range l.calls {
			wg.Go(func() {
				_, err := c.Generate(t.Context(), providers.GenerateRequest{
					Tag:      providers.Tag{Stage: fmt.Sprintf("s%d", i%3), Key: fmt.Sprint(i)},
					Model:    sim.OracleModel,
					Messages: []dataset.Message{{Role: "user", Content: strings.Repeat("sky ", l.prompt)}},
					Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: l.maxTokens},
				})
				if err != nil {
					mu.Lock()
					m.failed++
					mu.Unlock()
					t.Log(err)
				}
			})
		}
		wg.Wait()
		m.took = time.Since(start)
		var minutes [2]float64
		for i, limit := range []float64{float64(l.server.RequestsPerMinute), float64(l.server.TokensPerMinute)} {
			if limit > 0 {
				minutes[i] = before[i]/limit + after[i]/(limit/2)
			}
		}
		m.bound = time.Duration(math.Max(minutes[0], minutes[1]) * float64(time.Minute))
		m.requests, m.tokens = int(before[0]+after[0]), int(before[1]+after[1])
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// silent drops what a server says of its limits.
type silent struct{ http.RoundTripper }

func (s silent) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	if err == nil {
		for k := range resp.Header {
			if strings.HasPrefix(k, "X-Ratelimit-") || strings.HasPrefix(k, "Retry-") {
				delete(resp.Header, k)
			}
		}
	}
	return resp, err
}

// The limits of the acceptance: 600 requests and 400,000 tokens a minute,
// answers after 200 ms.
var serverLimits = sim.Limits{RequestsPerMinute: 600, TokensPerMinute: 400_000}

var sameLimits = providers.Limits{RequestsPerMinute: 600, TokensPerMinute: 400_000}

func halved(after int) sim.Limits {
	l := serverLimits
	l.HalveAfter = after
	return l
}

func TestLimitsAreUsedToTheFull(t *testing.T) {
	short := load{server: serverLimits, limits: sameLimits, calls: 2000, prompt: 10, maxTokens: 20, concurrent: 64}
	long := load{server: serverLimits, limits: sameLimits, calls: 2000, prompt: 300, maxTokens: 20, concurrent: 64}
	for _, c := range []struct {
		reason  string
		load    load
		with    func(*load)
		ratio   float64
		refused int
	}{
		{"requests bind", short, nil, 1.05, 0},
		{"tokens bind", long, nil, 1.05, 0},
		{"limits learnt from the headers", short, func(l *load) { l.limits = providers.Limits{} }, 1.05, 64},
		{"both learnt, tokens bind", long, func(l *load) { l.limits = providers.Limits{} }, 1.05, 64},
		{"configured too high: the headers correct it", short, func(l *load) { l.limits.RequestsPerMinute = 6000 }, 1.05, 64},
		{"more may be generated than is", short, func(l *load) { l.maxTokens = 4000 }, 1.05, 0},
		{"halved by the server, requests bind", short, func(l *load) { l.server = halved(1000) }, 1.15, 20},
		{"halved by the server, tokens bind", long, func(l *load) { l.server = halved(1000) }, 1.15, 20},
		{"halved, and learnt from the headers", short, func(l *load) { l.server, l.limits = halved(1000), providers.Limits{} }, 1.15, 64},
		{"halved in silence: nothing but refusals tells", short, func(l *load) { l.server, l.silent = halved(1000), true }, 1.5, 400},
		{"no limit is known at all", short, func(l *load) { l.limits, l.silent = providers.Limits{}, true }, 3, 4000},
		{"slow: no limit is known at all", short, func(l *load) { l.limits, l.silent, l.server.RequestsPerMinute, l.calls = providers.Limits{}, true, 30, 200 }, 3, 4000},
		{"faults", short, func(l *load) { l.faults = sim.Faults{TooManyRequests: 0.05, Unavailable: 0.05} }, 3, 4000},
		{"faults unlimited", short, func(l *load) { l.limits = providers.Limits{}; l.server = sim.Limits{}; l.silent=true; l.faults = sim.Faults{TooManyRequests: 0.2, Unavailable: 0.05} }, 3, 4000},
		{"faults 0 unlimited", short, func(l *load) { l.limits = providers.Limits{}; l.server = sim.Limits{}; l.silent=true; l.faults = sim.Faults{} }, 3, 4000},
	} {
		t.Run(c.reason, func(t *testing.T) {
			l := c.load
			if c.with != nil {
				c.with(&l)
			}
			m := l.run(t)
			t.Logf("ratio %.4f: %v for a bound of %v, %d requests, %d tokens, %d refused, %d failed", m.ratio(), m.took, m.bound, m.requests, m.tokens, m.refused, m.failed)
			if m.failed > 0 || m.requests != l.calls {
				t.Errorf("%d calls failed, %d were answered: want all %d", m.failed, m.requests, l.calls)
			}
			if m.ratio() > c.ratio || m.ratio() < 0.9 { // far below: the server did not enforce
				t.Errorf("took %.4f of the bound: want at most %v", m.ratio(), c.ratio)
			}
			if m.refused > c.refused {
				t.Errorf("%d attempts were refused: want at most %d", m.refused, c.refused)
			}
		})
	}
}

var _ = errors.Is
var _ = context.Background
var _ = providertest.Func{}
