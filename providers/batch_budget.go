package providers

import "math"

// A batch outlives the call that submitted it: when RunBatch is interrupted the
// server works on, and what that costs is owed. Its reservation is then parked:
// counted as spent, so that no call waits for it, until a later RunBatch takes
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
// refuses, because the money is owed whatever the limit says. What was parked
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

// Began reports whether an entry of that ID has begun.
func (l *MemoryLedger) Began(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.index[id]
	return ok
}
