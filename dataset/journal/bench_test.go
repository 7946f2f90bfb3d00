package journal

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkAppend compares one writer, which pays a flush a record, with many
// that share them: the ratio within one run is the point.
func BenchmarkAppend(b *testing.B) {
	payload := map[string]string{"response": strings.Repeat("All work and no play. ", 50)}
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			j := mustOpen(b, b.TempDir(), Options{})
			var n atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
						if err := j.Append("response", fmt.Sprint(i), payload); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
	b.Run("nosync", func(b *testing.B) {
		j := mustOpen(b, b.TempDir(), Options{})
		for b.Loop() {
			if err := appendNoSync(j, "response", "k", payload); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	payload := map[string]string{"response": strings.Repeat("All work and no play. ", 50)}
	for _, n := range []int{1e3, 1e4} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			j := mustOpen(b, dir, Options{})
			for i := range n {
				if err := appendNoSync(j, "response", fmt.Sprint(i), payload); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(readLog(b, dir))))
			for b.Loop() {
				if err := Scan(dir, func(Record) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
