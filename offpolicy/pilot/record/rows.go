package record

import (
	"iter"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// Rows are the records of one kind, in the order of their keys. They are read one at
// a time, so that what holds them need not be memory. The zero value has none.
type Rows[T any] struct {
	rows []T
	key  func(T) dataset.Key
	at   map[dataset.Key]int
}

// NewRows are rows in memory, in the order given, by their keys: NewRows(rows,
// dataset.Response.Key). Of rows with one key, [Rows.Get] finds the last.
func NewRows[T any](rows []T, key func(T) dataset.Key) Rows[T] {
	at := make(map[dataset.Key]int, len(rows))
	for i, row := range rows {
		at[key(row)] = i
	}
	return Rows[T]{rows, key, at}
}

// PromptRows are prompts as rows, each under the key that has its id alone.
func PromptRows(prompts []dataset.Prompt) Rows[dataset.Prompt] {
	return NewRows(prompts, func(p dataset.Prompt) dataset.Key { return dataset.Key{PromptID: p.ID} })
}

// Len counts the rows.
func (r Rows[T]) Len() int { return len(r.rows) }

// All yields every row with its key.
func (r Rows[T]) All() iter.Seq2[dataset.Key, T] {
	return func(yield func(dataset.Key, T) bool) {
		for _, row := range r.rows {
			if !yield(r.key(row), row) {
				return
			}
		}
	}
}

// Values yields every row.
func (r Rows[T]) Values() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, row := range r.All() {
			if !yield(row) {
				return
			}
		}
	}
}

// Get returns the row of a key, if there is one.
func (r Rows[T]) Get(k dataset.Key) (row T, ok bool) {
	i, ok := r.at[k]
	if ok {
		row = r.rows[i]
	}
	return row, ok
}

// Of returns one policy's rows by prompt id: those of its first draw.
func (r Rows[T]) Of(policy string) func(promptID string) (T, bool) {
	return func(id string) (T, bool) { return r.Get(dataset.Key{PromptID: id, Policy: policy}) }
}

// AllOf yields one policy's rows of its first draw, with their keys.
func (r Rows[T]) AllOf(policy string) iter.Seq2[dataset.Key, T] {
	return func(yield func(dataset.Key, T) bool) {
		for k, row := range r.All() {
			if k.Policy == policy && k.DrawIdx == 0 && !yield(k, row) {
				return
			}
		}
	}
}

// Attempts are the ledger of a run, read one entry at a time. The zero value has none.
type Attempts struct{ entries []providers.Entry }

// NewAttempts are entries in memory, in the order given.
func NewAttempts(entries []providers.Entry) Attempts { return Attempts{entries} }

// All yields one entry an attempt, in the order in which they began.
func (a Attempts) All() iter.Seq[providers.Entry] {
	return func(yield func(providers.Entry) bool) {
		for _, e := range a.entries {
			if !yield(e) {
				return
			}
		}
	}
}
