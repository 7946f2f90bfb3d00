package providers_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reweigh/reweigh/dataset"
	_ "github.com/reweigh/reweigh/internal/lessgc"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// everyFault injects each transport fault of the simulator at 5%.
const everyFault = "429=0.05,500=0.05,503=0.05,reset=0.05,truncate=0.05,slow=0.05:1ms"

// How the drill's caller gives a call up, by its number modulo 50.
const (
	cancelOnArrival = 7  // when the server has the request
	cancelAfterWork = 17 // when the answer is written and billed
	cancelInBackoff = 27 // after a failed attempt
	cancelBefore    = 37 // before anything
)

// drillCall makes the i-th call of a mix and returns what its result says.
func drillCall(ctx context.Context, fw, oai *providers.Client, i int) (providers.Meta, error) {
	tag := drillTag(i)
	few := offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 4}
	text := fmt.Sprintf("Why is %d even?", i)
	switch i % 4 {
	case 0:
		s, err := fw.ScorePrompt(ctx, providers.ScoreRequest{Tag: tag, Model: sim.ScoutModel, Prompt: text})
		return s.Meta, err
	case 1:
		g, err := fw.Generate(ctx, providers.GenerateRequest{Tag: tag, Model: sim.ScoutModel, Prompt: text, Sampling: few,
			LogProbs: true})
		return g.Meta, err
	case 2:
		g, err := fw.Generate(ctx, providers.GenerateRequest{Tag: tag, Model: sim.MaverickModel,
			Messages: []dataset.Message{{Role: "user", Content: text}}, Sampling: few})
		return g.Meta, err
	}
	g, err := oai.Generate(ctx, providers.GenerateRequest{Tag: tag, Model: sim.JudgeModel,
		Messages: []dataset.Message{{Role: "user", Content: text}}, Sampling: few})
	return g.Meta, err
}

func drillTag(i int) providers.Tag {
	return providers.Tag{Stage: "drill", Key: dataset.Key{PromptID: fmt.Sprintf("q%05d", i), Policy: "p"}}
}

// TestAccounting: under every transport fault, with some calls cancelled in
// every state, each call is in the ledger once, and the ledger is the server's
// own bill to the picodollar wherever usage was seen.
func TestAccounting(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		n := drillCalls()
		if testing.Short() {
			n = 1000
		}
		account(t, n, true)
	})
	t.Run("loopback", func(t *testing.T) { account(t, min(drillCalls(), 1000), false) })
}

