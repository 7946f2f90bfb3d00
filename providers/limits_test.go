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

// limitPrices names the simulator's models; what they cost is of no interest here.
var limitPrices = providers.Prices{Date: "2026-11-22", Models: map[string]providers.Price{
	sim.ScoutModel: {Input: 1, Output: 1}, sim.MaverickModel: {Input: 1, Output: 1},
	sim.OracleModel: {Input: 1, Output: 1},
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
	clients    int  // that share the limits; 0: one
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
	if _, err := warm.Client().Post(warm.OpenAIURL()+"/chat/completions", "application/json",
		strings.NewReader("{}")); err != nil {
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
		config := providers.ClientConfig{
			Concurrency: l.concurrent, Limits: l.limits, Retry: l.retry, Prices: limitPrices, Among: l.clients,
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
		}
		clients := make([]*providers.Client, max(l.clients, 1))
		for i := range clients {
			clients[i] = client(t, p, config)
		}
		start := time.Now()
		var wg sync.WaitGroup
		for i := range l.calls {
			wg.Go(func() {
				_, err := clients[i%len(clients)].Generate(t.Context(), providers.GenerateRequest{
					Tag:      providers.Tag{Stage: fmt.Sprintf("s%d", i%3), Key: dataset.Key{PromptID: fmt.Sprint(i)}},
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
	if testing.Short() {
		t.Skip("many calls, whose parts other tests watch for races")
	}
	short := load{server: serverLimits, limits: sameLimits, calls: 600, prompt: 1, maxTokens: 3, concurrent: 64}
	// Fifty times the tokens without the work of making them: more than the 667
	// a request at which the two limits meet.
	long := short
	long.faults.Expensive = 50
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
		// The calls that are sent before anybody knows of a limit are refused, and which of them come
		// last of all is the scheduler's: in one run of a hundred their waits make it 1.07.
		{"both learnt, tokens bind", long, func(l *load) { l.limits = providers.Limits{} }, 1.08, 64},
		{"configured too high: the headers correct it", short, func(l *load) { l.limits.RequestsPerMinute = 6000 }, 1.05,
			64},
		{"more may be generated than is", short, func(l *load) { l.maxTokens, l.calls = 4000, 200 }, 1.05, 0},
		{"halved by the server, requests bind", short, func(l *load) { l.server = halved(300) }, 1.15, 20},
		{"halved by the server, tokens bind", long, func(l *load) { l.server = halved(300) }, 1.15, 20},
		{"halved, and learnt from the headers", short, func(l *load) {
			l.server, l.limits = halved(300),
				providers.Limits{}
		}, 1.15, 64},
		{"halved in silence: nothing but refusals tells", short, func(l *load) { l.server, l.silent = halved(300), true },
			1.15, 300},
		{"no limit is known at all", short, func(l *load) { l.limits, l.silent = providers.Limits{}, true }, 1.15, 1500},
		{"refusals at random are not taken for a limit", short, func(l *load) {
			l.faults = sim.Faults{TooManyRequests: 0.05,
				Unavailable: 0.05}
		}, 1.5, 200},
	} {
		t.Run(c.reason, func(t *testing.T) {
			l := c.load
			if c.with != nil {
				c.with(&l)
			}
			m := l.run(t)
			t.Logf("ratio %.4f: %v for a bound of %v, %d requests, %d tokens, %d refused, %d failed", m.ratio(), m.took,
				m.bound, m.requests, m.tokens, m.refused, m.failed)
			if m.failed > 0 || m.requests < l.calls {
				t.Errorf("%d calls failed, %d attempts were let in: want none, and %d", m.failed, m.requests, l.calls)
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

// Cancelling ends a call at the same moment of the fake clock, whatever it
// waits for, and takes nothing from those that go on.
func TestCancellingReturnsAtOnce(t *testing.T) {
	for _, c := range []struct {
		reason string
		config providers.ClientConfig
		first  func(ctx context.Context) error // of the call that is in the way
		called int                             // how often the provider was called when the second call is cancelled
	}{
		{"queued for a slot", providers.ClientConfig{Concurrency: 1}, blocked, 1},
		{"waiting on a limit of requests", providers.ClientConfig{Limits: providers.Limits{RequestsPerMinute: 1}}, nil, 1},
		{"waiting on a limit of tokens", providers.ClientConfig{Limits: providers.Limits{TokensPerMinute: 1}}, nil, 1},
		{"kept back by another call's Retry-After", providers.ClientConfig{}, rateLimited(time.Second), 1},
		{"in flight", providers.ClientConfig{}, blocked, 2},
		{"backing off", providers.ClientConfig{},
			func(context.Context) error { return &providers.Error{Class: providers.ClassOverloaded, Status: 500} }, 2},
	} {
		t.Run(c.reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				called := 0
				var mu sync.Mutex
				p := providertest.Func{OnGenerate: func(ctx context.Context, _ providers.GenerateRequest) (providers.Generation,
					error) {
					mu.Lock()
					called++
					mu.Unlock()
					if c.first == nil {
						return providers.Generation{}, nil
					}
					return providers.Generation{}, c.first(ctx)
				}}
				cl := client(t, p, c.config)
				background, stop := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				wg.Go(func() { _, _ = cl.Generate(background, chatRequest()) })
				synctest.Wait()
				ctx, cancel := context.WithCancel(t.Context())
				wg.Go(func() {
					_, err := cl.Generate(ctx, chatRequest())
					if e := wantError(t, err, providers.ClassCanceled); !errors.Is(e, context.Canceled) {
						t.Errorf("%v: want context.Canceled", e)
					}
				})
				time.Sleep(10 * time.Millisecond)
				synctest.Wait()
				mu.Lock()
				if called != c.called {
					t.Errorf("the provider was called %d times, want %d: another state is tested than the named one", called,
						c.called)
				}
				mu.Unlock()
				start := time.Now()
				cancel()
				stop()
				wg.Wait()
				if d := time.Since(start); d != 0 {
					t.Errorf("returned %v after the cancelling", d)
				}
				if s := cl.LimitStatus("m"); s.InFlight != 0 || s.Waiting != 0 {
					t.Errorf("left behind: %+v", s)
				}
			})
		})
	}
}

func blocked(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func rateLimited(after time.Duration) func(context.Context) error {
	return func(context.Context) error {
		return &providers.Error{Class: providers.ClassRateLimited, Status: 429, Sent: true, RetryAfter: after}
	}
}

// A stage with much to do does not shut out one that comes later with little.
func TestStagesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		waited := map[string]time.Duration{}
		p := providertest.Func{OnGenerate: func(_ context.Context, r providers.GenerateRequest) (providers.Generation,
			error) {
			mu.Lock()
			order = append(order, r.Tag.Key.PromptID)
			mu.Unlock()
			time.Sleep(time.Second)
			return providers.Generation{}, nil
		}}
		cl := client(t, p, providers.ClientConfig{Concurrency: 1})
		var wg sync.WaitGroup
		for _, stage := range []string{"a", "b", "c"} {
			for i := range map[string]int{"a": 6, "b": 3, "c": 1}[stage] {
				wg.Go(func() {
					req := chatRequest()
					req.Tag = providers.Tag{Stage: stage, Key: dataset.Key{PromptID: fmt.Sprintf("%s%d", stage, i)}}
					g, err := cl.Generate(t.Context(), req)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					waited[req.Tag.Key.PromptID] = g.Meta.Waited
				})
				synctest.Wait() // so that they come in this order
			}
		}
		wg.Wait()
		if got, want := strings.Join(order, " "), "a0 b0 c0 a1 b1 a2 b2 a3 a4 a5"; got != want {
			t.Errorf("served %s, want %s", got, want)
		}
		for i, k := range order {
			if want := time.Duration(i) * time.Second; waited[k] != want {
				t.Errorf("%s: told of a wait of %v, want %v", k, waited[k], want)
			}
		}
	})
}

// While one call waits off a long Retry-After, others go, slower; a short one
// keeps them all back.
func TestNoFreezeInsideACooldown(t *testing.T) {
	for _, c := range []struct {
		reason string
		wish   time.Duration
		starts string // of the calls that come after the refusal, in seconds
	}{
		{"a success ends it", 30 * time.Second, "0.0 0.5 0.5 0.5"},
		{"a short wish is everybody's", time.Second, "1.0 1.0 1.0 1.0"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var starts []string
			var begun time.Time
			p := providertest.Func{OnGenerate: func(ctx context.Context, r providers.GenerateRequest) (providers.Generation,
				error) {
				if r.Tag.Key.PromptID == "refused" {
					return providers.Generation{}, rateLimited(c.wish)(ctx)
				}
				mu.Lock()
				starts = append(starts, fmt.Sprintf("%.1f", time.Since(begun).Seconds()))
				mu.Unlock()
				time.Sleep(500 * time.Millisecond)
				return providers.Generation{}, nil
			}}
			cl := client(t, p, providers.ClientConfig{})
			ctx, cancel := context.WithCancel(t.Context())
			var wg, others sync.WaitGroup
			wg.Go(func() {
				req := chatRequest()
				req.Tag.Key = dataset.Key{PromptID: "refused"}
				_, _ = cl.Generate(ctx, req)
			})
			synctest.Wait()
			begun = time.Now()
			for range 4 {
				others.Go(func() {
					if _, err := cl.Generate(t.Context(), chatRequest()); err != nil {
						t.Error(err)
					}
				})
			}
			others.Wait()
			cancel()
			wg.Wait()
			if got := strings.Join(starts, " "); got != c.starts {
				t.Errorf("%s: the others started at %s, want %s", c.reason, got, c.starts)
			}
		})
	}
}

// A server that refuses everything sees one attempt a second while its
// Retry-After lasts, not the herd; when it is over, concurrency was cut once
// for all the refusals of the first moment.
func TestNoHerdAfterRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		at := map[int]int{} // attempts by second
		start := time.Now()
		p := providertest.Func{OnGenerate: func(ctx context.Context, _ providers.GenerateRequest) (providers.Generation,
			error) {
			mu.Lock()
			at[int(time.Since(start).Seconds())]++
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			return providers.Generation{}, rateLimited(10 * time.Second)(ctx)
		}}
		cl := client(t, p, providers.ClientConfig{Concurrency: 32, Retry: providers.Retry{Attempts: 1}})
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() { _, _ = cl.Generate(t.Context(), chatRequest()) })
		}
		time.Sleep(9500 * time.Millisecond)
		mu.Lock()
		if at[0] != 33 { // the first 32, and one probe after their refusal
			t.Errorf("%d attempts in the first second, want 33", at[0])
		}
		probes := 0
		for s := 1; s < 9; s++ {
			if probes += at[s]; at[s] > 1 {
				t.Errorf("%d attempts in second %d, want at most 1", at[s], s)
			}
		}
		if probes < 3 { // each refused probe doubles the gap, from 100 ms
			t.Errorf("%d attempts in eight seconds: that is a freeze", probes)
		}
		mu.Unlock()
		if n := cl.LimitStatus("m").Concurrency; n > 8 {
			t.Errorf("%d may be in flight after ten refusals", n)
		}
		wg.Wait()
	})
}

func TestWaitsForLimitsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var entries []providers.Entry
		p := providertest.Func{OnGenerate: func(context.Context, providers.GenerateRequest) (providers.Generation, error) {
			return providers.Generation{}, nil
		}}
		cl := client(t, p, providers.ClientConfig{Limits: providers.Limits{RequestsPerMinute: 60},
			OnAttempt: func(e providers.Entry) { entries = append(entries, e) }})
		for range 2 {
			g, err := cl.Generate(t.Context(), chatRequest())
			if err != nil {
				t.Fatal(err)
			}
			if d := g.Meta.Waited.Milliseconds(); d != entries[len(entries)-1].WaitedMS {
				t.Errorf("the call says %d ms, its attempt %d ms", d, entries[len(entries)-1].WaitedMS)
			}
		}
		// 1 s at 98% of one a second.
		if entries[0].WaitedMS != 0 || entries[1].WaitedMS != 1020 {
			t.Errorf("waited %d and %d ms, want 0 and 1020", entries[0].WaitedMS, entries[1].WaitedMS)
		}
	})
}

func TestNegativeLimitIsRefused(t *testing.T) {
	_, err := providers.NewClient(providertest.Func{}, providers.ClientConfig{Prices: prices,
		Limits: providers.Limits{GeneratedTokensPerMinute: -1}})
	if err == nil || !strings.Contains(err.Error(), "negative field in Limits") {
		t.Errorf("error %v", err)
	}
}

// Clients that share a key's limits, each in a process of its own, are together not above
// them, and use most of them: whether the limits are configured or learnt from the server.
func TestClientsShareLimits(t *testing.T) {
	for _, l := range []load{
		{limits: sameLimits, concurrent: 16},
		{limits: sameLimits, concurrent: 16, silent: true},
		{concurrent: 2}, // until the first reply nobody knows of a limit
	} {
		l.server, l.clients, l.calls, l.prompt, l.maxTokens = serverLimits, 4, 800, 20, 10
		m := l.run(t)
		if m.refused > 0 || m.failed > 0 || m.ratio() < 1 || m.ratio() > 1.15 {
			t.Errorf("four clients, limits %+v: %d refused, %d failed, %.2f of the least time", l.limits, m.refused, m.failed,
				m.ratio())
		}
	}
}
