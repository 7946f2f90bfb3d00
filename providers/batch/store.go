package batch

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/reweigh/reweigh/dataset/journal"
)

// MemoryStore is a [Store] that ends with the process. The zero value
// is ready for use, by several goroutines.
type MemoryStore struct {
	mu    sync.Mutex
	order []string
	byKey map[string]State
}

// Save keeps s.
func (m *MemoryStore) Save(s State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byKey == nil {
		m.byKey = map[string]State{}
	}
	if _, ok := m.byKey[s.Key]; !ok {
		m.order = append(m.order, s.Key)
	}
	m.byKey[s.Key] = s
	return nil
}

// Load returns what was saved.
func (m *MemoryStore) Load() ([]State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]State, len(m.order))
	for i, key := range m.order {
		all[i] = m.byKey[key]
	}
	return all, nil
}

// JournalStore is a [Store] in a journal, where it survives the
// process. Other records may stand in the same journal: its own are those of
// the kind "batch".
type JournalStore struct{ journal *journal.Journal }

const kindBatch = "batch"

// NewJournalStore returns the store in j, which has to stay open as long as
// the store is used. A nil journal panics.
func NewJournalStore(j *journal.Journal) *JournalStore {
	if j == nil {
		panic("batch: NewJournalStore of a nil journal")
	}
	return &JournalStore{j}
}

// Save appends s, and returns when it is on the disk.
func (b *JournalStore) Save(s State) error { return b.journal.Append(kindBatch, s.Key, s) }

// Load reads the journal through and returns the last state of each key.
func (b *JournalStore) Load() ([]State, error) {
	var m MemoryStore
	err := journal.Scan(b.journal.Dir(), func(r journal.Record) error {
		if r.Kind != kindBatch {
			return nil
		}
		var s State
		if err := json.Unmarshal(r.Payload, &s); err != nil {
			return fmt.Errorf("batch: record %d of the journal in %s is no state of a batch: %w", r.Seq, b.journal.Dir(), err)
		}
		return m.Save(s)
	})
	if err != nil {
		return nil, err
	}
	return m.Load()
}
