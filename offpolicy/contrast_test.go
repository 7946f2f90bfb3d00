package offpolicy

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// testArms are two weighted means of the same labels, with the influences that they
// have.
func testArms(rng *rand.Rand, n int, label func() float64, spread float64) (a, b *Estimate) {
	sides := [2]*arm{{weights: &Weights{}}, {weights: &Weights{}}}
	for i := range n {
		y := label()
		for _, s := range sides {
			l := spread * rng.NormFloat64()
			s.labels = append(s.labels, armLabel{int32(i), int32(i), math.Exp(l), y, y})
			s.weights.Log, s.invP = append(s.weights.Log, l), append(s.invP, 1)
		}
	}
	var out [2]*Estimate
	for k, s := range sides {
		s.normalise()
		e := &Estimate{Value: s.mean(), DF: float64(n - 1), Influence: make([]float64, n), arm: s}
		for i, l := range s.labels {
			e.Influence[i] = float64(n) * l.c * (l.y - e.Value)
		}
		out[k] = e
	}
	return out[0], out[1]
}

// Coefficients, groups, bias and spread by brute force.
func TestContrastByHand(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const n = 40
	a, b := testArms(rng, n, rng.Float64, .5)
	c := newContrast(a, b, 0)
	var up, down, bias, drawn, expected, squares float64
	var upY, downY float64
	for i := range n {
		ca, cb, y := a.arm.labels[i].c, b.arm.labels[i].c, a.arm.labels[i].y
		if d := ca - cb; d > 0 {
			up += d
			upY += d * y
		} else {
			down -= d
			downY -= d * y
		}
		bias += -ca*ca*(y-a.Value) + cb*cb*(y-b.Value)
		drawn += (ca - cb) * (ca - cb)
		expected += (a.arm.share(i) - b.arm.share(i)) * (a.arm.share(i) - b.arm.share(i))
		phi := ca*(y-a.Value) - cb*(y-b.Value)
		squares += phi * phi
	}
	if !near(c.up.mass, up, 1e-12) || !near(c.down.mass, down, 1e-12) || !near(c.up.sum, upY, 1e-12) ||
		!near(c.down.sum, downY, 1e-12) {
		t.Errorf("groups %+v %+v", c.up, c.down)
	}
	if !near(c.value, a.Value-b.Value-bias, 1e-12) || !near(c.seParts, math.Sqrt(squares), 1e-12) || !near(drawn,
		expected, 1e-12) {
		t.Errorf("value %v, error %v", c.value, c.seParts)
	}
	if !near(c.se, c.seParts, 1e-12) { // every row is labeled: the spread is as expected
		t.Errorf("error %v, of parts %v", c.se, c.seParts)
	}
	a.arm.total, b.arm.total = a.arm.total/2, b.arm.total/2 // rows that differ more than the labels drawn
	if d := newContrast(a, b, 0); !near(d.se, 2*c.se, 1e-12) {
		t.Errorf("error %v where labels differ half as much as rows, %v before", d.se, c.se)
	}
}

// Exchanging the two sides negates value and limits; mirroring the labels does too.
func TestContrastSymmetries(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 50 {
		a, b := testArms(rng, 30, func() float64 { return math.Min(rng.ExpFloat64()*.1, 1) }, .4)
		if rng.Float64() < .5 { // a label set of its own
			other, _ := testArms(rng, 25, rng.Float64, 0)
			for i := range other.arm.labels {
				other.arm.labels[i].id += 1000
			}
			other.arm.weights, other.arm.invP = nil, nil
			other.Influence = append(other.Influence, make([]float64, 5)...)
			b = other
		}
		mirror := func(e *Estimate) *Estimate {
			m := *e
			m.Value, m.Influence = 1-e.Value, make([]float64, len(e.Influence))
			m.arm = &arm{weights: e.arm.weights, invP: e.arm.invP, top: e.arm.top, total: e.arm.total}
			for _, l := range e.arm.labels {
				m.arm.labels = append(m.arm.labels, armLabel{l.id, l.prompt, l.c, 1 - l.y, 1 - l.rest})
			}
			for i, v := range e.Influence {
				m.Influence[i] = -v
			}
			return &m
		}
		c, swapped, mirrored := newContrast(a, b, .01), newContrast(b, a, .01), newContrast(mirror(a), mirror(b), .01)
		for _, exact := range []bool{true, false} {
			for _, widen := range []float64{1, 1.5} {
				lo, hi, p := c.interval(c.t(widen), exact)
				for what, o := range map[string]*contrast{"exchanged": swapped, "mirrored": mirrored} {
					l, h, q := o.interval(o.t(widen), exact)
					if !near(lo, -h, 1e-9) || !near(hi, -l, 1e-9) || !near(p, q, 1e-9) || !near(c.value, -o.value, 1e-12) {
						t.Fatalf("%s: [%v, %v] p %v, and [%v, %v] p %v", what, lo, hi, p, l, h, q)
					}
				}
			}
		}
	}
}

