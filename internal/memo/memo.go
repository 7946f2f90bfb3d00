// Package memo remembers the results of pure functions.
package memo

import "sync"

// Table keeps up to Size results by key. A full table forgets everything and starts
// anew. The zero value is ready for use, by several goroutines at once.
type Table[K comparable, V any] struct {
	Size int // 0 means 2048
	mu   sync.Mutex
	kept map[K]V
}

// Get returns what compute returns for the key, which has to depend on the key alone.
// The result is shared: it may not be changed.
func (t *Table[K, V]) Get(key K, compute func() V) V {
	t.mu.Lock()
	v, ok := t.kept[key]
	t.mu.Unlock()
	if ok {
		return v
	}
	v = compute() // two calls at once may both work it out
	size := t.Size
	if size == 0 {
		size = 2048
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept == nil || len(t.kept) >= size {
		t.kept = map[K]V{}
	}
	t.kept[key] = v
	return v
}
