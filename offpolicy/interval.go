package offpolicy

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/reweigh/reweigh/internal/memo"
)

// MeanInterval returns the mean of values and its 95% t-interval
//
//	mean ± t(.975, n-1) · sd / √n
//
// for independent values: average a prompt's draws first. mean is NaN without
// values or where any of them is NaN: leave missing values out, and say how
// many they were. lo and hi are NaN below two values.
func MeanInterval(values []float64) (mean, lo, hi float64) {
	mean, se := meanSE(values)
	half := tQuantile(.975, len(values)-1) * se
	return mean, mean - half, mean + half
}

// Difference is the mean of paired differences a - b, in the units of a and b.
type Difference struct {
	N       int // pairs with both values
	Missing int // pairs that lack one
	Mean    float64
	SE      float64 // sd of the differences / √N; NaN below two pairs
	// Lower and Upper are one-sided 97.5% bounds, so that together they are a
	// 95% interval. NaN below two pairs.
	Lower, Upper float64
}

// PairedDifference compares a and b row by row, by t with N-1 degrees of
// freedom. A pair of which either value is NaN is counted as Missing and left
// out. Means of two policies on the same prompts must be compared in this way:
// overlapping intervals of the separate means answer another question.
// It panics if the lengths differ.
func PairedDifference(a, b []float64) Difference {
	mustMatch("paired difference", len(a), len(b))
	d := make([]float64, 0, len(a))
	for i := range a {
		if v := a[i] - b[i]; !math.IsNaN(v) {
			d = append(d, v)
		}
	}
	r := Difference{N: len(d), Missing: len(a) - len(d)}
	r.Mean, r.SE = meanSE(d)
	half := tQuantile(.975, r.N-1) * r.SE
	r.Lower, r.Upper = r.Mean-half, r.Mean+half
	return r
}

// scoreInterval is the interval of a mean of values in [0, 1] that was estimated
// as value with standard error se: all θ with
//
//	|value - θ| <= t SE √(θ(1-θ) / (value(1-value)))
//
// which is Wilson's for a share, at an effective number n = value(1-value)/SE² of
// values. Near 0 such values must be skewed to the right (by at least sd/mean -
// mean/sd, whatever they are), an estimate that came out low has too small an error
// with it, and value ± t SE misses the truth above it too often, hardly ever below:
// of 25 labels of mean .06 and skewness 2.8 it holds it in 92%. The standard
// error of θ itself, as of a share, undoes most of that, and the
// interval stays within [0, 1] of its own accord. Away from the ends it is value ±
// t SE.
//
// m values in [0, 1] have n >= m, since their variance is at most θ(1-θ), or nearly
// so, as SE is estimated. Where n is less than half of that the estimate, being no
// mean of values, came out next to an end or beyond it: then n is m, and the interval
// also holds value ± t SE.
//
// Sources: Wilson, J. Am. Stat. Assoc. 22 (1927), 209-212; with an effective number
// and t, Dean and Pagano, J. Surv. Stat. Methodol. 3 (2015), 484-503; the bound on the
// variance, Bhatia and Davis, Am. Math. Mon. 107 (2000), 353-357.
func scoreInterval(value, se, t, m float64) (lo, hi float64) {
	wald := func(lo, hi float64) (float64, float64) {
		return max(min(lo, value-t*se), 0), min(max(hi, value+t*se), 1)
	}
	if !(se > 0) {
		return wald(value, value)
	}
	v := min(max(value, 0), 1)
	n := v * (1 - v) / (se * se)
	few := n < m/2
	if few {
		n = m
	}
	d := t * t / n
	mid, half := (v+d/2)/(1+d), math.Sqrt(d*(v*(1-v)+d/4))/(1+d)
	lo, hi = max(mid-half, 0), min(mid+half, 1)
	if few {
		return wald(lo, hi)
	}
	return lo, hi
}

// oneLabelInterval is the interval of a mean of labels that are all y, of which there
// are m in effect: what has not been seen has a mass of at most q, P(none of m) being
// tail, and may be anything in [0, 1],
//
//	[y (1 - q), y + (1 - y) q],   q = 1 - tail^(1/m)
//
// which is Clopper and Pearson's of 0 or m of m for y = 0 or 1.
func oneLabelInterval(y, m, tail float64) (lo, hi float64) {
	q := 1 - math.Pow(tail, 1/m)
	return y * (1 - q), y + (1-y)*q
}

// stretchInterval moves the limit towards the middle out to the θ at which
//
//	|value - θ| = t SE (θ(1-θ) / (value(1-value)))^a,   a = 1/2 + (1 - 2 value)²/2
//
// In the middle that is the score interval. Next to an end the error grows nearly as
// θ(1-θ) itself, not as its root: of labels that are skewed and no shares (of
// scale θ, as exponential ones are) an estimate that came out low understates its
// error by more than a share does.
func stretchInterval(value, se, t, lo, hi float64) (float64, float64) {
	up := func(v float64) float64 {
		if !(v > 0) || !(se > 0) {
			return v
		}
		a := .5 + (1-2*v)*(1-2*v)/2
		// What is sought is the one root of a convex function that is negative at v.
		// Bisection gives its last digits: only this close to it is the side of a number computed.
		const near = 1e-14
		root := stretchRoot(v, t*se, a)
		beyond := func(x float64) bool { return !(x-v < t*se*math.Pow(x*(1-x)/(v*(1-v)), a)) }
		from, to := v, 1.0
		for range 60 {
			mid := (from + to) / 2
			if mid == from || mid == to {
				break
			}
			if mid > root+near || mid >= root-near && beyond(mid) {
				to = mid
			} else {
				from = mid
			}
		}
		return from
	}
	if value <= .5 {
		hi = max(hi, up(value))
	}
	if value >= .5 {
		lo = min(lo, 1-up(1-value))
	}
	return lo, hi
}

