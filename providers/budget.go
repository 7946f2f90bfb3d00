package providers

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
)

// ErrBudget is wrapped by every error that says that the budget is spent.
var ErrBudget = errors.New("budget exhausted")

// Budget is a limit on spending that cannot be passed: an attempt reserves the
// most it can cost before it is sent, and settles for what it did cost
// afterwards, so that spent + reserved stays within the limit at every moment.
// Amounts are kept as whole picodollars (10⁻¹² USD), so that the sum does not
// depend on the order in which calls end.
//
// A Budget is safe for concurrent use and is shared by all clients of a run.
type Budget struct {
	mu              sync.Mutex
	limit           int64
	spent, reserved int64
	waiting         list.List        // of *waiter, first come first served
	parked          map[string]int64 // of spent: what batches left behind may cost, by key
}

type waiter struct {
	amount int64
	done   chan error // buffered; receives the outcome
}

const (
	picoPerUSD = 1e12
	// unlimited leaves room to add three amounts without overflow.
	unlimited = math.MaxInt64 / 4
)

// toPico rounds an amount; NaN and negative amounts are programming errors.
// A limit from 2.3 million dollars is no limit.
func toPico(u USD, round func(float64) float64, what string) int64 {
	v := float64(u)
	if math.IsNaN(v) || v < 0 {
		panic(fmt.Sprintf("providers: %s of %v USD", what, v))
	}
	if v*picoPerUSD >= unlimited {
		return unlimited
	}
	return int64(round(v * picoPerUSD))
}

func toUSD(pico int64) USD {
	if pico >= unlimited {
		return USD(math.Inf(1))
	}
	return USD(float64(pico) / picoPerUSD)
}

// NewBudget returns a budget of which nothing is spent. +Inf is no limit; 0
// allows nothing that costs. A negative limit panics.
func NewBudget(limit USD) *Budget {
	return &Budget{limit: toPico(limit, math.Round, "a budget")}
}

// Reserve sets amount aside. Where it does not fit, Reserve waits as long as
// reservations of calls in flight may still be released, and returns a
// [*Error] of class [ClassBudget], wrapping [ErrBudget], as soon as it cannot
// fit any more. It returns an error of class [ClassCanceled] or [ClassTimeout]
// when ctx ends first; nothing is reserved then. Callers are served in order.
//
// Every successful Reserve is followed by exactly one [Budget.Settle]; whoever
// reserves twice before settling may wait for itself.
func (b *Budget) Reserve(ctx context.Context, amount USD) error {
	a := toPico(amount, math.Ceil, "a reservation")
	b.mu.Lock()
	if err := b.hopeless(a); err != nil {
		b.mu.Unlock()
		return err
	}
	if b.waiting.Len() == 0 && b.fits(a) {
		b.reserved += a
		b.mu.Unlock()
		return nil
	}
	w := &waiter{amount: a, done: make(chan error, 1)}
	place := b.waiting.PushBack(w)
	b.mu.Unlock()

	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case err := <-w.done: // served in the same moment: give it back
		if err != nil {
			return err
		}
		b.reserved -= a
	default:
		b.waiting.Remove(place)
	}
	b.serve()
	return &Error{Op: "reserve", Provider: "budget", Class: ContextClass(ctx.Err()), Err: ctx.Err()}
}

func (b *Budget) fits(a int64) bool {
	return b.limit == unlimited || b.spent+b.reserved+a <= b.limit
}

// hopeless is the error of an amount that would not fit if every call in
// flight cost nothing. What is spent never falls, so that is final.
func (b *Budget) hopeless(a int64) error {
	if b.limit == unlimited || b.spent+a <= b.limit {
		return nil
	}
	return &Error{
		Op: "reserve", Provider: "budget", Class: ClassBudget,
		Message: fmt.Sprintf("%v needed, %v of %v spent, %v reserved by calls in flight", toUSD(a), toUSD(b.spent),
			toUSD(b.limit), toUSD(b.reserved)),
		Hint: "raise the budget and start again: what is paid for is not paid twice",
		Err:  ErrBudget,
	}
}

// serve hands out what has become free. The caller holds the lock.
func (b *Budget) serve() {
	for b.waiting.Len() > 0 {
		front := b.waiting.Front()
		w := front.Value.(*waiter)
		if err := b.hopeless(w.amount); err != nil {
			w.done <- err
		} else if b.fits(w.amount) {
			b.reserved += w.amount
			w.done <- nil
		} else {
			return // something is in flight, or it would fit or be hopeless
		}
		b.waiting.Remove(front)
	}
}

// Settle replaces a reservation by what was spent, which may be more: a server
// may bill more than the bound. It panics if reserved was not reserved.
func (b *Budget) Settle(reserved, actual USD) {
	r, a := toPico(reserved, math.Ceil, "a reservation"), toPico(actual, math.Round, "a cost")
	b.mu.Lock()
	defer b.mu.Unlock()
	if r > b.reserved {
		panic(fmt.Sprintf("providers: settling %v of %v reserved", reserved, toUSD(b.reserved)))
	}
	b.reserved -= r
	b.spent = min(b.spent+a, unlimited)
	b.serve()
}

// Charge adds what earlier processes spent; that may pass the limit.
func (b *Budget) Charge(amount USD) {
	a := toPico(amount, math.Round, "a charge")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = min(b.spent+a, unlimited)
	b.serve()
}

// Spent is what was settled and charged, and what batches left behind by an
// interrupted run may cost.
func (b *Budget) Spent() USD { return b.get(&b.spent) }

// Reserved is what calls in flight may still cost.
func (b *Budget) Reserved() USD { return b.get(&b.reserved) }

// Limit is what the budget was made with.
func (b *Budget) Limit() USD { return b.get(&b.limit) }

func (b *Budget) get(v *int64) USD {
	b.mu.Lock()
	defer b.mu.Unlock()
	return toUSD(*v)
}

// A batch outlives the call that submitted it: when that is interrupted the
// server works on, and what that costs must be paid. Its reservation is then parked:
// counted as spent, so that no call waits for it, until a later call takes
// it up again.

// park ends a reservation without settling it.
func (b *Budget) park(key string, reserved USD) {
	a := toPico(reserved, math.Round, "a cost") // what Settle adds to spent
	b.Settle(reserved, reserved)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.parked == nil {
		b.parked = map[string]int64{}
	}
	b.parked[key] = a
}

// unpark reserves amount for a batch that may already be submitted. It never
// refuses, because the money must be paid whatever the limit says. What was parked
// under the key is no longer counted as spent.
func (b *Budget) unpark(key string, amount USD) {
	a := toPico(amount, math.Ceil, "a reservation")
	b.mu.Lock()
	defer b.mu.Unlock()
	if was, ok := b.parked[key]; ok {
		b.spent -= was
		delete(b.parked, key)
	}
	b.reserved = min(b.reserved+a, unlimited)
	b.serve()
}
