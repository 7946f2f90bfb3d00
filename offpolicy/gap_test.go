package offpolicy

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSubsetZ(t *testing.T) {
	// By hand: 2 of 4 at p = 1/2, mean 2.5; Σ (x - 2.5)/p = 2 (.5 + 1.5) = 4; the
	// variance is Σ (x - 2.5)² (1-p)/p = 5.
	if z, _ := subsetZ([]float64{1, 2, 3, 4}, []float64{-2, -2, 2, 2}); !near(z, 4/math.Sqrt(5), 1e-12) {
		t.Errorf("z = %v", z)
	}
	for what, x := range map[string][]float64{"constant": {1, 1, 1, 1}, "missing": {nan, nan, nan, nan}} {
		if z, _ := subsetZ(x, []float64{-2, -2, 2, 2}); !math.IsNaN(z) {
			t.Errorf("%s: z = %v, want NaN", what, z)
		}
	}
	// Over random subsets it is a standard normal: at one p, at p that follow x, and
	// where a fifth of the drawn failed at random.
	rng := rand.New(rand.NewPCG(2, 3))
	for what, p := range map[string]func(x float64) float64{"equal": func(float64) float64 { return .4 },
		"by x": func(x float64) float64 { return .1 + .8*x }} {
		for _, fails := range []float64{0, .2} {
			var sum, squares float64
			const runs = 1000
			for range runs {
				x, inv := make([]float64, 80), make([]float64, 80)
				for i := range x {
					x[i] = rng.Float64()
					q := p(x[i])
					if inv[i] = -1 / q; rng.Float64() < q && rng.Float64() >= fails {
						inv[i] = 1 / q
					}
				}
				z, _ := subsetZ(x, inv)
				sum += z / runs
				squares += z * z / runs
			}
			if math.Abs(sum) > 4/math.Sqrt(runs) || math.Abs(squares-1) > .2 {
				t.Errorf("%s, %v fail: z has mean %v and square %v over random subsets", what, fails, sum, squares)
			}
		}
	}
}

// The stated power: a shift of the size that the test detects is found in 80% of runs.
func TestGapDetects(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	const runs, n, m = 2000, 200, 30
	found := 0
	for range runs {
		x := make([]float64, n)
		inv := subset(func(i int) bool { return i < m }, n)
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		_, detects := subsetZ(x, inv)
		for i := range m {
			x[i] += detects * float64(n) / (n - m) // from the mean of all
		}
		if z, _ := subsetZ(x, inv); math.Abs(z) > maxGapZ {
			found++
		}
	}
	if share := float64(found) / runs; math.Abs(share-.8) > .08 {
		t.Errorf("%.2f found of shifts that 80%% should find", share)
	}
}

// Groups are one test, whatever their number: of random gaps no more than one is beyond
// the limit as often as its level says, and a group that always lacks is found.
func TestGapGroups(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	names := make([]string, 300)
	for i := range names {
		names[i] = string(rune('a' + i%12))
	}
	name := func(i int) string { return names[i] }
	beyond := 0
	for range 1000 {
		g := missingness{}
		missing := make([]bool, len(names))
		for i := range missing {
			missing[i] = rng.Float64() < .1
		}
		g.groups("language", name, subset(func(i int) bool { return missing[i] }, len(names)))
		if len(g.Tests) != 1 {
			t.Fatalf("%d tests of one kind", len(g.Tests))
		}
		if g.pattern() != nil {
			beyond++
		}
	}
	if beyond > 4 { // .1 is due of 1,000, and normal tails are rough at 25 rows a group
		t.Errorf("%d of 1,000 random gaps have a pattern", beyond)
	}
	g := missingness{}
	g.groups("language", name, subset(func(i int) bool { return names[i] == "c" }, len(names)))
	if p := g.pattern(); p == nil || p.By != "language c" {
		t.Errorf("a whole group is missing: %+v", g.Tests)
	}
}

func TestSupportLimits(t *testing.T) {
	if testing.Short() {
		t.Skip("arithmetic, whose goroutines other tests watch for races")
	}
	// Of m random labels of uniform scores the share beyond exceeds the limits as often
	// as they say (m small enough for them to be above .1).
	rng := rand.New(rand.NewPCG(6, 6))
	for _, m := range []int{15, 25, 40} {
		k := math.Floor(labelTrim * float64(m))
		end, both := endLimit(float64(m), k), outsideLimit(float64(m), k)
		atEnd, outside := 0, 0
		const runs = 40000
		for range runs {
			x := make([]float64, m)
			for i := range x {
				x[i] = rng.Float64()
			}
			r := newLabeledRange(x)
			if max(r.lo, 1-r.hi) > end {
				atEnd++
			}
			if 1-(r.hi-r.lo) > both {
				outside++
			}
		}
		for _, c := range []struct {
			what      string
			got, want float64
		}{{"at an end", float64(atEnd), runs * endLevel}, {"in all", float64(outside), runs * supportLevel}} {
			if math.Abs(c.got-c.want) > 5*math.Sqrt(c.want) {
				t.Errorf("%d labels, %s: %v of %d beyond %v and %v, want about %v", m, c.what, c.got, runs, end, both, c.want)
			}
		}
		if !(end < both) {
			t.Errorf("%d labels: one end may leave %v, both %v", m, end, both)
		}
	}
	if got := outsideLimit(5000, 125); got != MaxOutside {
		t.Errorf("of many labels %v, want %v", got, MaxOutside)
	}
}

// Skewed values make no random gap a pattern.
func TestGapOfSkewedValues(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	beyond := 0
	const runs = 2000
	for range runs {
		x := make([]float64, 400)
		for i := range x {
			x[i] = math.Exp(3 * rng.NormFloat64())
		}
		g := missingness{}
		g.test("score", x, subset(func(i int) bool { return i < 20 }, len(x)))
		if g.pattern() != nil {
			beyond++
		}
	}
	if beyond > 3 { // .2 are due
		t.Errorf("%d of %d random gaps have a pattern", beyond, runs)
	}
}
