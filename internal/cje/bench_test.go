package cje

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// The reference's 101 ms are for calibrated IPS of 3 policies on 1,000 rows, the
// judge's calibration done before; ours includes it.
func BenchmarkCalibratedIPS(b *testing.B) {
	for _, n := range []int{1e3, 1e4, 1e5} {
		rng := rand.New(rand.NewPCG(1, 1))
		s := simulate(n, rng)
		for i := range s.Rows {
			r := &s.Rows[i]
			for k, name := range []string{"second", "third"} {
				l := r.LogProbs["base"].OrNaN() + rng.NormFloat64()*float64(k+1)/2
				r.LogProbs[name] = dataset.Known(min(l-math.Abs(r.Score.OrNaN()-.5), 0))
			}
		}
		b.Run(fmt.Sprintf("policies=3/rows=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ref, err := New(Monotone, s)
				if err != nil {
					b.Fatal(err)
				}
				for _, policy := range ref.policies {
					if _, err := ref.Estimate(CalibratedIPS, policy); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