func account(t *testing.T, n int, inMemory bool) {
	before := runtime.NumGoroutine()
	d := newDrillServer(t, everyFault, inMemory)
	prices := simPrices(t)

	// cancels holds the calls to be given up, by request id, and by key.
	var cancels sync.Map
	type given struct {
		cancel context.CancelFunc
		when   int
	}
	d.onRequest = func(id string) func() {
		g, ok := cancels.Load(id)
		if !ok {
			return nil
		}
		switch g := g.(given); g.when {
		case cancelOnArrival:
			g.cancel()
		case cancelAfterWork:
			return g.cancel
		}
		return nil
	}
	ledger := &providers.MemoryLedger{}
	budget := providers.NewBudget(1000)
	fw, oai := d.clients(t, providers.ClientConfig{
		Concurrency: 64, Prices: prices, Ledger: ledger, Budget: budget,
		Retry: providers.Retry{Attempts: 3, Base: time.Millisecond, Max: 4 * time.Millisecond},
		OnAttempt: func(e providers.Entry) {
			if g, ok := cancels.Load(e.RequestID); ok && g.(given).when == cancelInBackoff && e.Outcome != providers.OutcomeOK {
				g.(given).cancel()
			}
		},
	})

	type outcome struct {
		meta providers.Meta
		err  error
	}
	results := make([]outcome, n)
	next := make(chan int)
	var workers sync.WaitGroup
	start := time.Now()
	for range 64 {
		workers.Go(func() {
			for i := range next {
				ctx, cancel := context.WithCancel(context.Background())
				switch when := i % 50; when {
				case cancelOnArrival, cancelAfterWork, cancelInBackoff:
					cancels.Store(providers.RequestID(drillTag(i)), given{cancel, when})
				case cancelBefore:
					cancel()
				}
				results[i].meta, results[i].err = drillCall(ctx, fw, oai, i)
				cancel()
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	took := time.Since(start)
	opened := d.opened.Load()
	d.stop()
	// What is left of the drill besides what was there before.
	settles(t, "goroutines", func() int64 { return int64(runtime.NumGoroutine()) }, int64(before))

	// Every call, by its own result.
	byKey := map[string][]providers.Entry{}
	ids := map[string]bool{}
	entries := ledger.Entries()
	for _, e := range entries {
		if ids[e.ID] {
			t.Errorf("attempt %s stands twice", e.ID)
		}
		ids[e.ID] = true
		if e.Outcome == providers.OutcomeInFlight {
			t.Errorf("attempt %s never ended", e.ID)
		}
		byKey[e.Key] = append(byKey[e.Key], e)
	}
	calls := map[string]int{}
	for i, r := range results {
		own := byKey[drillTag(i).Key.String()]
		delete(byKey, drillTag(i).Key.String())
		class := providers.OutcomeOK
		var e *providers.Error
		switch {
		case errors.As(r.err, &e):
			class = string(e.Class)
			r.meta = e.Meta
		case r.err != nil:
			t.Fatalf("call %d: an error of no class: %v", i, r.err)
		}
		calls[class]++
		okays := 0
		for k, entry := range own {
			if entry.Attempt != k+1 {
				t.Errorf("call %d: attempt %d is numbered %d", i, k+1, entry.Attempt)
			}
			if entry.Outcome == providers.OutcomeOK {
				okays++
			}
		}
		switch {
		case r.meta.Attempts != len(own):
			t.Errorf("call %d: %d attempts, %d in the ledger", i, r.meta.Attempts, len(own))
		case class == providers.OutcomeOK && (okays != 1 || own[len(own)-1].Outcome != providers.OutcomeOK):
			t.Errorf("call %d succeeded, and the ledger has %d successes in %d attempts", i, okays, len(own))
		case class != providers.OutcomeOK && okays != 0:
			t.Errorf("call %d failed (%s), and the ledger has a success", i, class)
		case class != providers.OutcomeOK && e.Class != providers.ClassCanceled &&
			(len(own) == 0 || own[len(own)-1].Outcome != class):
			t.Errorf("call %d failed (%s), and the ledger ends otherwise: %+v", i, class, own)
		case e != nil && e.Class == providers.ClassCanceled && !errors.Is(r.err, context.Canceled):
			t.Errorf("call %d: %v does not wrap context.Canceled", i, r.err)
		}
	}
	for key := range byKey {
		t.Errorf("the ledger has attempts of %s, which nobody called", key)
	}

	// The money.
	var seen, served, reserved int64
	unknown, seenCalls := 0, 0
	payable := map[string]int{} // by request id: attempts that may have been billed
	used := map[string]bool{}
	for _, e := range entries {
		switch {
		case !e.UsageKnown:
			unknown++
			reserved += pico(e.Cost)
			payable[e.RequestID]++
			if e.Cost <= 0 {
				t.Errorf("%s: unknown usage is carried at %v", e.ID, e.Cost)
			}
		case e.Outcome == providers.OutcomeOK:
			seenCalls++
			payable[e.RequestID]++
			b, ok := d.answers[e.ServerRequestID]
			if !ok || used[e.ServerRequestID] {
				t.Fatalf("%s: the server's answer %q is not one that it sent whole, once", e.ID, e.ServerRequestID)
			}
			used[e.ServerRequestID] = true
			price, err := prices.For(b.model)
			if err != nil {
				t.Fatal(err)
			}
			seen += pico(e.Cost)
			served += b.pico(price)
			if e.Served != b.model || int64(e.PromptTokens) != b.prompt || int64(e.CompletionTokens) != b.completion ||
				int64(e.CachedTokens) != b.cached {
				t.Errorf("%s: %+v in the ledger, %+v on the server", e.ID, e, b)
			}
		case e.Cost != 0:
			t.Errorf("%s: a failure whose usage is known to be none costs %v", e.ID, e.Cost)
		}
	}
	bill, total := d.sim.Bill(), d.total(t, prices)
	if seen != served {
		t.Errorf("usage seen: %d picodollars in the ledger, %d on the server", seen, served)
	}
	if total < seen || total > seen+reserved {
		t.Errorf("the bill of %d is outside [%d, %d]", total, seen, seen+reserved)
	}
	if got := pico(budget.Spent()); got != seen+reserved || budget.Reserved() != 0 {
		t.Errorf("the budget has %d spent and %v reserved, the ledger %d", got, budget.Reserved(), seen+reserved)
	}
	for id, n := range bill.Replies {
		if n > payable[id] {
			t.Errorf("%s was billed %d times, and %d attempts may have been", id, n, payable[id])
		}
	}
	var classes []string
	for _, c := range []string{"ok", "canceled", "rate_limited", "overloaded", "network", "broken_reply"} {
		if calls[c] == 0 {
			t.Errorf("no call ended as %s: the drill does not reach it", c)
		}
		classes = append(classes, fmt.Sprintf("%s %d", c, calls[c]))
		delete(calls, c)
	}
	if len(calls) != 0 {
		t.Errorf("calls ended otherwise: %v", calls)
	}
	t.Logf("%d calls in %.1fs, %d attempts, %d connections: %s", n, took.Seconds(), len(entries), opened,
		strings.Join(classes, ", "))
	t.Logf("bill $%.8f in [$%.8f seen in %d answers, $%.8f with %d reservations]; server counts %d answers",
		float64(total)/1e12, float64(seen)/1e12, seenCalls, float64(seen+reserved)/1e12, unknown, bill.Total.Calls)
}
