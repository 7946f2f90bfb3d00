package judge

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// drawn makes true variances and those that k readings each state of them.
func drawn(n, k int, sigma2 func(*rand.Rand) float64) (truth, stated []float64) {
	r := rand.New(rand.NewPCG(1, uint64(k)))
	for range n {
		v := sigma2(r)
		x := make([]float64, k)
		for j := range x {
			x[j] = math.Sqrt(v) * r.NormFloat64()
		}
		_, s2 := moments(x)
		truth, stated = append(truth, v), append(stated, s2)
	}
	return truth, stated
}

func squaredError(a, b []float64) (sum float64) {
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return sum / float64(len(a))
}

func TestShrink(t *testing.T) {
	const k = 5
	equal := func(*rand.Rand) float64 { return 1 }
	spread := func(r *rand.Rand) float64 { return .5 + r.Float64() } // variance 1/12
	for _, tt := range []struct {
		sigma2 func(*rand.Rand) float64
		b      float64 // of the best linear guess: Var σ² / Var s²
		reason string
	}{
		// Var s² = 2/(k-1) = .5 where σ² is 1 throughout.
		{equal, 0, "what is equal is pooled"},
		// E[σ⁴] = 1 + 1/12, Var s² = 1/12 + (1+1/12)/2 = .625.
		{spread, 1. / 12 / .625, "what differs keeps its share"},
	} {
		truth, stated := drawn(20000, k, tt.sigma2)
		got := Shrink(stated, k)
		before, _ := moments(stated)
		after, _ := moments(got)
		if math.Abs(before-after) > 1e-9 {
			t.Errorf("%s: the mean went from %v to %v", tt.reason, before, after)
		}
		// Two responses tell the factor. Over 20,000 draws it is within .03.
		b := (got[0] - got[1]) / (stated[0] - stated[1])
		if math.Abs(b-tt.b) > .03 {
			t.Errorf("%s: factor %.3f, want %.3f", tt.reason, b, tt.b)
		}
		if e, raw := squaredError(got, truth), squaredError(stated, truth); e > raw/3 {
			t.Errorf("%s: mean squared error %.4f, unshrunk %.4f", tt.reason, e, raw)
		}
	}
}

func TestShrinkEdges(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		in, want []float64
		reason   string
	}{
		{nil, nil, "nothing"},
		{[]float64{.1}, []float64{.1}, "nothing to draw to"},
		{[]float64{.1, .1, .1}, []float64{.1, .1, .1}, "no spread"},
		{[]float64{0, 0, 0}, []float64{0, 0, 0}, "all readings agree"},
		{[]float64{.1, nan, .1}, []float64{.1, nan, .1}, "what is missing stays missing"},
		// V = .1, D = .02, c = (2+1)/1.5 = 2: b = (.02 - 2·.01/2)/.02 = .5.
		{[]float64{0, .2, nan}, []float64{.05, .15, nan}, "half way"},
	} {
		if diff := cmp.Diff(tt.want, Shrink(tt.in, 5), cmpopts.EquateNaNs(), cmpopts.EquateApprox(0, 1e-15),
			cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("one reading has no variance: want a panic")
		}
	}()
	Shrink(nil, 1)
}
