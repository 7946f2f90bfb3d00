package providers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

// bound is the reservation of chatRequest at prices: 128 tokens for the
// context, 32 + len("user") + len("Hi <b>") for its message, at $1e-6, and 10
// completion tokens at $2e-6.
const bound = providers.USD((128 + 32 + 4 + 6 + 2*10) / 1e6)

// paid is what okChat costs: 12 fresh prompt tokens, 8 cached, 3 completion.
const paid = providers.USD((12 + 8*0.5 + 3*2) / 1e6)

var approx = cmpopts.EquateApprox(1e-9, 0)

func client(t testing.TB, p providers.Provider, c providers.ClientConfig) *providers.Client {
	t.Helper()
	if c.Prices.Models == nil {
		c.Prices = prices
	}
	out, err := providers.NewClient(p, c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func ok() providertest.Reply { return providertest.Reply{Body: okChat} }

func status(n int) providertest.Reply {
	return providertest.Reply{Status: n, Body: fmt.Sprintf(`{"error":{"message":"status %d"}}`, n)}
}

func TestClientRetries(t *testing.T) {
	for _, c := range []struct {
		reason   string
		replies  []providertest.Reply
		attempts int
		class    providers.Class // empty: success
	}{
		{"nothing failed", []providertest.Reply{ok()}, 1, ""},
		{"what a later attempt may cure", []providertest.Reply{status(500), status(429), {Reset: true},
			{Body: okChat, Cut: true}, status(408), ok()}, 6, ""},
		{"seven attempts and no more", []providertest.Reply{status(503)}, 7, providers.ClassOverloaded},
		{"a bad key is bad the second time too", []providertest.Reply{status(401), ok()}, 1, providers.ClassAuth},
		{"so is an empty balance", []providertest.Reply{{Status: 429, Body: `{"error":{"code":"insufficient_quota"}}`},
			ok()}, 1, providers.ClassQuota},
		{"so is a bad request, found after a retry", []providertest.Reply{status(500), status(400), ok()}, 2,
			providers.ClassBadRequest},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := providertest.NewPipeServer(t, c.replies...)
			var ledger providers.MemoryLedger
			g, err := client(t, openAI(t, s), providers.ClientConfig{Ledger: &ledger}).Generate(t.Context(), chatRequest())
			meta := g.Meta
			if c.class != "" {
				meta = wantError(t, err, c.class).Meta
			} else if err != nil {
				t.Errorf("%s: %v", c.reason, err)
			}
			requests := s.Requests()
			if len(requests) != c.attempts || meta.Attempts != c.attempts || len(ledger.Entries()) != c.attempts {
				t.Errorf("%s: %d requests, %d attempts told, %d in the ledger: want %d", c.reason, len(requests), meta.Attempts,
					len(ledger.Entries()), c.attempts)
			}
			// The waits: the n-th is in [d/2, d), d = 500 ms · 2ⁿ⁻¹; the fake
			// clock shows them exactly.
			var waited time.Duration
			for i := 1; i < len(requests); i++ {
				d := 500 * time.Millisecond << (i - 1)
				got := requests[i].At.Sub(requests[i-1].At)
				if waited += got; got < d/2 || got >= d {
					t.Errorf("%s: wait %d took %v: want [%v, %v)", c.reason, i, got, d/2, d)
				}
				if requests[i].Header.Get("X-Request-Id") != requests[0].Header.Get("X-Request-Id") {
					t.Errorf("%s: a retry has another request id", c.reason)
				}
			}
			if meta.Waited != waited {
				t.Errorf("%s: Waited %v, want %v", c.reason, meta.Waited, waited)
			}
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for _, c := range []struct {
		reason, after string
		want          time.Duration
	}{
		{"longer than the backoff", "20", 20 * time.Second},
		{"up to the cap", "60", time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			reply := status(429)
			reply.Header = map[string]string{"Retry-After": c.after}
			s := providertest.NewPipeServer(t, reply, ok())
			g, err := client(t, openAI(t, s), providers.ClientConfig{}).Generate(t.Context(), chatRequest())
			if err != nil || g.Meta.Waited != c.want {
				t.Errorf("%s: waited %v, want %v (%v)", c.reason, g.Meta.Waited, c.want, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		reply := status(429)
		reply.Header = map[string]string{"Retry-After": "61"}
		s := providertest.NewPipeServer(t, reply, ok())
		start := time.Now()
		_, err := client(t, openAI(t, s), providers.ClientConfig{}).Generate(t.Context(), chatRequest())
		e := wantError(t, err, providers.ClassRateLimited)
		if time.Since(start) != 0 || len(s.Requests()) != 1 || !strings.Contains(e.Hint, "1m1s") {
			t.Errorf("a wish past the cap: %v passed, %d requests, hint %q", time.Since(start), len(s.Requests()), e.Hint)
		}
	})
}

func TestJitterIsTheCallsOwn(t *testing.T) {
	waits := func(req providers.GenerateRequest) (d time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			s := providertest.NewPipeServer(t, status(500), ok())
			g, err := client(t, openAI(t, s), providers.ClientConfig{}).Generate(t.Context(), req)
			if err != nil {
				t.Error(err)
			}
			d = g.Meta.Waited
		})
		return d
	}
	other := chatRequest()
	other.Tag.Key = dataset.Key{PromptID: "q2", Policy: "p0"}
	a, b, c := waits(chatRequest()), waits(chatRequest()), waits(other)
	if a != b || a == c {
		t.Errorf("waits %v and %v of one call, %v of another: want equal, and different", a, b, c)
	}
}

func TestCancelEndsAWaitAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reply := status(429)
		reply.Header = map[string]string{"Retry-After": "30"}
		s := providertest.NewPipeServer(t, reply)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := client(t, openAI(t, s), providers.ClientConfig{}).Generate(ctx, chatRequest())
		e := wantError(t, err, providers.ClassCanceled)
		if got := time.Since(start); got != time.Second || e.Meta.Waited != time.Second {
			t.Errorf("ended after %v, Waited %v: want 1s", got, e.Meta.Waited)
		}
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "status 429") {
			t.Errorf("%v: want the context's error and the last cause", err)
		}
	})
}

func TestDeadlineKeepsTheLastCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := providertest.NewPipeServer(t, status(500), providertest.Reply{Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := client(t, openAI(t, s), providers.ClientConfig{}).Generate(ctx, chatRequest())
		e := wantError(t, err, providers.ClassTimeout)
		if !errors.Is(err, context.DeadlineExceeded) || e.Status != 500 || e.Meta.Attempts != 2 {
			t.Errorf("%v: want the deadline, status 500 and 2 attempts", err)
		}
		var last *providers.Error
		if !errors.As(e.Err, &last) || last.Class != providers.ClassOverloaded {
			t.Errorf("the last cause is %v", last)
		}
	})
}

func TestContextThatEndedBefore(t *testing.T) {
	s := providertest.NewServer(t, ok())
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the user pressed ^C")
	cancel(why)
	var ledger providers.MemoryLedger
	_, err := client(t, openAI(t, s), providers.ClientConfig{Ledger: &ledger}).Generate(ctx, chatRequest())
	wantError(t, err, providers.ClassCanceled)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
		t.Errorf("%v: want context.Canceled and its cause", err)
	}
	if len(s.Requests()) != 0 || len(ledger.Entries()) != 0 {
		t.Error("something was sent or recorded")
	}
}

func TestAttemptTimeoutIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := providertest.NewPipeServer(t, providertest.Reply{Hang: true}, ok())
		var ledger providers.MemoryLedger
		budget := providers.NewBudget(1)
		c := client(t, openAI(t, s), providers.ClientConfig{Ledger: &ledger, Budget: budget,
			Retry: providers.Retry{AttemptTimeout: 10 * time.Second}})
		g, err := c.Generate(t.Context(), chatRequest())
		if err != nil || g.Meta.Attempts != 2 {
			t.Fatalf("attempts %d, %v", g.Meta.Attempts, err)
		}
		got := ledger.Entries()
		if got[0].Outcome != "timeout" || got[0].LatencyMS != 10_000 || got[0].UsageKnown {
			t.Errorf("%+v: want a timeout after 10 s of unknown usage", got[0])
		}
		// It may have been billed, so it stays at its reservation.
		if diff := cmp.Diff(bound+paid, budget.Spent(), approx); diff != "" {
			t.Errorf("spent (-want +got):\n%s", diff)
		}
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inFlight, most, calls atomic.Int64
		p := providertest.Func{OnGenerate: func(ctx context.Context, req providers.GenerateRequest) (providers.Generation,
			error) {
			n := inFlight.Add(1)
			defer inFlight.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			calls.Add(1)
			time.Sleep(time.Second)
			return providers.Generation{Usage: &providers.Usage{}}, nil
		}}
		c := client(t, p, providers.ClientConfig{Concurrency: 3})
		start := time.Now()
		var wg sync.WaitGroup
		for range 9 {
			wg.Go(func() {
				if _, err := c.Generate(t.Context(), chatRequest()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most.Load() != 3 || time.Since(start) != 3*time.Second {
			t.Errorf("%d in flight at most, all done after %v: want 3 and 3s", most.Load(), time.Since(start))
		}
	})
}

func TestSlotIsFreeWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := providertest.Func{OnGenerate: func(ctx context.Context, req providers.GenerateRequest) (providers.Generation,
			error) {
			if req.Tag.Key.PromptID == "waits" {
				return providers.Generation{}, &providers.Error{Class: providers.ClassRateLimited, Status: 429, RetryAfter: 30 *
					time.Second}
			}
			return providers.Generation{Usage: &providers.Usage{}}, nil
		}}
		c := client(t, p, providers.ClientConfig{Concurrency: 1, Retry: providers.Retry{Attempts: 2}})
		go c.Generate(t.Context(), providers.GenerateRequest{Tag: providers.Tag{Key: dataset.Key{PromptID: "waits"}},
			Model: "m", Prompt: "x", Sampling: sampling})
		synctest.Wait()
		start := time.Now()
		if _, err := c.Generate(t.Context(), chatRequest()); err != nil || time.Since(start) != 0 {
			t.Errorf("the other call had to wait %v (%v)", time.Since(start), err)
		}
		time.Sleep(time.Minute)
	})
}

