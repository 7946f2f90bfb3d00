package offpolicy

import (
	"fmt"
	"math"
)

// slack is by how much a value may lie below and above the one computed, because weights are
// known as intervals ([Weights.Open]).
type slack struct{ below, above float64 }

func (s slack) plus(o slack) slack { return slack{s.below + o.below, s.above + o.above} }

// weighedTerm is what one row adds to a weighted mean: with a weight w within [lower, upper],
// w num to the numerator and w den to the denominator.
type weighedTerm struct{ w, lower, upper, num, den float64 }

// openMean returns the slack of
//
//	(Σ w num) / (fixed + Σ w den),   den >= 0
//
// over all w within their intervals. The extremes are at corners: at the largest value θ each
// w is at its upper end if num > θ den, else at its lower one (Dinkelbach 1967).
func openMean(terms []weighedTerm, fixed float64) slack {
	num, den := 0.0, fixed
	for _, t := range terms {
		num, den = num+t.w*t.num, den+t.w*t.den
	}
	if !(den > 0) {
		return slack{}
	}
	value := num / den
	extreme := func(sign float64) float64 {
		at := sign * value
		for range 100 {
			num, den := 0.0, fixed
			for _, t := range terms {
				w := t.lower
				if sign*t.num > at*t.den {
					w = t.upper
				}
				num, den = num+w*sign*t.num, den+w*t.den
			}
			if !(num/den > at) {
				break
			}
			at = num / den
		}
		return sign * at
	}
	return slack{below: value - extreme(-1), above: extreme(1) - value}
}

// open returns the slack of a weighted mean over the rows that term takes; none if every weight
// is a number. Weights are in units of exp(unit), no larger than clip.
func (b *builder) open(unit, clip, fixed float64, term func(row int) (num, den float64, ok bool)) slack {
	w := b.weights
	switch {
	case w.Lower == nil:
		return slack{}
	case math.IsInf(largest(w.Upper), 1):
		return slack{1, 1} // a weight without a bound: any value in [0, 1]
	}
	var terms []weighedTerm
	for i, l := range w.Log {
		num, den, ok := term(i)
		if !ok || math.IsNaN(l) {
			continue
		}
		of := func(l float64) float64 { return min(math.Exp(l-unit), clip) }
		terms = append(terms, weighedTerm{w: of(l), lower: of(w.Lower[i]), upper: of(w.Upper[i]), num: num, den: den})
	}
	return openMean(terms, fixed)
}

// note says what intervals of weights do to an estimate.
func (s slack) note() string {
	return fmt.Sprintf("log-probs that are known as intervals leave the value open from %.3g below to %.3g above; the "+
		"interval has that in it", s.below, s.above)
}
