package offpolicy

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"
)

// Pilot is what a small run tells about a larger one: how labels vary, and how
// much of that the calibrated judge explains. Widths made of it are half-widths
// of 95% intervals, in the labels' unit. They are as good as the assumption that
// the larger run's responses are like the pilot's; the pilot's own sampling error
// in LabelSD is about LabelSD/√(2m) with m labels.
type Pilot struct {
	Labels     int
	LabelSD    float64 // of a label
	ResidualSD float64 // of a label minus its out-of-fold prediction, at most LabelSD
}

// Pilot returns the figures of the logged labels; NaN below two.
func (r *Result) Pilot() Pilot {
	fr := r.frame
	var y, e []float64
	for i, u := range fr.invP {
		if u > 0 {
			y = append(y, fr.label[i])
		}
	}
	p := Pilot{Labels: len(y), LabelSD: standardDeviation(y), ResidualSD: math.NaN()}
	if len(y) < 2 {
		p.LabelSD = math.NaN()
	}
	if r.Calibrator != nil {
		e = r.Calibrator.Residuals()
		var ss float64
		for _, v := range e {
			ss += v * v
		}
		p.ResidualSD = min(math.Sqrt(ss/float64(len(e))), p.LabelSD)
	} else {
		p.ResidualSD = p.LabelSD // nothing is explained
	}
	return p
}

func mustPlan(op string, n, m int) {
	if n < 3 || m < 3 || m > n {
		panic(fmt.Sprintf("offpolicy: %s: %d labels of %d prompts: want at least 3, and no more labels than prompts", op, m,
			n))
	}
}

func (p Pilot) explained() float64 { return p.LabelSD*p.LabelSD - p.ResidualSD*p.ResidualSD }

// LoggingHalfWidth is that of the logging policy's own value from n prompts, m
// of them labelled:
//
//	t(m-1) √(explained/n + residual/m)
//
// explained and residual being the variances of the two parts of a label. It
// panics unless 3 <= m <= n.
func (p Pilot) LoggingHalfWidth(n, m int) float64 {
	mustPlan("half-width", n, m)
	return tQuantile(.975, m-1) * math.Sqrt(p.explained()/float64(n)+p.ResidualSD*p.ResidualSD/float64(m))
}

// DirectHalfWidth is that of a target's value by [Direct] from n prompts with a
// fresh draw each, m of them labelled:
//
//	t(m-2) √(label variance/m · (1 - ρ²/(1+m/n))),   ρ² the explained share
//
// It panics unless 3 <= m <= n.
func (p Pilot) DirectHalfWidth(n, m int) float64 {
	mustPlan("half-width", n, m)
	rho2 := p.explained() / (p.LabelSD * p.LabelSD)
	return tQuantile(.975, m-2) * p.LabelSD * math.Sqrt((1-rho2/(1+float64(m)/float64(n)))/float64(m))
}

// DRHalfWidth is that of a target's value by [DR] from n logged prompts, m of
// them labelled, each with a fresh draw, where the relative ESS is r:
//
//	t(m r - 1) √(explained/(n (1 + r)) + residual/(m r))     where r >= .5
//	t(m r - 1) √(explained/n + residual/(m r))               below
//
// since a tuned l lets fresh draws and logs share the explained part.
//
// It is a bound from below: a pilot sees too little of the weights' tail, so that
// the relative ESS of a larger run is at most about the pilot's. It panics unless
// 3 <= m <= n and relativeESS is in (0, 1], and is +Inf where fewer than
// [minESSLabels] effective labels remain, since that is refused.
func (p Pilot) DRHalfWidth(n, m int, relativeESS float64) float64 {
	mustPlan("half-width", n, m)
	if !(relativeESS > 0 && relativeESS <= 1) {
		panic(fmt.Sprintf("offpolicy: half-width: relative ESS %v is outside (0, 1]", relativeESS))
	}
	effective := float64(m) * relativeESS
	if effective < minESSLabels || float64(n)*relativeESS < MinESS {
		return math.Inf(1)
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: effective - 1}.Quantile(.975)
	rows := float64(n)
	if relativeESS >= tuneESS {
		rows *= 1 + relativeESS
	}
	return t * math.Sqrt(p.explained()/rows+p.ResidualSD*p.ResidualSD/effective)
}