// stretchRoot is the θ in (v, 1) at which θ - v = width (θ(1-θ) / (v(1-v)))^a, nearly.
func stretchRoot(v, width, a float64) float64 {
	from, to := v, 1.0
	x := (v + 1) / 2
	for range 30 {
		power := width * math.Pow(x*(1-x)/(v*(1-v)), a)
		above := x - v - power
		if above < 0 {
			from = x
		} else {
			to = x
		}
		next := x - above/(1-power*a*(1-2*x)/(x*(1-x))) // Newton's
		if math.Abs(next-x) < 1e-15 {
			break
		}
		if !(next > from && next < to) {
			next = (from + to) / 2
		}
		x = next
	}
	return x
}

// capInterval draws the arm towards the middle in to Wilson's of m values at t(m - 1):
// values in [0, 1] vary by θ(1-θ) at most, however few of them an error was estimated
// from, or however many degrees of freedom that cost.
func capInterval(value, lo, hi, m, widen float64) (float64, float64) {
	if !(m > 2) {
		return lo, hi
	}
	l, u := wilson(value, m, widen*tQuantileAt(.975, m-1))
	if value <= .5 {
		hi = min(hi, u)
	}
	if value >= .5 {
		lo = max(lo, l)
	}
	return lo, hi
}

func meanSE(values []float64) (mean, se float64) {
	n := float64(len(values))
	if n == 0 {
		return math.NaN(), math.NaN()
	}
	for _, v := range values {
		mean += v
	}
	mean /= n
	if n < 2 {
		return mean, math.NaN()
	}
	var ss float64
	for _, v := range values {
		ss += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(ss / (n - 1) / n)
}

// tQuantile is the quantile of Student's t, NaN without a degree of freedom.
func tQuantile(p float64, df int) float64 {
	if df < 1 {
		return math.NaN()
	}
	return tQuantileAt(p, float64(df))
}

// tQuantileAt is tQuantile at degrees of freedom that are no whole number.
func tQuantileAt(p, df float64) float64 {
	return tQuantiles.Get(tPoint{p, df}, func() float64 {
		return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile(p)
	})
}

// tQuantiles keeps quantiles: planning asks for the same ones thousands of times.
var tQuantiles memo.Table[tPoint, float64]

type tPoint struct{ p, df float64 }

// Quantiles returns the quantiles of values at each of probs, by linear
// interpolation between order statistics at (n-1)p, which is R's type 7 and
// NumPy's default. NaN values are left out; without any other, every quantile
// is NaN. values is not changed. It panics if a probability is outside [0, 1].
func Quantiles(values []float64, probs ...float64) []float64 {
	sorted := make([]float64, 0, len(values))
	for _, v := range values {
		if !math.IsNaN(v) {
			sorted = append(sorted, v)
		}
	}
	slices.Sort(sorted)
	out := make([]float64, len(probs))
	for i, p := range probs {
		if !(p >= 0 && p <= 1) {
			panic(fmt.Sprintf("offpolicy: quantiles: probability %v is outside [0, 1]", p))
		}
		if len(sorted) == 0 {
			out[i] = math.NaN()
			continue
		}
		at := p * float64(len(sorted)-1)
		lo := int(at)
		hi := min(lo+1, len(sorted)-1)
		out[i] = sorted[lo]
		if frac := at - float64(lo); frac > 0 && sorted[hi] != sorted[lo] {
			out[i] = sorted[lo]*(1-frac) + sorted[hi]*frac // not lo + frac·(hi-lo), which is NaN at -Inf
		}
	}
	return out
}

// BinomialUpper returns the one-sided upper Clopper-Pearson bound at the given
// confidence level (0.95, say) of a probability of which k of n trials were a
// success. It is 1 where k is n, or n is 0. It panics unless 0 <= k <= n and
// 0 < level < 1.
//
//	the p at which P(Binomial(n, p) <= k) = 1 - level;  the level quantile of Beta(k+1, n-k)
//
// Source: Clopper and Pearson, Biometrika 26 (1934), 404-413.
func BinomialUpper(k, n int, level float64) float64 {
	mustBinomial(k, n, level)
	if k == n {
		return 1
	}
	return distuv.Beta{Alpha: float64(k + 1), Beta: float64(n - k)}.Quantile(level)
}

// BinomialLower returns the one-sided lower Clopper-Pearson bound, the p at
// which P(Binomial(n, p) >= k) = 1 - level. It is 0 where k is 0. It panics
// unless 0 <= k <= n and 0 < level < 1. See [BinomialUpper].
func BinomialLower(k, n int, level float64) float64 {
	mustBinomial(k, n, level)
	if k == 0 {
		return 0
	}
	return distuv.Beta{Alpha: float64(k), Beta: float64(n - k + 1)}.Quantile(1 - level)
}

func mustBinomial(k, n int, level float64) {
	if k < 0 || k > n || !(level > 0 && level < 1) {
		panic(fmt.Sprintf("offpolicy: binomial bound: k=%d of n=%d at level %v: want 0 <= k <= n and 0 < level < 1", k, n,
			level))
	}
}
