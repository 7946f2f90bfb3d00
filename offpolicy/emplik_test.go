package offpolicy

import (
	"math"
	"math/rand/v2"
	"testing"
)

// -2 log R by brute force: the largest likelihood over probabilities that have the mean,
// climbed by the exponentiated dual on a fine grid of λ.
func TestEmpiricalRatio(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		x := make([]float64, 5+rng.IntN(40))
		for i := range x {
			x[i] = math.Exp(rng.NormFloat64())
		}
		e := newEmpirical(x)
		mu := e.lo + (e.hi-e.lo)*(.05+.9*rng.Float64())
		got, slope := e.ratio(mu)
		// The dual is concave: ternary search for its largest value.
		n := float64(len(x))
		dual := func(l float64) (s float64) {
			for _, v := range e.x {
				s += math.Log(1 + l*(v-mu))
			}
			return s
		}
		lo, hi := (1/n-1)/(e.hi-mu), (1/n-1)/(e.lo-mu)
		for range 300 {
			a, b := lo+(hi-lo)/3, hi-(hi-lo)/3
			if dual(a) < dual(b) {
				lo = a
			} else {
				hi = b
			}
		}
		if want := 2 * dual((lo+hi)/2); !near(got, want, 1e-9) {
			t.Fatalf("-2 log R(%v) = %v, want %v", mu, got, want)
		}
		const h = 1e-6
		up, _ := e.ratio(mu + h*(e.hi-mu))
		down, _ := e.ratio(mu - h*(e.hi-mu))
		if want := (up - down) / (2 * h * (e.hi - mu)); math.Abs(slope-want) > 1e-3*(1+math.Abs(want)) {
			t.Errorf("slope %v, by differences %v", slope, want)
		}
	}
	e := newEmpirical([]float64{1, 2, 3})
	if v, _ := e.ratio(1.5); !math.IsInf(v, 1) {
		t.Errorf("outside of the values it is %v", v)
	}
}

func TestEmpiricalLimit(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		x := make([]float64, 3+rng.IntN(60))
		for i := range x {
			if rng.Float64() < .3 {
				x[i] = rng.ExpFloat64()
			}
		}
		x[0], x[1] = 1, 0
		e := newEmpirical(x)
		for _, c := range []float64{.5, 3.84, 40, 200} {
			for _, down := range []bool{false, true} {
				mu := e.limit(c, down)
				v, _ := e.ratio(mu)
				if (mu < 0) != down || mu <= e.lo || mu >= e.hi || math.Abs(v-c) > 1e-5*c && c < 100 {
					t.Errorf("%d values, c %v, down %v: limit %v in (%v, %v), there -2 log R is %v", len(x), c,
						down, mu, e.lo, e.hi, v)
				}
			}
		}
		// Mirrored values have mirrored limits.
		y := make([]float64, len(x))
		for i := range x {
			y[i] = -x[i]
		}
		if a, b := e.limit(5, false), newEmpirical(y).limit(5, true); !near(a, -b, 1e-10) {
			t.Errorf("limits %v and %v are no mirror images", a, b)
		}
	}
	// Normal values: the limit is nearly that of a z test.
	x := make([]float64, 5000)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	if got, want := newEmpirical(x).limit(3.84, false), math.Sqrt(3.84/5000); math.Abs(got/want-1) > .03 {
		t.Errorf("limit %v, for a normal mean %v", got, want)
	}
}
