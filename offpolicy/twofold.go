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
	p := x * y
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
