package worlds

import (
	"math"
	"math/rand/v2"
)

// A labelKind is a family of label distributions on [0, 1]. Each has a
// closed form for its mean, so enumeration gives exact values.
type labelKind int

const (
	labelNormal   labelKind = iota // logistic location, normal noise, clipped
	labelHetero                    // the same, with noise that grows with quality
	labelT3                        // the same, with t(3) noise
	labelHump                      // best at middling quality, normal noise
	labelBinary                    // Bernoulli
	labelSkewLow                   // min(1, exponential)
	labelSkewHigh                  // one minus min(1, exponential)
	labelOrdinal                   // 0, 1/4, 1/2, 3/4, 1
)

const (
	normalSD = .10
	t3Scale  = .12
)

// Cut points of the ordinal label on its latent logistic scale.
var ordinalCuts = [4]float64{-2, -.7, .7, 2}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// location maps quality to the parameter of the distribution. The shift moves
// the mean of all labels; worlds with a named mean solve for it.
func (k labelKind) location(quality, shift float64) float64 {
	switch k {
	case labelHump:
		d := quality - .3
		return .15 + .7*math.Exp(-d*d/.9)
	case labelBinary:
		return logistic(shift + 1.2*quality)
	case labelSkewLow:
		return math.Exp(shift + .7*quality)
	case labelSkewHigh:
		return math.Exp(shift - .7*quality)
	case labelOrdinal:
		return 1.6 * quality
	default:
		return logistic(1.1 * quality)
	}
}

// sd is the scale of the additive noise before clipping.
func (k labelKind) sd(loc float64) float64 {
	switch k {
	case labelHetero:
		return .02 + .35*loc
	case labelT3:
		return t3Scale
	default:
		return normalSD
	}
}

// mean is the exact mean of the label.
func (k labelKind) mean(loc float64) float64 {
	switch k {
	case labelT3:
		return clippedT3Mean(loc, k.sd(loc))
	case labelBinary:
		return loc
	case labelSkewLow:
		return cappedExpMean(loc)
	case labelSkewHigh:
		return 1 - cappedExpMean(loc)
	case labelOrdinal:
		sum := 0.0
		for _, c := range ordinalCuts {
			sum += logistic(loc - c)
		}
		return sum / 4
	default:
		return clippedNormalMean(loc, k.sd(loc))
	}
}

// sample draws one label. The share of the noise's variance that rows of one
// prompt have in common is common; shared is that prompt's standard normal.
func (k labelKind) sample(r *rand.Rand, loc, common, shared float64) float64 {
	switch k {
	case labelT3:
		return clip(loc + k.sd(loc)*sampleT3(r))
	case labelBinary:
		if r.Float64() < loc {
			return 1
		}
		return 0
	case labelSkewLow:
		return math.Min(1, loc*r.ExpFloat64())
	case labelSkewHigh:
		return 1 - math.Min(1, loc*r.ExpFloat64())
	case labelOrdinal:
		u := r.Float64()
		level := 0
		for _, c := range ordinalCuts {
			if u < logistic(loc-c) {
				level++
			}
		}
		return float64(level) / 4
	default:
		z := r.NormFloat64()
		if common > 0 {
			z = math.Sqrt(1-common)*z + math.Sqrt(common)*shared
		}
		return clip(loc + k.sd(loc)*z)
	}
}

func clip(x float64) float64 { return math.Min(1, math.Max(0, x)) }

// cappedExpMean is E[min(1, X)] for an exponential X of the given mean.
func cappedExpMean(theta float64) float64 { return -theta * math.Expm1(-1/theta) }

// clippedNormalMean is E[clip(m + s Z)] for a standard normal Z.
func clippedNormalMean(m, s float64) float64 {
	a, b := -m/s, (1-m)/s
	cdf := func(x float64) float64 { return .5 * math.Erfc(-x/math.Sqrt2) }
	pdf := func(x float64) float64 { return math.Exp(-x*x/2) / math.Sqrt(2*math.Pi) }
	return m*(cdf(b)-cdf(a)) + s*(pdf(a)-pdf(b)) + cdf(-b)
}

// clippedT3Mean is E[clip(m + s T)] for T of Student's t with 3 degrees of
// freedom, whose distribution and partial mean are elementary.
func clippedT3Mean(m, s float64) float64 {
	a, b := -m/s, (1-m)/s
	cdf := func(t float64) float64 {
		x := t / math.Sqrt(3)
		return .5 + (x/(1+x*x)+math.Atan(x))/math.Pi
	}
	partial := math.Sqrt(3) / math.Pi * (1/(1+a*a/3) - 1/(1+b*b/3))
	return m*(cdf(b)-cdf(a)) + s*partial + 1 - cdf(b)
}

// sampleT3 draws Student's t with 3 degrees of freedom.
func sampleT3(r *rand.Rand) float64 {
	z, a, b, c := r.NormFloat64(), r.NormFloat64(), r.NormFloat64(), r.NormFloat64()
	return z / math.Sqrt((a*a+b*b+c*c)/3)
}
