package report

import (
	"math"
	"slices"
)

// scale maps numbers to percentages of a plot's width. Percentages let an SVG
// stretch with its column while circles stay round and text keeps its size.
//
// Most data get a linear scale. Where a few values lie so far out that the rest
// would collapse into a line (log-probs of a broken row, say), positions follow
// asinh(v/unit): about linear within ±unit, logarithmic beyond, and defined for
// negative numbers and zero.
type scale struct {
	lo, hi float64 // the ends, lo < hi, in transformed units
	unit   float64 // of the asinh; 0 for a linear scale
}

// newScale spans the finite ones among values. Without any it spans [0, 1], and
// around a single value it leaves room on both sides.
func newScale(values ...float64) scale {
	xs := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return !finite(v) })
	if len(xs) == 0 {
		return scale{lo: 0, hi: 1}
	}
	slices.Sort(xs)
	s := scale{unit: outlierUnit(xs)}
	s.lo, s.hi = s.warp(xs[0]), s.warp(xs[len(xs)-1])
	margin := 0.05 * half(s.lo, s.hi)
	if margin < smallest {
		margin = max(math.Abs(s.lo)/10, 0.5)
		if a := math.Abs(s.lo); s.lo != 0 && a < 0.5 && s.unit == 0 {
			margin = max(a/2, smallest)
		}
	}
	s.lo, s.hi = s.lo-margin, s.hi+margin
	s.lo, s.hi = max(s.lo, -math.MaxFloat64), min(s.hi, math.MaxFloat64)
	return s
}

// outlierUnit is the unit of an asinh scale for sorted xs, or 0 where a linear
// one shows them: where the whole span is less than a thousand times that of
// the middle half, or than the median magnitude if the middle half is a point.
func outlierUnit(xs []float64) float64 {
	n := len(xs)
	span := half(xs[0], xs[n-1])
	middle := half(xs[(n-1)/4], xs[3*(n-1)/4])
	if middle == 0 {
		magnitudes := make([]float64, 0, n)
		for _, x := range xs {
			if x != 0 {
				magnitudes = append(magnitudes, math.Abs(x)/2)
			}
		}
		if len(magnitudes) == 0 {
			return 0
		}
		slices.Sort(magnitudes)
		middle = magnitudes[(len(magnitudes)-1)/2]
	}
	if span/1000 < middle || middle < smallest {
		return 0
	}
	return math.Pow(10, math.Floor(math.Log10(middle)))
}

// half is half of hi - lo. The whole of it may be infinite where both are
// finite.
func half(lo, hi float64) float64 { return hi/2 - lo/2 }

// smallest keeps spans away from the subnormal numbers, whose halves are zero.
const smallest = 1e-300

func (s scale) warp(v float64) float64 {
	switch {
	case s.unit == 0:
		return v
	case math.Abs(v) > 1e150: // v/unit might overflow; asinh x is log 2x out here
		return math.Copysign(math.Log(math.Abs(v))-math.Log(s.unit)+math.Ln2, v)
	}
	return math.Asinh(v / s.unit)
}

// at is the position of v in percent, held within the plot.
func (s scale) at(v float64) float64 {
	x := s.warp(v)
	p := half(s.lo, x) / half(s.lo, s.hi) * 100
	return min(max(p, 0), 100)
}

// ticks are about n round numbers, at most 2n, within the scale, in order.
func (s scale) ticks(n int) []float64 {
	if s.unit != 0 {
		return s.warpedTicks(n)
	}
	step := niceStep(half(s.lo, s.hi) / float64(n) * 2)
	if !finite(step) || step <= 0 {
		return nil
	}
	var out []float64
	for k := math.Ceil(s.lo / step); k*step <= s.hi && len(out) < 2*n; k++ {
		v := k * step
		if math.Abs(v) < step/1e6 {
			v = 0 // not -0, nor the dust of k*step
		}
		if len(out) > 0 && v <= out[len(out)-1] {
			break // the step is lost in the precision of v
		}
		out = append(out, v)
	}
	return out
}

// warpedTicks are zero and powers of ten, thinned until they fit.
func (s scale) warpedTicks(n int) []float64 {
	lo, hi := math.Sinh(s.lo)*s.unit, math.Sinh(s.hi)*s.unit
	first := int(math.Round(math.Log10(s.unit)))
	last := int(math.Floor(math.Log10(min(max(-lo, hi), math.MaxFloat64))))
	for every := 1; ; every++ {
		var out []float64
		for e := first; e <= last; e += every {
			p := math.Pow(10, float64(e))
			if -p >= lo {
				out = append(out, -p)
			}
			if p <= hi {
				out = append(out, p)
			}
		}
		if lo <= 0 && hi >= 0 {
			out = append(out, 0)
		}
		if len(out) <= n+1 {
			slices.Sort(out)
			return out
		}
	}
}

// niceStep is the smallest of 1, 2, 5 times a power of ten that is not much
// below x.
func niceStep(x float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= 0.8*x {
			return m * p
		}
	}
	return 10 * p
}