func TestLedgerAndCost(t *testing.T) {
	for _, c := range []struct {
		reason  string
		reply   providertest.Reply
		outcome string
		status  int
		cost    providers.USD
		known   bool
	}{
		{"an answer costs what it used", ok(), "ok", 200, paid, true},
		{"an answer without usage stays at its reservation",
			providertest.Reply{Body: `{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}`}, "ok", 200, bound,
			false},
		{"a refusal costs nothing", status(429), "rate_limited", 429, 0, true},
		{"nor does a server error", status(500), "overloaded", 500, 0, true},
		{"load shedding costs nothing", status(503), "overloaded", 503, 0, true},
		{"behind a proxy that gave up, the server may have gone on", status(504), "overloaded", 504, bound, false},
		{"or have answered, and the answer been lost", status(502), "overloaded", 502, bound, false},
		{"or not have been done in time", status(408), "timeout", 408, bound, false},
		{"Cloudflare's own statuses say the same", status(524), "overloaded", 524, bound, false},
		{"an answer that broke off may have been billed", providertest.Reply{Body: okChat, Cut: true}, "broken_reply", 200,
			bound, false},
		{"so may a connection that broke", providertest.Reply{Reset: true}, "network", 0, bound, false},
		{"an answer of no use costs what it used",
			providertest.Reply{Body: `{"choices":[{"message":{"content":null},"finish_reason":"content_filter"}],"usage":{"prompt_tokens":20,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":8}}}`}, "content_filtered", 200, paid, true},
	} {
		s := providertest.NewServer(t, c.reply)
		var ledger providers.MemoryLedger
		var told []providers.Entry
		budget := providers.NewBudget(1)
		config := providers.ClientConfig{Ledger: &ledger, Budget: budget, Retry: providers.Retry{Attempts: 1},
			OnAttempt: func(e providers.Entry) { told = append(told, e) }}
		client(t, openAI(t, s), config).Generate(t.Context(), chatRequest())
		got := ledger.Entries()
		if diff := cmp.Diff(got, told); diff != "" {
			t.Errorf("%s: OnAttempt was told otherwise:\n%s", c.reason, diff)
		}
		want := providers.Entry{
			Stage: "p0", Key: "q1/p0/0", Policy: "p0", Provider: "openai", Model: "m", Endpoint: "chat/completions",
			Outcome: c.outcome, Status: c.status, RequestID: providers.RequestID(chatRequest().Tag), Cost: c.cost, Attempt: 1,
			UsageKnown: c.known,
		}
		if c.cost == paid {
			want.PromptTokens, want.CompletionTokens, want.CachedTokens = 20, 3, 8
		}
		if c.outcome == "ok" && c.known {
			want.Served = "m-served"
		}
		if diff := cmp.Diff([]providers.Entry{want}, got, approx, cmpopts.IgnoreFields(providers.Entry{}, "ID", "LatencyMS",
			"WaitedMS")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
		if !strings.HasPrefix(got[0].ID, want.RequestID+"#1-") {
			t.Errorf("%s: id %q", c.reason, got[0].ID)
		}
		if diff := cmp.Diff(c.cost, budget.Spent(), approx); diff != "" || budget.Reserved() != 0 {
			t.Errorf("%s: reserved %v, spent (-want +got):\n%s", c.reason, budget.Reserved(), diff)
		}
	}
}

func TestLedgerIsWrittenBeforeTheAttempt(t *testing.T) {
	var ledger providers.MemoryLedger
	p := providertest.Func{OnGenerate: func(context.Context, providers.GenerateRequest) (providers.Generation, error) {
		e := ledger.Entries()
		if len(e) != 1 || e[0].Outcome != "in_flight" || e[0].UsageKnown || cmp.Diff(bound, e[0].Cost, approx) != "" {
			t.Errorf("while the attempt is out, the ledger says %+v", e)
		}
		return providers.Generation{Usage: &providers.Usage{}}, nil
	}}
	if _, err := client(t, p, providers.ClientConfig{Ledger: &ledger}).Generate(t.Context(), chatRequest()); err != nil {
		t.Error(err)
	}
}

func TestAttemptIDsAreUnique(t *testing.T) {
	s := providertest.NewServer(t, ok())
	var ledger providers.MemoryLedger
	for range 2 { // two clients stand for a run and its resumption
		c := client(t, openAI(t, s), providers.ClientConfig{Ledger: &ledger})
		for range 2 {
			if _, err := c.Generate(t.Context(), chatRequest()); err != nil {
				t.Fatal(err) // MemoryLedger refuses an id twice
			}
		}
	}
	if n := len(ledger.Entries()); n != 4 {
		t.Errorf("%d entries, want 4", n)
	}
}

type brokenLedger struct{ begin, end error }

func (l brokenLedger) Begin(providers.Entry) error { return l.begin }
func (l brokenLedger) End(providers.Entry) error   { return l.end }

func TestBrokenLedgerStopsSpending(t *testing.T) {
	full := errors.New("no space left on device")
	for reason, c := range map[string]struct {
		ledger brokenLedger
		sent   int
	}{
		"what cannot be recorded is not sent":              {brokenLedger{begin: full}, 0},
		"what cannot be settled is not sent a second time": {brokenLedger{end: full}, 1},
	} {
		s := providertest.NewServer(t, status(500))
		budget := providers.NewBudget(1)
		_, err := client(t, openAI(t, s), providers.ClientConfig{Ledger: c.ledger, Budget: budget}).Generate(t.Context(),
			chatRequest())
		wantError(t, err, providers.ClassLedger)
		if !errors.Is(err, full) || len(s.Requests()) != c.sent || budget.Reserved() != 0 {
			t.Errorf("%s: %d requests, %v reserved, %v", reason, len(s.Requests()), budget.Reserved(), err)
		}
	}
}

func TestBudgetIsNotPassed(t *testing.T) {
	s := providertest.NewServer(t, ok())
	budget := providers.NewBudget(bound + 2.5*paid) // the reservation fits while at most 2.5 answers are paid
	var ledger providers.MemoryLedger
	c := client(t, openAI(t, s), providers.ClientConfig{Budget: budget, Ledger: &ledger, Concurrency: 4})
	var refused atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := c.Generate(t.Context(), chatRequest()); err != nil {
				var e *providers.Error
				if !errors.As(err, &e) || e.Class != providers.ClassBudget || e.Model != "m" || e.Provider != "openai" || e.Sent {
					t.Errorf("%v", err)
				}
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if n := len(s.Requests()); n != 3 || refused.Load() != 5 || len(ledger.Entries()) != 3 {
		t.Errorf("%d requests, %d refused, %d in the ledger: want 3, 5, 3", n, refused.Load(), len(ledger.Entries()))
	}
	if budget.Spent() > budget.Limit() || budget.Reserved() != 0 {
		t.Errorf("spent %v of %v, reserved %v", budget.Spent(), budget.Limit(), budget.Reserved())
	}
}

func TestBudgetRefusalKeepsWhyItWasTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := providertest.NewPipeServer(t, providertest.Reply{Reset: true}, ok())
		_, err := client(t, openAI(t, s),
			providers.ClientConfig{Budget: providers.NewBudget(1.5 * bound)}).Generate(t.Context(), chatRequest())
		wantError(t, err, providers.ClassBudget)
		if !errors.Is(err, providers.ErrBudget) || !errors.Is(err, io.EOF) {
			t.Errorf("%v: want ErrBudget and the failure of the first attempt", err)
		}
	})
}

