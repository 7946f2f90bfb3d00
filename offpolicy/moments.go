package offpolicy

import "math"

// twofold is a sum kept in two float64, so that it is exact to about 32 decimal
// digits: sums over millions of rows, of which differences are then taken, lose
// nothing that matters.
//
// Source: Knuth's TwoSum, and products by fused multiply-add; see Ogita, Rump and
// Oishi, "Accurate sum and dot product" (2005).
type twofold struct{ hi, lo float64 }

func (s *twofold) add(x float64) {
	t := s.hi + x
	z := t - s.hi
	s.lo += (s.hi - (t - z)) + (x - z)
	s.hi = t
}

// addProduct adds x·y without rounding it first.
func (s *twofold) addProduct(x, y float64) {
	p := float64(x * y) // the conversion keeps it from being fused into the sum
	s.add(p)
	s.lo += math.FMA(x, y, -p)
}

func (s *twofold) merge(o twofold) {
	s.add(o.hi)
	s.lo += o.lo
}

func (s *twofold) scale(exp int) {
	s.hi, s.lo = math.Ldexp(s.hi, exp), math.Ldexp(s.lo, exp)
}

func (s twofold) value() float64 { return s.hi + s.lo }

// plus is s + f·o, in two float64 again.
func (s twofold) plus(f float64, o twofold) twofold {
	out := s
	out.addProduct(f, o.hi)
	out.lo += f * o.lo
	return out
}

// moments are sums over prompts of products N^i D^j, in the order of [powers]: up to
// the second order, and to the fourth where leave is wanted (see ratioMean).
type moments [len(powers)]twofold

// powers are the exponents of N and D, and which two of N, D, NN, ND and DD make the
// product.
var powers = [...]struct{ n, d, left, right int }{
	{n: 1}, {d: 1}, {2, 0, 0, 0}, {1, 1, 0, 1}, {0, 2, 1, 1},
	{2, 1, 2, 1}, {1, 2, 3, 1}, {0, 3, 4, 1}, {4, 0, 2, 2}, {3, 1, 2, 3}, {2, 2, 2, 4}, {1, 3, 3, 4}, {0, 4, 4, 4},
	{3, 0, 2, 0},
}

// plainPowers are those up to the second order.
const plainPowers = 5

// of is Σ N^n D^d.
func (m *moments) of(n, d int) twofold {
	for k := range powers {
		if p := &powers[k]; p.n == n && p.d == d {
			return m[k]
		}
	}
	panic("offpolicy: moments: no such power")
}

// scale multiplies N by 2^n and D by 2^d.
func (m *moments) scale(n, d int) {
	for k := range powers {
		m[k].scale(powers[k].n*n + powers[k].d*d)
	}
}

func (m *moments) add(n, d float64, leave bool) {
	part := [...]float64{n, d, n * n, n * d, d * d}
	m[0].add(n)
	m[1].add(d)
	kept := plainPowers
	if leave {
		kept = len(powers)
	}
	for k := 2; k < kept; k++ {
		m[k].addProduct(part[powers[k].left], part[powers[k].right])
	}
}

// squares is Σ r², r = N - mean D, times 1 + 2h + 3h² with h = D/den if leave; plain is Σ r²
// and, if leave, fourth is Σ r⁴.
func (m *moments) squares(mean, den float64, leave bool) (sum, plain, fourth float64) {
	// Σ r² N^n D^d is (NN - mean ND) - mean (ND - mean DD), each times N^n D^d.
	r2 := func(n, d int) twofold {
		nd := m.of(n+1, d+1)
		return m.of(n+2, d).plus(-mean, nd).plus(-mean, nd.plus(-mean, m.of(n, d+2)))
	}
	s := r2(0, 0)
	plain = max(s.value(), 0)
	if !leave {
		return plain, plain, math.NaN()
	}
	r2dd := r2(0, 2)
	s = s.plus(2/den, r2(0, 1)).plus(3/(den*den), r2dd)
	// Σ r⁴ = Σ r² N² - 2 mean Σ r² N D + mean² Σ r² D².
	r2nd := r2(1, 1)
	r4 := r2(2, 0).plus(-mean, r2nd).plus(-mean, r2nd.plus(-mean, r2dd))
	return max(s.value(), 0), plain, r4.value()
}
