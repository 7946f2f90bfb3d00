package offpolicy

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

var benchSizes = []int{1e3, 1e5, 1e6}

func BenchmarkFitIsotonic(b *testing.B) {
	for _, n := range benchSizes {
		rng := rand.New(rand.NewPCG(1, 1))
		x, y := make([]float64, n), make([]float64, n)
		for i := range n {
			x[i] = rng.Float64()
			y[i] = x[i] + rng.NormFloat64()
		}
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := FitIsotonic(x, y, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWeights makes all figures, ESS among them, and asks for refusals.
func BenchmarkWeights(b *testing.B) {
	for _, n := range benchSizes {
		rng := rand.New(rand.NewPCG(1, 1))
		l := make([]float64, n)
		for i := range n {
			l[i] = rng.NormFloat64() - .5
		}
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w, err := NewWeights(l)
				if err != nil {
					b.Fatal(err)
				}
				_ = w.Refusals()
			}
		})
	}
}