func TestUnpricedModelIsRefused(t *testing.T) {
	s := providertest.NewServer(t, ok())
	var ledger providers.MemoryLedger
	c := client(t, openAI(t, s), providers.ClientConfig{Ledger: &ledger})
	req, score := chatRequest(), scoreRequest()
	req.Model, score.Model = "unpriced", "unpriced"
	_, err := c.Generate(t.Context(), req)
	wantError(t, err, providers.ClassBadRequest)
	_, err2 := c.ScorePrompt(t.Context(), score)
	for _, err := range []error{err, err2} {
		if !errors.Is(err, providers.ErrNoPrice) {
			t.Errorf("%v: want ErrNoPrice", err)
		}
	}
	if len(s.Requests()) != 0 || len(ledger.Entries()) != 0 {
		t.Error("something was sent or recorded")
	}
}

func TestInvalidRequestIsNoAttempt(t *testing.T) {
	var ledger providers.MemoryLedger
	c := client(t, providertest.Func{}, providers.ClientConfig{Ledger: &ledger})
	_, err := c.Generate(t.Context(), providers.GenerateRequest{Model: "m"})
	wantError(t, err, providers.ClassBadRequest)
	if len(ledger.Entries()) != 0 {
		t.Error("it stands in the ledger")
	}
}