// Interval and p agree, whatever the labels.
func TestContrastIntervalAndP(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	inside, outside := 0, 0
	for k := range 600 {
		rate := []float64{.04, .3, .5, .95, 0, 1}[k%6]
		a, b := testArms(rng, 25, func() float64 {
			if rng.Float64() < rate {
				return 1
			}
			return 0
		}, .8)
		c := newContrast(a, b, 0)
		lo, hi, p := c.interval(c.t(1), true)
		if (lo <= 0 && hi >= 0) != (p >= .05) || !(lo <= c.value && c.value <= hi) || !(p >= 0 && p <= 1) {
			t.Fatalf("rate %v: %v in [%v, %v], p %v", rate, c.value, lo, hi, p)
		}
		if p < .05 {
			outside++
		} else {
			inside++
		}
	}
	if inside == 0 || outside == 0 {
		t.Errorf("%d of one kind, %d of the other: the case is empty", inside, outside)
	}
}

// Labels that are all equal say that a difference is 0, not that it is known: Newcombe's
// limits are those of so many labels.
func TestContrastOfEqualLabels(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	a, _ := testArms(rng, 25, func() float64 { return 0 }, 0)
	b, _ := testArms(rng, 25, func() float64 { return 0 }, 0)
	for i := range b.arm.labels {
		b.arm.labels[i].id += 100
	}
	c := newContrast(a, b, 0)
	lo, hi, p := c.interval(c.t(1), true)
	// Wilson's upper limit of 0 of 25 at t(24) is t²/(25 + t²) = .1456.
	tt := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: 24}.Quantile(.975)
	if want := tt * tt / (25 + tt*tt); p != 1 || !near(hi, want, 1e-9) || !near(lo, -want, 1e-9) {
		t.Errorf("[%v, %v], p %v, want ±%v", lo, hi, p, want)
	}
	for i := range b.arm.labels {
		b.arm.labels[i].y, b.arm.labels[i].rest = 1, 1
	}
	b.Value = 1
	c = newContrast(a, b, 0)
	if lo, hi, p = c.interval(c.t(1), true); p > 1e-4 || hi > -.7 || lo != -1 {
		t.Errorf("25 of 0 against 25 of 1: [%v, %v], p %v", lo, hi, p)
	}
}

// Newcombe's limits of two plain shares are his method 10.
func TestNewcombe(t *testing.T) {
	// 56 of 70 and 48 of 80 at z: .2 with limits .0524 and .3339 (Newcombe 1998, table II).
	c := contrast{value: .2, df: 1e9}
	for i := range 70 {
		c.up.add(1./70, map[bool]float64{true: 1}[i < 56])
	}
	for i := range 80 {
		c.down.add(1./80, map[bool]float64{true: 1}[i < 48])
	}
	c.se = math.Sqrt(.8*.2/70 + .6*.4/80)
	const z = 1.959963984540054
	wide := func(v, n float64) (float64, float64) { return wilson(v, n, z) }
	l1, u1 := wide(.8, 70)
	l2, u2 := wide(.6, 80)
	lo, hi := c.newcombe(z)
	if want := .2 - math.Sqrt((.8-l1)*(.8-l1)+(u2-.6)*(u2-.6)); math.Abs(want-.0524) > 5e-5 || !near(lo, want, 1e-9) {
		t.Errorf("lower limit %v, Newcombe's %v", lo, want)
	}
	if want := .2 + math.Sqrt((u1-.8)*(u1-.8)+(.6-l2)*(.6-l2)); math.Abs(want-.3339) > 5e-5 || !near(hi, want, 1e-9) {
		t.Errorf("upper limit %v, Newcombe's %v", hi, want)
	}
}
