package providers

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
)

// OutcomeOK and OutcomeInFlight are the outcomes of an [Entry] that are no
// error class.
const (
	OutcomeOK       = "ok"
	OutcomeInFlight = "in_flight"
)

// Entry is one HTTP attempt: a line of ledger.jsonl. It is written twice under
// one ID, before the attempt is sent and after it ended. What a provider
// refuses to send has a line too, at no cost.
type Entry struct {
	// ID is unique per attempt, also between the processes that resume a run.
	ID       string `json:"id"`
	Stage    string `json:"stage"`
	Key      string `json:"key"`
	Policy   string `json:"policy"`
	Call     string `json:"call,omitempty"`
	Provider string `json:"provider"`
	Model    string `json:"model"`
	// Served is the model that answered, as the server names it.
	Served string `json:"served_model,omitempty"`
	// "chat/completions", "completions" or "models"; "batch" for a line of one, "files" and "batches"
	// for what moves it
	Endpoint string `json:"endpoint"`
	// Outcome is "ok", an error class, or "in_flight" in a line that no second
	// one has replaced.
	Outcome   string `json:"outcome"`
	Status    int    `json:"status"`     // 0 where no answer came
	RequestID string `json:"request_id"` // the X-Request-Id that was sent, RequestID
	// ServerRequestID is the server's own id, where that is another.
	ServerRequestID  string `json:"server_request_id,omitempty"`
	PromptTokens     int    `json:"prompt_tokens"`
	CompletionTokens int    `json:"completion_tokens"`
	CachedTokens     int    `json:"cached_tokens"`
	// HiddenTokens are those of CompletionTokens that the text leaves out.
	HiddenTokens int   `json:"hidden_tokens,omitempty"`
	Cost         USD   `json:"cost_usd"`
	LatencyMS    int64 `json:"latency_ms"`
	Attempt      int   `json:"attempt"` // from 1
	// UsageKnown is false where the attempt may have been billed and nobody
	// saw how much: Cost is then the reservation, an upper bound, and the
	// token counts are null in JSON.
	UsageKnown bool `json:"usage_known"`
	// UsageDoubt says what does not fit together in the usage, or in the cost,
	// that the service states, and how it was read.
	UsageDoubt string `json:"usage_doubt,omitempty"`
	// Tier is the service's tier that answered, where it states one.
	Tier string `json:"service_tier,omitempty"`
	// WaitedMS is how long the attempt waited for its turn and for limits
	// before it was sent; the wait between attempts is not in it.
	WaitedMS int64 `json:"waited_ms,omitempty"`
}

// MarshalJSON writes null for token counts that are not known.
func (e Entry) MarshalJSON() ([]byte, error) {
	type plain Entry // without this method
	out := struct {
		plain
		PromptTokens     *int `json:"prompt_tokens"`
		CompletionTokens *int `json:"completion_tokens"`
		CachedTokens     *int `json:"cached_tokens"`
	}{plain: plain(e)}
	if e.UsageKnown {
		out.PromptTokens, out.CompletionTokens, out.CachedTokens = &e.PromptTokens, &e.CompletionTokens, &e.CachedTokens
	}
	return json.Marshal(out)
}

// maxEntryCount bounds what an [Entry] may count: no attempt takes so many tokens, tries or
// milliseconds.
const maxEntryCount = 1 << 40

// Validate reports what no attempt can have had, such as a cost below 0. Whoever reads a
// ledger back asks it, because budgets rest on the sum.
func (e Entry) Validate() error {
	if cost := float64(e.Cost); !(cost >= 0) || math.IsInf(cost, 1) {
		return fmt.Errorf("attempt %q cost %v USD: want an amount of 0 or more", e.ID, cost)
	}
	for _, c := range [...]struct {
		name string
		n    int64
	}{
		{"prompt_tokens", int64(e.PromptTokens)}, {"completion_tokens", int64(e.CompletionTokens)},
		{"cached_tokens", int64(e.CachedTokens)}, {"hidden_tokens", int64(e.HiddenTokens)}, {"latency_ms", e.LatencyMS},
		{"waited_ms", e.WaitedMS}, {"attempt", int64(e.Attempt)}, {"status", int64(e.Status)},
	} {
		if c.n < 0 || c.n > maxEntryCount {
			return fmt.Errorf("attempt %q has %s %d: want a count", e.ID, c.name, c.n)
		}
	}
	if e.ID == "" {
		return errors.New("the attempt has no id")
	}
	return nil
}

// Ledger keeps account of every attempt. Its methods are called concurrently,
// and an error of either ends the call with [ClassLedger]: what cannot be
// written down is not spent.
type Ledger interface {
	// Begin records an attempt before it is sent, at the cost reserved for it,
	// so that a process killed in between leaves a line that still counts.
	Begin(Entry) error
	// End replaces the line of the same ID.
	End(Entry) error
}

// MemoryLedger is a [Ledger] in memory. The zero value is ready for use, by
// several goroutines.
type MemoryLedger struct {
	mu      sync.Mutex
	entries []Entry
	index   map[string]int
}

// Begin adds e; a second Begin under one ID is an error.
func (l *MemoryLedger) Begin(e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.index[e.ID]; ok {
		return fmt.Errorf("providers: ledger: %q began twice", e.ID)
	}
	if l.index == nil {
		l.index = map[string]int{}
	}
	l.index[e.ID] = len(l.entries)
	l.entries = append(l.entries, e)
	return nil
}

// End replaces the entry of e's ID, which must have begun.
func (l *MemoryLedger) End(e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := l.index[e.ID]
	if !ok {
		return fmt.Errorf("providers: ledger: %q ended and never began", e.ID)
	}
	l.entries[i] = e
	return nil
}

// Entries returns a copy of all entries in the order of their Begin.
func (l *MemoryLedger) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Entry(nil), l.entries...)
}

// Began reports whether an entry of that ID has begun.
func (l *MemoryLedger) Began(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.index[id]
	return ok
}