func TestClientOverForeignProviders(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		reason string
		err    error
		class  providers.Class
	}{
		{"an error of no class is not tried again", boom, providers.ClassUnknown},
		{"a method that the service lacks", fmt.Errorf("no: %w", errors.ErrUnsupported), providers.ClassBadRequest},
		{"an Error without a class", &providers.Error{Err: boom}, providers.ClassUnknown},
		{"an Error inside another", fmt.Errorf("wrapped: %w", &providers.Error{Class: providers.ClassAuth, Err: boom}),
			providers.ClassAuth},
	} {
		calls := 0
		p := providertest.Func{OnGenerate: func(context.Context, providers.GenerateRequest) (providers.Generation, error) {
			calls++
			return providers.Generation{}, c.err
		}}
		_, err := client(t, p, providers.ClientConfig{}).Generate(t.Context(), chatRequest())
		e := wantError(t, err, c.class)
		if calls != 1 || e.Op != "generate" || e.Provider != "func" || e.Model != "m" || e.Tag != chatRequest().Tag ||
			e.Meta.Attempts != 1 {
			t.Errorf("%s: %d calls, %+v", c.reason, calls, e)
		}
		var own *providers.Error
		if errors.As(c.err, &own) && own.Op != "" {
			t.Errorf("%s: the provider's own error was changed", c.reason)
		}
	}
}

