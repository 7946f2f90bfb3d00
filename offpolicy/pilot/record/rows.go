package record

import (
	"iter"
	"sort"
	"sync/atomic"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// Rows are the records of one kind, in the order of their keys. They are read one at
// a time, so that what holds them need not be memory. The zero value has none.
type Rows[T any] struct {
	n    int
	row  func(int) T
	in   func(int) T // rows without what Brief leaves out; nil for row
	key  func(int) dataset.Key
	find func(dataset.Key) (int, bool)
	// seek makes a find of its own for one who asks in order; nil if find is as good.
	seek func() func(dataset.Key) (int, bool)
}

// NewRows are rows in memory, in the order given, by their keys: NewRows(rows,
// dataset.JudgeScore.Key). Of rows with one key, [Rows.Get] finds the last.
func NewRows[T any](rows []T, key func(T) dataset.Key) Rows[T] {
	at := make(map[dataset.Key]int, len(rows))
	for i, row := range rows {
		at[key(row)] = i
	}
	return Rows[T]{n: len(rows), row: func(i int) T { return rows[i] },
		key:  func(i int) dataset.Key { return key(rows[i]) },
		find: func(k dataset.Key) (int, bool) { i, ok := at[k]; return i, ok }}
}

// RowsOf are rows that are made, whenever they are read, of what is held of them. held is in the
// order of its keys, of which none occurs twice.
func RowsOf[H, T any](held []H, key func(H) dataset.Key, row func(H) T) Rows[T] {
	at := func(i int) dataset.Key { return key(held[i]) }
	seek := func() func(dataset.Key) (int, bool) { return findIn(len(held), at) }
	return Rows[T]{n: len(held), row: func(i int) T { return row(held[i]) }, key: at, find: seek(), seek: seek}
}

// findIn finds the places of keys that are sorted. It looks first as far behind the place that
// it found last as that was behind the one before, and then from there on, because most readers
// ask for one prompt after the other.
func findIn(n int, key func(int) dataset.Key) func(dataset.Key) (int, bool) {
	last, stride := new(atomic.Int64), new(atomic.Int64)
	return func(k dataset.Key) (int, bool) {
		if at := int(last.Load() + stride.Load()); at >= 0 && at < n && key(at) == k {
			last.Store(int64(at))
			return at, true
		}
		// What is sought is at low or after it, and before high.
		low, high := 0, n
		if at := int(last.Load()); at < n && key(at).Compare(k) <= 0 {
			low = at
			for step := 1; low+step < n; step *= 2 {
				if key(low+step).Compare(k) > 0 {
					high = low + step
					break
				}
				low += step
			}
		}
		i, found := sort.Find(high-low, func(i int) int { return k.Compare(key(low + i)) })
		if found {
			stride.Store(int64(low+i) - last.Swap(int64(low+i)))
		}
		return low + i, found
	}
}

// InBrief are the rows with what [Rows.Brief] is to yield of them.
func (r Rows[T]) InBrief(row func(i int) T) Rows[T] {
	r.in = row
	return r
}

// Brief are the rows as they cost least to read: prompts without their metadata, log-probs without
// the results of their methods, and responses without the digests of their contexts.
func (r Rows[T]) Brief() Rows[T] {
	if r.in != nil {
		r.row = r.in
	}
	return r
}

// with are the rows as change leaves them, whenever they are read.
func (r Rows[T]) with(change func(int, *T)) Rows[T] {
	before := r.row
	r.in = nil
	r.row = func(i int) T {
		row := before(i)
		change(i, &row)
		return row
	}
	return r
}

// PromptRows are prompts as rows, each under the key that has its id alone.
func PromptRows(prompts []dataset.Prompt) Rows[dataset.Prompt] {
	return NewRows(prompts, func(p dataset.Prompt) dataset.Key { return dataset.Key{PromptID: p.ID} })
}

// Len counts the rows.
func (r Rows[T]) Len() int { return r.n }

// Key is the key of the row at a place, from 0.
func (r Rows[T]) Key(i int) dataset.Key { return r.key(i) }

// All yields every row with its key.
func (r Rows[T]) All() iter.Seq2[dataset.Key, T] {
	return func(yield func(dataset.Key, T) bool) {
		for i := range r.n {
			if !yield(r.key(i), r.row(i)) {
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
	if r.n == 0 {
		return row, false
	}
	i, ok := r.find(k)
	if ok {
		row = r.row(i)
	}
	return row, ok
}

// Of returns one policy's rows by prompt id: those of its first draw.
func (r Rows[T]) Of(policy string) func(promptID string) (T, bool) {
	if r.seek != nil {
		r.find = r.seek()
	}
	return func(id string) (T, bool) { return r.Get(dataset.Key{PromptID: id, Policy: policy}) }
}

// AllOf yields one policy's rows of its first draw, with their keys.
func (r Rows[T]) AllOf(policy string) iter.Seq2[dataset.Key, T] {
	return func(yield func(dataset.Key, T) bool) {
		for i := range r.n {
			if k := r.key(i); k.Policy == policy && k.DrawIdx == 0 && !yield(k, r.row(i)) {
				return
			}
		}
	}
}

// Attempts are the ledger of a run, read one entry at a time. The zero value has none.
type Attempts struct{ all, brief iter.Seq[providers.Entry] }

// NewAttempts are the entries that all yields, as often as it is asked.
func NewAttempts(all iter.Seq[providers.Entry]) Attempts { return Attempts{all, all} }

// InBrief are the attempts with what [Attempts.Brief] is to yield of them.
func (a Attempts) InBrief(all iter.Seq[providers.Entry]) Attempts { return Attempts{a.all, all} }

// Brief are the entries as they cost least to read: without their keys.
func (a Attempts) Brief() Attempts { return Attempts{a.brief, a.brief} }

// All yields one entry an attempt, without the ids of its request, by stage and record.
func (a Attempts) All() iter.Seq[providers.Entry] {
	return func(yield func(providers.Entry) bool) {
		if a.all != nil {
			a.all(yield)
		}
	}
}
