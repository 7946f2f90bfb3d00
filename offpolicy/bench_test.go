package offpolicy

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

var benchSizes = []int{1e3, 1e5, 1e6}

// BenchmarkFitIsotonic: scikit-learn takes 436 ms for a million points, on the
// machine where the reference was timed; testdata/compare.py times both in one
// run.
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
				w, err := WeightsFromLogRatios(l)
				if err != nil {
					b.Fatal(err)
				}
				_ = w.Refusals()
			}
		})
	}
}

// BenchmarkAccumulator: time a row must not grow with the rows, nor memory.
func BenchmarkAccumulator(b *testing.B) {
	for _, n := range []int{1e4, 1e5, 1e6, 1e7} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			ids := [2]string{"even", "odd"} // a prompt a row, without making names
			rng := rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				a := NewAccumulator("target", 10)
				for i := range n {
					r := StreamRow{ids[i%2], dataset.Known(rng.NormFloat64() - .5), dataset.Known(.5), dataset.Known(nan),
						dataset.Known(nan), ""}
					if i%10 == 0 {
						r.Label = dataset.Known(.5)
					}
					if err := a.Add(r); err != nil {
						b.Fatal(err)
					}
				}
				a.Finish()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/row")
		})
	}
}

// BenchmarkEvaluate is the bootstrap of 2,000 replicates, fold models refitted.
// The reference, on 2 cores, needs 94 s for it with four policies of 1,000 rows
// by its own Direct estimator, and 2.39 s for DR-CPO of three policies without
// any replicate.
func BenchmarkEvaluate(b *testing.B) {
	base := world{prompts: 1000, labels: 250, draws: 1, probes: 25}.samples(1)
	for _, policies := range []int{3, 4} {
		s := base
		s.Draws, s.Scored = map[string][]Draw{}, sampled("p0")
		s.Rows = make([]Row, len(base.Rows))
		for i, r := range base.Rows {
			targets := map[string]dataset.Float{"p0": r.LogProbs["p0"]}
			for k := range policies {
				targets[fmt.Sprint("near", k)] = r.LogProbs["near"]
			}
			r.LogProbs = targets
			s.Rows[i] = r
		}
		for k := range policies {
			s.Scored[fmt.Sprint("near", k)] = dataset.Scored{Distribution: dataset.SamplingDistribution}
			s.Draws[fmt.Sprint("near", k)] = base.Draws["near"]
		}
		for _, estimators := range [][]Estimator{{DR}, {DR, Direct, LabeledSNIPS}} {
			b.Run(fmt.Sprintf("policies=%d/estimators=%d", policies, len(estimators)), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Evaluate(s, Config{Estimators: estimators}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