// ESSBound is what ESS a run of n may reach at most, given a pilot's weights:
// its relative ESS times n. There is no bound from below: 90% bootstrap
// intervals for ESS from 100 rows to 10,000 cover 76% of the time where log w
// has sd .5, 55% at 1 and 26% at 1.5, because the heaviest rows are yet to come.
func ESSBound(w *Weights, n int) float64 {
	if w.N == 0 {
		return math.NaN()
	}
	return w.ESS / float64(w.N) * float64(n)
}

// IPSHalfWidthBound is what the 95% half-width of ips on rewards in [0, 1] of
// standard deviation sd and mean mean will at least be with n rows, given a
// pilot's weights: 1.96 √((E[w²](sd² + mean²) - mean²)/n) with E[w²] = n/ESS.
// It is a bound for the reason that ESSBound is.
func IPSHalfWidthBound(w *Weights, mean, sd float64, n int) float64 {
	if w.N == 0 || w.ESS == 0 {
		return math.NaN()
	}
	second := float64(w.N) / w.ESS
	return distuv.UnitNormal.Quantile(.975) * math.Sqrt((second*(sd*sd+mean*mean)-mean*mean)/float64(n))
}

// DetectableDifference is the smallest true difference of two policies that n
// paired prompts show at the 5% level with the given power, where paired
// differences have standard deviation sd: (z(.975) + z(power)) sd/√n. At sd .25,
// 100 prompts and power .8 it is .07. It panics unless n is positive and power
// is in (0, 1).
func DetectableDifference(sd float64, n int, power float64) float64 {
	if n <= 0 || !(power > 0 && power < 1) {
		panic(fmt.Sprintf("offpolicy: detectable difference: n=%d, power %v: want n > 0 and a power in (0, 1)", n, power))
	}
	return (distuv.UnitNormal.Quantile(.975) + distuv.UnitNormal.Quantile(power)) * sd / math.Sqrt(float64(n))
}

// AuditPower is the probability that [TransportAudit] passes m probes of
// distinct prompts with normal residuals of mean bias and standard deviation sd,
// at the given margin. It is 0 below 20 probes. It panics unless sd and margin
// are positive.
func AuditPower(bias, sd, margin float64, m int) float64 {
	if !(sd > 0 && margin > 0) {
		panic(fmt.Sprintf("offpolicy: audit power: sd %v, margin %v: want positive numbers", sd, margin))
	}
	if m < minAuditClusters {
		return 0
	}
	// The mean and the estimated sd are independent; average over quantiles of
	// the latter.
	const steps = 2000
	chi := distuv.ChiSquared{K: float64(m - 1)}
	t, se := tQuantile(.975, m-1), sd/math.Sqrt(float64(m))
	var sum float64
	for i := range steps {
		s := se * math.Sqrt(chi.Quantile((float64(i)+.5)/steps)/float64(m-1))
		if room := margin - t*s; room > 0 {
			sum += distuv.UnitNormal.CDF((room-bias)/se) - distuv.UnitNormal.CDF((-room-bias)/se)
		}
	}
	return sum / steps
}

// GatePower is the share of simulated runs of n rows whose weights are refused
// by [Weights.Refusals], where log w is normal with standard deviation sd and
// the logs cover the target, so that E[w] = 1. Runs are seeded by seed alone.
func GatePower(sd float64, n, runs int, seed uint64) float64 {
	rng := rand.New(rand.NewPCG(seed, 1))
	l := make([]float64, n)
	refused := 0
	for range runs {
		for i := range l {
			l[i] = sd*rng.NormFloat64() - sd*sd/2
		}
		if w, err := WeightsFromLogRatios(l); err != nil || !w.Usable() {
			refused++
		}
	}
	return float64(refused) / float64(runs)
}
