package providers

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/reweigh/reweigh/dataset/journal"
)

// MemoryBatchStore is a [BatchStore] that ends with the process. The zero value
// is ready for use, by several goroutines.
type MemoryBatchStore struct {
	mu    sync.Mutex
	order []string
	byKey map[string]BatchState
}

// Save keeps s.
func (m *MemoryBatchStore) Save(s BatchState) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byKey == nil {
		m.byKey = map[string]BatchState{}
	}
	if _, ok := m.byKey[s.Key]; !ok {
		m.order = append(m.order, s.Key)
	}
	m.byKey[s.Key] = s
	return nil
}

// Load returns what was saved.
func (m *MemoryBatchStore) Load() ([]BatchState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]BatchState, len(m.order))
	for i, key := range m.order {
		all[i] = m.byKey[key]
	}
	return all, nil
}

// JournalBatchStore is a [BatchStore] in a journal, where it survives the
// process. Other records may stand in the same journal: its own are those of
// the kind "batch".
type JournalBatchStore struct{ journal *journal.Journal }

const kindBatch = "batch"

// NewJournalBatchStore returns the store in j, which has to stay open as long as
// the store is used. A nil journal panics.
func NewJournalBatchStore(j *journal.Journal) *JournalBatchStore {
	if j == nil {
		panic("providers: NewJournalBatchStore of a nil journal")
	}
	return &JournalBatchStore{j}
}

// Save appends s, and returns when it is on the disk.
func (b *JournalBatchStore) Save(s BatchState) error { return b.journal.Append(kindBatch, s.Key, s) }

// Load reads the journal through and returns the last state of each key.
func (b *JournalBatchStore) Load() ([]BatchState, error) {
	var m MemoryBatchStore
	err := journal.Scan(b.journal.Dir(), func(r journal.Record) error {
		if r.Kind != kindBatch {
			return nil
		}
		var s BatchState
		if err := json.Unmarshal(r.Payload, &s); err != nil {
			return fmt.Errorf("providers: record %d of the journal in %s is no state of a batch: %w", r.Seq, b.journal.Dir(), err)
		}
		return m.Save(s)
	})
	if err != nil {
		return nil, err
	}
	return m.Load()
}
