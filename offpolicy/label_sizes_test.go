package offpolicy

import (
	"fmt"
	"math"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// Weights of 1, 2 and 5 parts in 8, and a row without one.
func TestLabelSizes(t *testing.T) {
	s := Samples{Logging: "p0"}
	for i, w := range []float64{1, 2, 5, math.NaN()} {
		s.Rows = append(s.Rows, Row{PromptID: fmt.Sprint(i), LogProbs: map[string]dataset.Float{
			"p0": dataset.Known(-9), "a": dataset.Known(-9 + math.Log(w)), "same": dataset.Known(-9)}})
	}
	same := func(got, want []float64, what string) {
		t.Helper()
		for i := range want {
			if !(math.Abs(got[i]-want[i]) < 1e-12) && !(math.IsNaN(got[i]) && math.IsNaN(want[i])) {
				t.Errorf("%s: %v, want %v", what, got, want)
				return
			}
		}
	}
	nan := math.NaN()
	same(LabelSizes(s, nil, Aim{Policy: "a"}), []float64{1. / 8, 2. / 8, 5. / 8, nan}, "a value")
	same(LabelSizes(s, nil, Aim{"a", "p0"}), []float64{1. / 8, 0, 3. / 8, nan}, "against the logging policy")
	same(LabelSizes(s, nil, Aim{Policy: "p0"}), []float64{.25, .25, .25, .25}, "the logging policy")
	// Of spreads 1, 0 and 1 the mean, by weight, is 6/8: half by weight alone, half times 8/6 or 0.
	same(LabelSizes(s, []float64{1, 0, 1, 1}, Aim{Policy: "a"}), []float64{1. / 8 * 7 / 6, 1. / 8, 5. / 8 * 7 / 6, nan},
		"a spread")
	two := LabelSizes(s, nil, Aim{Policy: "a"}, Aim{Policy: "same"})
	same(two[:1], []float64{math.Hypot(1./8, .25)}, "two values")
}

// Of pooled logs sizes are the mixture's weights, which the evaluation has.
func TestLabelSizesOfPooledLogs(t *testing.T) {
	s := pooledSamples(20, 4)
	sizes := LabelSizes(s, nil, Aim{Policy: "new"})
	w := evaluate(t, s, Config{Replicates: 20}).Policy("new").Weights
	var sum, squares float64
	for _, v := range sizes {
		sum += v
		squares += v * v
	}
	if math.Abs(sum-1) > 1e-12 || math.Abs(1/squares-w.ESS) > 1e-9 {
		t.Errorf("sizes sum to %v and have an ESS of %v, the weights of %v", sum, 1/squares, w.ESS)
	}
}

func TestLabelSizesPanics(t *testing.T) {
	s := Samples{Logging: "p0", Scored: map[string]dataset.Scored{}, Rows: []Row{{PromptID: "a",
		LogProbs: map[string]dataset.Float{"p0": dataset.Known(-1)}}}}
	mustPanic(t, "an aim", func() { LabelSizes(s, nil) })
	mustPanic(t, "2 spreads of 1 rows", func() { LabelSizes(s, []float64{1, 1}, Aim{Policy: "p0"}) })
	mustPanic(t, `weight of ""`, func() { LabelSizes(s, nil, Aim{}) })
	mustPanic(t, `weight of "new"`, func() { LabelSizes(s, nil, Aim{Policy: "p0", Against: "new"}) })
}
