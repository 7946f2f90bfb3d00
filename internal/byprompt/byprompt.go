// Package byprompt brings lists of rows together prompt by prompt, one row in hand at a time:
//
//	prompts, scores := byprompt.Of(…), byprompt.Of(…)
//	for id := range byprompt.Each(&prompts, &scores) {
//		… prompts.Take(id, nil), scores.Take(id, nil)
//	}
//
// A copy of a list, made before it is read, is read from its beginning.
package byprompt

import (
	"cmp"
	"iter"
	"slices"
)

// List is rows in the order of their prompts; those of one stay in their own.
type List[T any] struct {
	n     int
	id    func(int) string
	row   func(int) T
	order []int32 // the places of the rows, nil if they stand in that order
	i     int
}

// Of is a list of n rows, each with the id of its prompt; rows are read when they are taken.
func Of[T any](n int, id func(int) string, row func(int) T) List[T] {
	l := List[T]{n: n, id: id, row: row}
	for i, last := 0, ""; i < n; i++ {
		if of := id(i); of < last {
			l.order = make([]int32, n)
			break
		} else {
			last = of
		}
	}
	for i := range l.order {
		l.order[i] = int32(i)
	}
	slices.SortStableFunc(l.order, func(a, b int32) int { return cmp.Compare(id(int(a)), id(int(b))) })
	return l
}

func (l *List[T]) place() int {
	if l.order == nil {
		return l.i
	}
	return int(l.order[l.i])
}

// next is the prompt of the next row.
func (l *List[T]) next() (id string, ok bool) {
	if l.i == l.n {
		return "", false
	}
	return l.id(l.place()), true
}

// Take takes the rows of a prompt off, if they are next, and appends them.
func (l *List[T]) Take(id string, to []T) []T {
	for ; l.i < l.n && l.id(l.place()) == id; l.i++ {
		to = append(to, l.row(l.place()))
	}
	return to
}

// Each yields the prompts that the lists have rows of, in the order of their ids. Whoever reads it
// takes the rows of a prompt off every list, or the prompt is the next again.
func Each(lists ...interface{ next() (string, bool) }) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			id, more := "", false
			for _, l := range lists {
				if of, ok := l.next(); ok && (!more || of < id) {
					id, more = of, true
				}
			}
			if !more || !yield(id) {
				return
			}
		}
	}
}
