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

// moments are sums over prompts of products of N and D, up to the fourth order
// where leave is wanted (see ratioMean).
type moments struct {
	n, d, nn, nd, dd             twofold
	nnd, ndd, ddd                twofold
	nnnn, nnnd, nndd, nddd, dddd twofold
}

// scale multiplies N by 2^n and D by 2^d.
func (m *moments) scale(n, d int) {
	m.n.scale(n)
	m.d.scale(d)
	m.nn.scale(2 * n)
	m.nd.scale(n + d)
	m.dd.scale(2 * d)
	m.nnd.scale(2*n + d)
	m.ndd.scale(n + 2*d)
	m.ddd.scale(3 * d)
	m.nnnn.scale(4 * n)
	m.nnnd.scale(3*n + d)
	m.nndd.scale(2*n + 2*d)
	m.nddd.scale(n + 3*d)
	m.dddd.scale(4 * d)
}

func (m *moments) add(n, d float64, leave bool) {
	m.n.add(n)
	m.d.add(d)
	m.nn.addProduct(n, n)
	m.nd.addProduct(n, d)
	m.dd.addProduct(d, d)
	if leave {
		nn, nd, dd := n*n, n*d, d*d
		m.nnd.addProduct(nn, d)
		m.ndd.addProduct(nd, d)
		m.ddd.addProduct(dd, d)
		m.nnnn.addProduct(nn, nn)
		m.nnnd.addProduct(nn, nd)
		m.nndd.addProduct(nn, dd)
		m.nddd.addProduct(nd, dd)
		m.dddd.addProduct(dd, dd)
	}
}

func (m *moments) each(o *moments, f func(a, b *twofold)) {
	f(&m.n, &o.n)
	f(&m.d, &o.d)
	f(&m.nn, &o.nn)
	f(&m.nd, &o.nd)
	f(&m.dd, &o.dd)
	f(&m.nnd, &o.nnd)
	f(&m.ndd, &o.ndd)
	f(&m.ddd, &o.ddd)
	f(&m.nnnn, &o.nnnn)
	f(&m.nnnd, &o.nnnd)
	f(&m.nndd, &o.nndd)
	f(&m.nddd, &o.nddd)
	f(&m.dddd, &o.dddd)
}

// squares is Σ r², r = N - mean D, times 1 + 2h + 3h² with h = D/den if leave, and
// then Satterthwaite's degrees of freedom of Σ r².
func (m *moments) squares(mean, den float64, leave bool) (sum, df float64) {
	// (NN - mean ND) - mean (ND - mean DD), the same times D and D².
	r2 := func(nn, nd, dd twofold) twofold {
		return nn.plus(-mean, nd).plus(-mean, nd.plus(-mean, dd))
	}
	s := r2(m.nn, m.nd, m.dd)
	if !leave {
		return max(s.value(), 0), math.NaN()
	}
	plain := max(s.value(), 0)
	r2dd := r2(m.nndd, m.nddd, m.dddd)
	s = s.plus(2/den, r2(m.nnd, m.ndd, m.ddd)).plus(3/(den*den), r2dd)
	// Σ r⁴ = Σ r² N² - 2 mean Σ r² N D + mean² Σ r² D².
	r2nn, r2nd := r2(m.nnnn, m.nnnd, m.nndd), r2(m.nnnd, m.nndd, m.nddd)
	r4 := r2nn.plus(-mean, r2nd).plus(-mean, r2nd.plus(-mean, r2dd))
	return max(s.value(), 0), 2 * plain * plain / r4.value()
}
