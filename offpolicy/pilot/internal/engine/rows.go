package engine

import (
	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// pieces are a list that grows without copying what it has. A copy of it goes on to have what it
// had, as long as nobody writes into that.
type pieces[T any] struct {
	list []*[piece]T
	n    int
}

// piece is a power of 2, which leaves no room unused in what the runtime hands out.
const piece = 1 << 10

func (p *pieces[T]) at(i uint32) *T { return &p.list[i/piece][i%piece] }

// grow makes room for one more and returns its place.
func (p *pieces[T]) grow() uint32 {
	if p.n == len(p.list)*piece {
		p.list = append(p.list, new([piece]T))
	}
	p.n++
	return uint32(p.n - 1)
}

// rows are the latest records of one kind by the numbers of their keys. A record is replaced and
// never changed: those that were replaced stay beside the others, and an index leaves them out.
type rows[T any] struct {
	place []uint32 // by number: that of the record and 1 more, 0 for none
	made  pieces[T]
}

// at is the record of a number, nil for none.
func (r *rows[T]) at(n uint32) *T {
	if int(n) >= len(r.place) || r.place[n] == 0 {
		return nil
	}
	return r.made.at(r.place[n] - 1)
}

// expect makes room for the places of n records.
func (r *rows[T]) expect(n int) { r.place = room(r.place, n) }

// put makes the record of a number a new one, and returns it to be filled in.
func (r *rows[T]) put(n uint32) *T {
	for int(n) >= len(r.place) {
		r.place = append(r.place, 0)
	}
	at := r.made.grow()
	r.place[n] = at + 1
	return r.made.at(at)
}

func (r *rows[T]) set(n uint32, row *T) { *r.put(n) = *row }

// snapshot is what the store held of one kind at one time, in the order of the keys.
type snapshot[T any] struct {
	places []uint32
	made   pieces[T]
	keys   *keyring
}

// sorted is what the store holds of one kind for the named prompts.
func sorted[T any](s *store, of *rows[T], keep func(dataset.Key) bool) snapshot[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := s.shared.keys
	if len(s.order) != len(keys.places) {
		s.order = keys.sorted()
	}
	out := snapshot[T]{make([]uint32, 0, min(len(s.order), of.made.n)), of.made, &keys}
	for _, n := range s.order {
		if of.at(n) != nil && keep(keys.key(n)) {
			out.places = append(out.places, of.place[n]-1)
		}
	}
	return out
}

func (s *snapshot[T]) at(i int) *T { return s.made.at(s.places[i]) }

// heldRows are the records as others read them.
func heldRows[T, R any](s snapshot[T], number func(*T) uint32, row func(*T) R) record.Rows[R] {
	return record.RowsOf(s.places, func(at uint32) dataset.Key { return s.keys.key(number(s.made.at(at))) },
		func(at uint32) R { return row(s.made.at(at)) })
}
