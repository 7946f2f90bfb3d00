package offpolicy

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Modelled weights bring the total to n, follow score and length as the others do, and
// leave the others as they are.
func TestImpute(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const n = 2000
	l, truth, score, length := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	missing, least := 0, inf
	for i := range l {
		score[i], length[i] = rng.Float64(), math.Exp(5+.5*rng.NormFloat64())
		truth[i] = .8*score[i] - .5*(math.Log(length[i])-5) - .5*(.64/12+.0625) - .4
		if l[i] = truth[i]; math.Log(length[i]) > 5.6 {
			l[i] = math.NaN()
			missing++
		} else {
			least = min(least, l[i])
		}
	}
	filled, modelled, share, se := impute(l, score, length)
	if modelled != missing || missing == 0 {
		t.Fatalf("%d modelled of %d", modelled, missing)
	}
	var total, observed float64
	for i := range l {
		total += math.Exp(filled[i])
		if !math.IsNaN(l[i]) {
			observed += math.Exp(l[i])
			if filled[i] != l[i] {
				t.Fatal("an observed weight has changed")
			}
		}
	}
	if !near(total, n, 1e-9) || !near(share, 1-observed/n, 1e-12) || !(se > 0 && se < .02) {
		t.Errorf("total %v of %d, share %v (SE %v), in truth %v", total, n, share, se, 1-observed/n)
	}
	// log w is linear here: the modelled differ from the truth by κ alone.
	shift := math.NaN()
	for i := range l {
		if math.IsNaN(l[i]) && truth[i] > least {
			if d := filled[i] - truth[i]; math.IsNaN(shift) {
				shift = d
			} else if math.Abs(d-shift) > 1e-3 {
				t.Fatalf("row %d is modelled %v off, others %v", i, d, shift)
			}
		}
	}
	// The mean of the modelled is held within [.2, 5].
	for _, x := range []struct{ l, want float64 }{{-3, mostModelled}, {1, leastModelled}} {
		l := []float64{x.l, x.l, x.l, x.l, x.l, x.l, math.NaN()}
		filled, _, _, _ := impute(l, []float64{0, 1, 0, 1, 0, 1, 0}, slices.Repeat([]float64{nan}, 7))
		if !near(math.Exp(filled[6]), x.want, 1e-9) {
			t.Errorf("beside weights of e^%v it is modelled as %v, want %v", x.l, math.Exp(filled[6]), x.want)
		}
	}
	if filled, k, _, _ := impute([]float64{0, 1}, []float64{nan, nan}, []float64{nan, nan}); k != 0 || filled[1] != 1 {
		t.Error("nothing is missing, and something was modelled")
	}
}

// The least squares are those of the normal equations, by brute force over a grid
// around them.
func TestLeastSquares(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	n := 40
	y, a, b := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range y {
		a[i] = rng.NormFloat64()
		b[i] = a[i] + rng.NormFloat64()
		y[i] = 1 + 2*a[i] - b[i] + rng.NormFloat64()
	}
	fit := leastSquares(y, a, b)
	sum := func(d0, da, db float64) (s float64) {
		for i := range y {
			e := y[i] - fit(i) - d0 - da*a[i] - db*b[i]
			s += e * e
		}
		return s
	}
	best := sum(0, 0, 0)
	for _, h := range []float64{1e-3, -1e-3} {
		for _, v := range []float64{sum(h, 0, 0), sum(0, h, 0), sum(0, 0, h)} {
			if v < best {
				t.Errorf("%v is below %v: not the least", v, best)
			}
		}
	}
	same := leastSquares(y, a, a)
	if v := same(3); v-v != 0 {
		t.Error("two predictors that are one have no fit")
	}
}
