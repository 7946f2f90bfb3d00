package providers_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

func TestBudgetAddsUpExactly(t *testing.T) {
	// 0.1 + 0.2 > 0.3 in floating point; three dimes must fit thirty cents.
	b := providers.NewBudget(0.3)
	for range 3 {
		if err := b.Reserve(t.Context(), 0.1); err != nil {
			t.Fatal(err)
		}
		b.Settle(0.1, 0.1)
	}
	if got := b.Spent(); got != 0.3 {
		t.Errorf("spent %v, want 0.3", float64(got))
	}
	wantError(t, b.Reserve(t.Context(), 1e-12), providers.ClassBudget)
	if err := b.Reserve(t.Context(), 0); err != nil {
		t.Errorf("what is free fits a spent budget: %v", err)
	}
}

func TestBudgetWaitsForCallsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := providers.NewBudget(1)
		if err := b.Reserve(t.Context(), 0.8); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- b.Reserve(t.Context(), 0.5) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("Reserve returned %v before anything was released", err)
		default:
		}
		b.Settle(0.8, 0.4)
		if err := <-done; err != nil {
			t.Errorf("0.5 fits after 0.4 was spent: %v", err)
		}
		if b.Spent() != 0.4 || b.Reserved() != 0.5 || b.Limit() != 1 {
			t.Errorf("spent %v, reserved %v, limit %v", b.Spent(), b.Reserved(), b.Limit())
		}
	})
}

func TestBudgetGivesUpWhenNothingCanFreeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := providers.NewBudget(1)
		if err := b.Reserve(t.Context(), 0.8); err != nil {
			t.Fatal(err)
		}
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- b.Reserve(t.Context(), 0.5) }()
		synctest.Wait()
		go func() { second <- b.Reserve(t.Context(), 0.1) }() // queues behind
		synctest.Wait()
		b.Settle(0.8, 0.7) // 0.3 is left: too little for the first for ever, enough for the second
		e := wantError(t, <-first, providers.ClassBudget)
		if !errors.Is(e, providers.ErrBudget) || e.Hint == "" {
			t.Errorf("%v: want ErrBudget and a hint", e)
		}
		if err := <-second; err != nil {
			t.Errorf("0.1 of 0.3 does not fit: %v", err)
		}
		wantError(t, b.Reserve(t.Context(), 2), providers.ClassBudget) // more than the whole
	})
}

func TestBudgetWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := providers.NewBudget(1)
		if err := b.Reserve(t.Context(), 0.8); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		blocked := make(chan error, 1)
		go func() { blocked <- b.Reserve(ctx, 0.9) }()
		synctest.Wait()
		behind := make(chan error, 1)
		go func() { behind <- b.Reserve(t.Context(), 0.2) }()
		if e := wantError(t, <-blocked, providers.ClassTimeout); !errors.Is(e, context.DeadlineExceeded) {
			t.Errorf("%v: want the context's error inside", e)
		}
		if err := <-behind; err != nil {
			t.Errorf("who stood behind a waiter that left is not served: %v", err)
		}
		if b.Reserved() != 1 {
			t.Errorf("reserved %v, want 0.8 + 0.2", b.Reserved())
		}
	})
}

func TestBudgetOfEarlierProcesses(t *testing.T) {
	b := providers.NewBudget(1)
	b.Charge(0.9)
	wantError(t, b.Reserve(t.Context(), 0.2), providers.ClassBudget)
	b.Charge(5)
	if b.Spent() != 5.9 {
		t.Errorf("spent %v: what was spent counts in full, past the limit too", b.Spent())
	}
}

func TestBudgetWithoutLimit(t *testing.T) {
	b := providers.NewBudget(providers.USD(math.Inf(1)))
	for range 100 {
		if err := b.Reserve(t.Context(), 1e4); err != nil {
			t.Fatal(err)
		}
	}
	b.Settle(1e4, 1e4)
	if !math.IsInf(float64(b.Limit()), 1) {
		t.Errorf("limit %v", b.Limit())
	}
}

// The law itself: spent + reserved stays within the limit at every moment, and
// nobody waits for ever.
func TestBudgetIsNeverPassed(t *testing.T) {
	const limit = 1.0
	b := providers.NewBudget(limit)
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(w)))
			for range 200 {
				amount := providers.USD(rng.Float64() * 0.2)
				if err := b.Reserve(context.Background(), amount); err != nil {
					wantError(t, err, providers.ClassBudget)
					continue
				}
				if total := b.Spent() + b.Reserved(); total > limit+1e-11 {
					t.Errorf("spent + reserved is %v", float64(total))
				}
				b.Settle(amount, amount*providers.USD(rng.Float64()*0.02))
			}
		})
	}
	wg.Wait()
	if b.Reserved() != 0 || b.Spent() > limit {
		t.Errorf("spent %v, reserved %v at the end", b.Spent(), b.Reserved())
	}
}

func TestBudgetMisuse(t *testing.T) {
	for reason, misuse := range map[string]func(){
		"negative limit":       func() { providers.NewBudget(-1) },
		"NaN":                  func() { providers.NewBudget(1).Charge(providers.USD(math.NaN())) },
		"settling too much":    func() { providers.NewBudget(1).Settle(0.5, 0) },
		"negative reservation": func() { providers.NewBudget(1).Reserve(context.Background(), -1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", reason)
				}
			}()
			misuse()
		}()
	}
}

// A batch holds its reservation until it has ended, and only free calls move it. They
// must go through although every slot is taken by calls that wait for that money.
func TestFreeCallsDoNotWaitForTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const batch = 1 - 1e-9
		b := providers.NewBudget(1)
		if err := b.Reserve(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		s := providertest.NewPipeServer(t, ok())
		c := client(t, openAI(t, s), providers.ClientConfig{Budget: b, Concurrency: 1})
		paid := make(chan error, 1)
		go func() {
			_, err := c.Generate(t.Context(), chatRequest())
			paid <- err
		}()
		synctest.Wait() // it has the one slot, and waits for money
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		poll := providers.Call{Op: "get batch", Model: "gpt-4o-mini", Endpoint: "batches"}
		if ended, err := providers.Free(ctx, c, poll, func(context.Context) (bool, error) { return true, nil }); !ended ||
			err != nil {
			t.Errorf("the batch cannot be asked for: %v", err)
		}
		if n := len(s.Requests()); n != 0 {
			t.Errorf("%d requests before there was money", n)
		}
		b.Settle(batch, 0)
		if err := <-paid; err != nil || len(s.Requests()) != 1 {
			t.Errorf("the call that waited: %v, %d requests", err, len(s.Requests()))
		}
	})
}
