package providers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// spend makes the calls of the budget drill that done lacks, by 64 workers.
func spend(t *testing.T, d *drillServer, c providers.ClientConfig, done map[int]bool) (errs []error) {
	t.Helper()
	c.Concurrency, c.Retry = 64, providers.Retry{Attempts: 4, Base: time.Millisecond, Max: 2 * time.Millisecond}
	_, oai := d.clients(t, c)
	text := strings.Repeat("Every good run counts what it spends before it spends it. ", 24)
	var mu sync.Mutex
	var workers sync.WaitGroup
	next := make(chan int)
	for range 64 {
		workers.Go(func() {
			for i := range next {
				_, err := oai.Generate(context.Background(), providers.GenerateRequest{
					Tag: drillTag(i), Model: sim.OracleModel,
					Messages: []dataset.Message{{Role: "user", Content: fmt.Sprint(i, " ", text)}},
					Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 4},
				})
				mu.Lock()
				if err == nil {
					done[i] = true
				} else {
					errs = append(errs, err)
				}
				mu.Unlock()
			}
		})
	}
	for i := range budgetWork {
		mu.Lock()
		skip := done[i]
		mu.Unlock()
		if !skip {
			next <- i
		}
	}
	close(next)
	workers.Wait()
	return errs
}

// TestBudgetDrill: $0.50 for work worth $2 stops at $0.50 on the server's own
// bill, and what it bought is not bought again with more.
func TestBudgetDrill(t *testing.T) {
	d := newDrillServer(t, "", true)
	prices := simPrices(t)
	ledger := &providers.MemoryLedger{}
	done := map[int]bool{}
	half := providers.NewBudget(drillBudget)
	errs := spend(t, d, providers.ClientConfig{Prices: prices, Ledger: ledger, Budget: half}, done)

	bill := d.total(t, prices)
	if bill > pico(drillBudget) || bill != pico(half.Spent()) {
		t.Errorf("the server's bill is $%.8f, the budget's account %v of %v", float64(bill)/1e12, half.Spent(), half.Limit())
	}
	if len(done) == 0 || len(done)+len(errs) != budgetWork || len(ledger.Entries()) != len(done) {
		t.Errorf("%d done, %d refused of %d, %d attempts", len(done), len(errs), budgetWork, len(ledger.Entries()))
	}
	var largest int64
	for _, err := range errs {
		e := wantError(t, err, providers.ClassBudget)
		if !errors.Is(err, providers.ErrBudget) || e.Sent || e.Meta.Attempts != 0 {
			t.Errorf("a refusal that was sent, or does not wrap ErrBudget: %+v", e)
		}
		for _, want := range []string{"budget", "needed", fmt.Sprintf("of %v spent", drillBudget), "raise the budget"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the refusal does not say %q: %v", want, err)
			}
		}
		if t.Failed() {
			return
		}
	}
	for _, e := range ledger.Entries() {
		largest = max(largest, pico(e.Cost))
	}
	// What is left cannot be more than the last call's reservation: bytes
	// against tokens, fewer than 4 of them each.
	if left := pico(drillBudget) - bill; left > 4*largest {
		t.Errorf("$%.6f were left and refused to calls that cost $%.6f", float64(left)/1e12, float64(largest)/1e12)
	}
	first := len(done)

	// Another process, with more, and the account of the first.
	more := providers.NewBudget(10)
	var before providers.USD
	for _, e := range ledger.Entries() {
		before += e.Cost
	}
	more.Charge(before)
	if errs := spend(t, d, providers.ClientConfig{Prices: prices, Ledger: ledger, Budget: more}, done); len(errs) != 0 {
		t.Fatalf("%d calls failed with a budget that suffices: %v", len(errs), errs[0])
	}
	all := d.total(t, prices)
	if len(done) != budgetWork || len(ledger.Entries()) != budgetWork || all < pico(drillWorth) ||
		all != pico(more.Spent()) {
		t.Errorf("%d of %d done in %d attempts for $%.8f, account %v", len(done), budgetWork, len(ledger.Entries()),
			float64(all)/1e12, more.Spent())
	}
	for id, n := range d.sim.Bill().Replies {
		if n != 1 {
			t.Errorf("%s was paid %d times", id, n)
		}
	}
	t.Logf("%v bought %d of %d calls for $%.8f; the rest cost $%.6f more", drillBudget, first, budgetWork,
		float64(bill)/1e12, float64(all-bill)/1e12)
}

// TestBudgetDrillUnderFaults: answers that are billed and lost cannot carry the
// bill over the budget either, because they stay at their reservation.
func TestBudgetDrillUnderFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("the drill without faults is enough in short mode")
	}
	d := newDrillServer(t, everyFault, true)
	prices := simPrices(t)
	budget := providers.NewBudget(drillBudget)
	done := map[int]bool{}
	errs := spend(t, d, providers.ClientConfig{Prices: prices, Budget: budget}, done)
	bill := d.total(t, prices)
	if bill > pico(drillBudget) || pico(budget.Spent()) > pico(drillBudget) || bill > pico(budget.Spent()) {
		t.Errorf("bill $%.8f, account %v of %v", float64(bill)/1e12, budget.Spent(), budget.Limit())
	}
	if len(done) == 0 || len(done)+len(errs) != budgetWork {
		t.Errorf("%d done, %d failed of %d", len(done), len(errs), budgetWork)
	}
	t.Logf("bill $%.8f, account %v, %d done", float64(bill)/1e12, budget.Spent(), len(done))
}
