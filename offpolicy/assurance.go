package offpolicy

import (
	"fmt"
	"math"
	"sort"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// StatedPlanning is a pilot that nobody ran: labels of standard deviation labelSD, of which
// a calibrated judge that correlates with them by correlation explains the square,
//
//	ResidualSD = labelSD √(1 - correlation²)
//
// An Assurance on it covers how runs differ, and not that the two figures may be wrong.
// It panics unless labelSD is in (0, .5], the most that labels in [0, 1] can have, and
// correlation in [0, 1].
func StatedPlanning(labelSD, correlation float64) Planning {
	if !(labelSD > 0 && labelSD <= .5 && correlation >= 0 && correlation <= 1) {
		panic(fmt.Sprintf("offpolicy: stated pilot: label sd %v, correlation %v: want them in (0, .5] and [0, 1]", labelSD,
			correlation))
	}
	return Planning{LabelSD: labelSD, ResidualSD: labelSD * math.Sqrt((1-correlation)*(1+correlation))}
}

// LoggingRun is the smallest run whose [Planning.LoggingHalfWidth] is at most width, of up to
// most prompts, the share labeled of which have a label: how many prompts it has, and how
// many labels. Both are 0 if there is none. It panics unless width is positive and
// labeled in (0, 1].
func (p Planning) LoggingRun(width, labeled float64, most int) (prompts, labels int) {
	mustAim("logging run", width)
	if !(labeled > 0 && labeled <= 1) {
		panic(fmt.Sprintf("offpolicy: logging run: share of labeled prompts %v is outside (0, 1]", labeled))
	}
	of := func(n int) int { return min(max(int(math.Round(labeled*float64(n))), 3), n) }
	n := fewest(3, most, func(n int) bool { return p.LoggingHalfWidth(n, of(n)) <= width })
	if n == 0 {
		return 0, 0
	}
	return n, of(n)
}

// DirectRun is the fewest labels of a target's own, of n fresh draws and no fewer than
// [MinProbes], whose [Planning.DirectHalfWidth] is at most width; 0 if n are not enough. It
// panics unless width is positive.
func (p Planning) DirectRun(width float64, n int) (labels int) {
	mustAim("direct run", width)
	return fewest(MinProbes, n, func(m int) bool { return p.DirectHalfWidth(n, m) <= width })
}

func mustAim(op string, width float64) {
	if !(width > 0) {
		panic(fmt.Sprintf("offpolicy: %s: width %v: want a positive half-width", op, width))
	}
}

// fewest is the smallest k in [from, to] of which ok is true, as of all above it; else 0.
func fewest(from, to int, ok func(k int) bool) int {
	if to < from {
		return 0
	}
	if k := from + sort.Search(to-from+1, func(i int) bool { return ok(from + i) }); k <= to {
		return k
	}
	return 0
}

// halfWidth is that of the interval about LabelMean at t standard errors, of which the
// square is perLabel LabelSD² + perResidual ResidualSD², of m labels, ess in effect; times
// what the assurance asks for. more multiplies the kurtoses.
func (p Planning) halfWidth(perLabel, perResidual, m, more, t, ess float64) float64 {
	a, b := perLabel*p.LabelSD*p.LabelSD, perResidual*p.ResidualSD*p.ResidualSD
	if p.Assurance > 0 && p.learned > 0 {
		b *= p.learned
	}
	width := t * math.Sqrt(a+b)
	if p.LabelMean > 0 && p.LabelMean < 1 {
		lo, hi := labelInterval(p.LabelMean, math.Sqrt(a+b), t, ess, 1)
		width = (hi - lo) / 2
	}
	if p.Assurance == 0 || !(width > 0) {
		return width
	}
	if !(p.Assurance >= .5 && p.Assurance < 1) {
		panic(fmt.Sprintf("offpolicy: half-width: assurance %v is outside [.5, 1)", p.Assurance))
	}
	x, y := a*relativeSpread(p.LabelKurtosis, more), b*relativeSpread(p.ResidualKurtosis, more)
	together := p.together
	if together == 0 {
		together = 1
	}
	spread := (x*x + 2*together*x*y + y*y) / ((a + b) * (a + b)) // κ - 1
	pilot := 0.0
	k := float64(p.Labels)
	if p.effective > 0 {
		k = p.effective
	}
	if k > 0 {
		pilot = 2 * k / ((spread+1)*(1+math.Sqrt(8/k)) - 1)
	}
	return width * math.Sqrt(varianceRatio(p.Assurance, 2*m/spread, pilot))
}

// relativeSpread is the standard deviation of d² over its mean, √(K - 1).
func relativeSpread(kurtosis, more float64) float64 {
	if kurtosis == 0 {
		kurtosis = 3
	}
	return math.Sqrt(max(kurtosis*more-1, 0))
}

// varianceRatio is the quantile at share of a sample variance of a degrees of freedom over
// another of b, of the same population; b is 0 if the other one is exact.
func varianceRatio(share, a, b float64) float64 {
	const many = 1e6 // as good as exact
	a, b = min(a, many), min(b, many)
	if b == 0 {
		b = many
	}
	return distuv.F{D1: a, D2: b}.Quantile(share)
}

// spreadOf returns the standard deviation, the mean and the kurtosis of the values that
// are not NaN and count weight times each, about the mean or about a point that is given.
// The variance is times m/(m-1) about the mean, m the values' effective number (Kish). NaN
// below two values.
func spreadOf(values, weight []float64, about float64) (sd, mean, kurtosis float64) {
	var n, sum, sum2 float64
	for i, v := range values {
		if !math.IsNaN(v) {
			n++
			sum += weight[i]
			sum2 += weight[i] * weight[i]
			mean += weight[i] * v
		}
	}
	mean /= sum
	m := sum * sum / sum2
	if n < 2 || !(m > 1) {
		return math.NaN(), math.NaN(), 0
	}
	at, bessel := mean, m/(m-1)
	if !math.IsNaN(about) {
		at, bessel = about, 1
	}
	var d2, d4 float64
	for i, v := range values {
		if !math.IsNaN(v) {
			d := (v - at) * (v - at)
			d2 += weight[i] * d / sum
			d4 += weight[i] * d * d / sum
		}
	}
	if d2 > 0 {
		kurtosis = d4 / (d2 * d2)
	}
	return math.Sqrt(bessel * d2), mean, kurtosis
}

// effectiveNumber is (Σw)²/Σw², Kish's number of values that count alike.
func effectiveNumber(w []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, x := range w {
		sum, squares = sum+x, squares+x*x
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / squares
}

// squaresTogether is the correlation of (y - mean)² and e², 1 if one of them is constant.
func squaresTogether(y, e, weight []float64, mean float64) float64 {
	var a, b []float64
	var u []float64
	for i := range y {
		if !math.IsNaN(e[i]) {
			a, b, u = append(a, (y[i]-mean)*(y[i]-mean)), append(b, e[i]*e[i]), append(u, weight[i])
		}
	}
	if r := stat.Correlation(a, b, u); !math.IsNaN(r) {
		return r
	}
	return 1
}

// Detectable is the smallest true difference of the two policies that runs of so many
// prompts show at the 5% level with the given power, if labels and draws grow with the
// prompts:
//
//	(t + z(power)) SE √(Prompts/prompts)
//
// t being the 97.5% quantile at DF prompts/Prompts degrees of freedom. assurance is the
// share of runs, in [.5, 1), whose own error is to be no larger than that, by the ratio
// of two variances of DF and of DF prompts/Prompts degrees of freedom; 0 takes SE as it
// is. It is NaN if the comparison is refused, and panics unless prompts is positive,
// power in (0, 1) and assurance 0 or in [.5, 1).
func (d *Comparison) Detectable(prompts int, power, assurance float64) float64 {
	if prompts <= 0 || !(power > 0 && power < 1) || assurance != 0 && !(assurance >= .5 && assurance < 1) {
		panic(fmt.Sprintf("offpolicy: detectable: %d prompts, power %v, assurance %v: want more than 0, a power in (0, 1), "+
			"and an assurance of 0 or in [.5, 1)", prompts, power, assurance))
	}
	if d.Refused() || d.Prompts == 0 {
		return math.NaN()
	}
	more := float64(prompts) / float64(d.Prompts)
	ratio := 1.0
	if assurance > 0 {
		ratio = varianceRatio(assurance, d.DF*more, d.DF)
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: d.DF * more}.Quantile(.975)
	return (t + distuv.UnitNormal.Quantile(power)) * d.SE * math.Sqrt(ratio/more)
}

// WeightedPlanning returns the figures of the logged labels as a policy's weights take them,
// for [Planning.DRHalfWidth]: labels vary otherwise among the responses that the policy gives
// than among the logging policy's. LabelSD and LabelMean count each label w/p times,
// ResidualSD w²/p times, as Σ (w e)²/p is what residuals e add to the error; kurtoses are
// those of w d. NaN below two labels that have a weight, without any if there is no such
// policy.
func (r *Result) WeightedPlanning(policy string) Planning {
	q := r.Policy(policy)
	if q == nil {
		return newPilot(nil, nil, nil)
	}
	fr, w := r.frame, newWorker(r.frame)
	w.ones(fr)
	rel := relative(q.Weights)
	var y, residual, once, twice, u, squares []float64
	for i, v := range fr.invP {
		if v > 0 && rel[i] > 0 {
			e := fr.label[i] - w.f[i]
			if r.Calibrator == nil {
				e = math.NaN()
			}
			y, residual, u = append(y, fr.label[i]), append(residual, e), append(u, v)
			once, twice = append(once, v*rel[i]), append(twice, rel[i])
			squares = append(squares, v*rel[i]*rel[i])
		}
	}
	p := newPilot(y, u, residual)
	p.weighted, p.learned, p.PromptCorrelation = true, r.learned(w), r.promptCorrelation(w)
	p.effective = effectiveNumber(squares)
	if p.LabelSD, p.LabelMean, _ = spreadOf(y, once, math.NaN()); math.IsNaN(p.LabelSD) {
		return p
	}
	moments := func(d []float64, about float64) (square, kurtosis float64) {
		var n, w2, s2, s4 float64
		for i, x := range d {
			if !math.IsNaN(x) {
				x = twice[i] * (x - about)
				n += u[i]
				w2 += u[i] * twice[i] * twice[i]
				s2 += u[i] * x * x
				s4 += u[i] * x * x * x * x
			}
		}
		return s2 / w2, n * s4 / (s2 * s2)
	}
	_, p.LabelKurtosis = moments(y, p.LabelMean)
	p.ResidualSD, p.ResidualKurtosis, p.together = p.LabelSD, p.LabelKurtosis, 1
	if square, kurtosis := moments(residual, 0); square > 0 && kurtosis > 0 {
		p.ResidualSD, p.ResidualKurtosis = math.Sqrt(square), kurtosis
	}
	return p
}