func TestClientScoreAndModels(t *testing.T) {
	s := providertest.NewServer(t,
		providertest.Reply{Body: `{"model":"m","choices":[{"text":"Hi there","prompt_token_ids":[1,2],"logprobs":{"content":[{"token":"Hi","logprob":0},{"token":" there","logprob":-2}]}}],"usage":{"prompt_tokens":2,"completion_tokens":0}}`},
		providertest.Reply{Body: `{"data":[{"id":"m"}]}`})
	var ledger providers.MemoryLedger
	budget := providers.NewBudget(1)
	p := fireworks(t, s)
	c := client(t, p, providers.ClientConfig{Ledger: &ledger, Budget: budget})
	if c.Provider() != providers.Provider(p) {
		t.Error("Provider is another")
	}
	got, err := c.ScorePrompt(t.Context(), scoreRequest())
	if err != nil || len(got.Tokens) != 2 || got.Meta.Attempts != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	models, err := c.Models(t.Context())
	if err != nil || len(models) != 1 {
		t.Errorf("%+v, %v", models, err)
	}
	want := []providers.Entry{
		{Stage: "logprobs", Key: "q1/p0/0", Policy: "p0", Call: "joint", Provider: "fireworks", Model: "m", Served: "m",
			Endpoint: "completions", Outcome: "ok", Status: 200,
			RequestID: providers.RequestID(scoreRequest().Tag), PromptTokens: 2, Cost: 2e-6, Attempt: 1, UsageKnown: true},
		{Stage: "preflight", Key: "models", Provider: "fireworks", Endpoint: "models", Outcome: "ok", Status: 200,
			RequestID: providers.RequestID(providers.Tag{Stage: "preflight", Key: dataset.Key{PromptID: "models"}}), Attempt: 1,
			UsageKnown: true},
	}
	if diff := cmp.Diff(want, ledger.Entries(), approx, cmpopts.IgnoreFields(providers.Entry{}, "ID", "LatencyMS",
		"WaitedMS")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestClientConfigIsChecked(t *testing.T) {
	p := providertest.Func{}
	for reason, c := range map[string]providers.ClientConfig{
		"no prices":            {},
		"negative concurrency": {Prices: prices, Concurrency: -1},
		"negative attempts":    {Prices: prices, Retry: providers.Retry{Attempts: -1}},
		"base over max":        {Prices: prices, Retry: providers.Retry{Base: time.Minute, Max: time.Second}},
	} {
		if _, err := providers.NewClient(p, c); err == nil {
			t.Errorf("%s: accepted", reason)
		}
	}
}

func TestBound(t *testing.T) {
	for _, c := range []struct {
		reason string
		got    providers.Usage
		want   providers.Usage
	}{
		{"bytes, never fewer than tokens, and 16 more", promptRequest().Bound(), providers.Usage{PromptTokens: 2 + 16,
			CompletionTokens: 10}},
		{"ids are counted", providers.GenerateRequest{PromptIDs: []int{1, 2, 3}, Sampling: sampling}.Bound(),
			providers.Usage{PromptTokens: 3 + 16, CompletionTokens: 10}},
		{"framing of messages", chatRequest().Bound(), providers.Usage{PromptTokens: 128 + 32 + 10, CompletionTokens: 10}},
		{"a schema is part of the prompt", func() providers.Usage {
			r := promptRequest()
			r.Schema = &providers.Schema{Name: "s", Schema: map[string]any{"a": 1}} // {"a":1}
			return r.Bound()
		}(), providers.Usage{PromptTokens: 2 + 16 + 7, CompletionTokens: 10}},
		{"several completions are paid for", func() providers.Usage {
			r := promptRequest()
			r.Extra = map[string]any{"n": 3, "max_tokens": 20.0}
			return r.Bound()
		}(), providers.Usage{PromptTokens: 2 + 16, CompletionTokens: 60}},
		{"scoring: some servers generate one token and drop it", scoreRequest().Bound(),
			providers.Usage{PromptTokens: 8 + 16, CompletionTokens: 1}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}
