package offpolicy

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Planning is what a small run tells about a larger one: how labels vary, and how
// much of that the calibrated judge explains. Widths made of it are half-widths
// of 95% intervals, in the labels' unit: the expected ones, or, with an Assurance,
// those that this share of runs does not exceed. They are as good as the assumption
// that the larger run's responses are like the pilot's.
type Planning struct {
	Labels     int     // that the figures rest on; 0: they are stated and have no error
	LabelSD    float64 // of a label
	ResidualSD float64 // of a label minus its out-of-fold prediction, at most LabelSD
	// LabelMean is that of a label, in (0, 1): near an end intervals are wider than t
	// standard errors. 0 means that it is not known, and takes them for that wide.
	LabelMean float64
	// PromptCorrelation is that of the calibrated scores of two responses to one prompt, a
	// logged one and a target's, in [0, 1]; 0 if there are none.
	PromptCorrelation float64
	// LabelKurtosis is E[d⁴]/E[d²]² of a label less its mean d, and ResidualKurtosis that
	// of a residual; 0 means 3, a normal's. They say how far variances vary from one
	// run to the next.
	LabelKurtosis, ResidualKurtosis float64
	// Assurance is the share of runs, in [.5, 1), whose half-width is to be no more than
	// is planned; 0 plans for the expected half-width, which about half of the runs
	// exceed. See Planning.LoggingHalfWidth.
	Assurance float64

	weighted bool    // of weighted labels, whose kurtoses have the weights in them
	together float64 // correlation of the two squares; 0: not known, taken for 1
	// effective is how many squares that count alike a weighted variance rests on; 0: all of them.
	effective float64
	// learned is what ResidualSD² shrinks by once labels are many: the mean of the squares
	// out of fold and in sample over the former. 0: not known, taken for 1.
	learned float64
}

// Planning returns the figures of the logged labels, each counted 1/p times, p its
// inclusion probability; NaN below two.
func (r *Result) Planning() Planning {
	fr := r.frame
	w := newWorker(fr)
	w.ones(fr)
	p := r.pilotOf(w, fr.label, fr.allInvP, 0, false)
	p.learned = r.learned(w)
	p.PromptCorrelation = r.promptCorrelation(w)
	return p
}

// learned says how much smaller the residuals' squares will be with many labels. Out of
// fold they are too large by what the fit has of freedom, in sample too small by as much.
func (r *Result) learned(w *worker) float64 {
	if r.Calibrator == nil {
		return 0
	}
	var out, in float64
	fr := r.frame
	for i, u := range fr.invP {
		if u > 0 && finite(w.f[i]) && finite(fr.score[i]) {
			e := fr.label[i] - w.f[i]
			out += u * e * e
			e = fr.label[i] - r.Calibrator.full.predict(fr.score[i], fr.t.covariate[i])
			in += u * e * e
		}
	}
	if !(out > 0) {
		return 0
	}
	return min((out+in)/(2*out), 1)
}

// promptCorrelation is the correlation of predictions of logged responses and of draws for
// the same prompt, 0 if it is negative or there are fewer than three pairs.
func (r *Result) promptCorrelation(w *worker) float64 {
	fr := r.frame
	var a, b []float64
	for _, name := range fr.targets {
		d := fr.draws[name]
		if d == nil {
			continue
		}
		for i, k := range fr.firstRows(d.prompt) {
			if k >= 0 && finite(w.f[k]) && finite(w.f[d.at+i]) {
				a, b = append(a, w.f[k]), append(b, w.f[d.at+i])
			}
		}
	}
	if c := stat.Correlation(a, b, nil); len(a) > 2 && c > 0 {
		return min(c, 1)
	}
	return 0
}

// TargetPlanning returns the figures of a target's own labels, its probes, for
// [Planning.DirectHalfWidth]; NaN below two, without any if the policy has none.
func (r *Result) TargetPlanning(policy string) Planning {
	d := r.frame.draws[policy]
	if d == nil {
		return newPilot(nil, nil, nil)
	}
	w := newWorker(r.frame)
	w.ones(r.frame)
	return r.pilotOf(w, d.label, d.allInvP, d.at, true)
}

// pilotOf is of the responses whose predictions begin at a place. centred takes the mean
// out of the residuals, by which Direct is corrected.
func (r *Result) pilotOf(w *worker, label, invP []float64, at int, centred bool) Planning {
	var y, u, residuals []float64
	for i, v := range label {
		if !math.IsNaN(v) {
			e := v - w.f[at+i]
			if r.Calibrator == nil {
				e = math.NaN()
			}
			y, u, residuals = append(y, v), append(u, invP[i]), append(residuals, e)
		}
	}
	if centred {
		_, mean, _ := spreadOf(residuals, u, math.NaN())
		for i := range residuals {
			residuals[i] -= mean
		}
	}
	return newPilot(y, u, residuals)
}

// newPilot is of labels that count u times, and of their residuals, NaN where a label has
// no prediction.
func newPilot(y, u, residuals []float64) Planning {
	p := Planning{Labels: len(y)}
	p.LabelSD, p.LabelMean, p.LabelKurtosis = spreadOf(y, u, math.NaN())
	p.ResidualSD, p.ResidualKurtosis, p.together = p.LabelSD, p.LabelKurtosis, 1 // if nothing is explained
	if sd, _, kurtosis := spreadOf(residuals, u, 0); sd < p.LabelSD {
		p.ResidualSD, p.ResidualKurtosis = sd, kurtosis
		p.together = squaresTogether(y, residuals, u, p.LabelMean)
	}
	return p
}

func mustPlan(op string, n, m int) {
	if n < 3 || m < 3 || m > n {
		panic(fmt.Sprintf("offpolicy: %s: %d labels of %d prompts: want at least 3, and no more labels than prompts", op, m,
			n))
	}
}

// LoggingHalfWidth is that of the logging policy's own value from n prompts, m
// of them labeled:
//
//	t(m-1) √(explained/n + residual/m)
//
// explained and residual being the variances of the two parts of a label; near 0 or 1
// more, as the interval about LabelMean is wider than that. With an
// Assurance A it is that times
//
//	√F_A(ν_m, ν_pilot),   ν_k = 2k / (κ_k - 1)
//
// since the run's variance over the pilot's is about a ratio of two sample variances,
// of m and of Labels values: 2k/(κ-1) are the degrees of freedom of a variance of k
// values of kurtosis κ, here of what label and residual add to the sum together. The
// pilot's κ is raised by √(8/Labels), as much as the kurtosis of so few values may
// be too small; weighted labels count by the effective number of w², (Σw²)²/Σw⁴, which weighs
// the squares. The residuals are taken for as small as a calibrator of many labels makes
// them. It panics unless 3 <= m <= n.
//
// Source: the variance of a sample variance, σ⁴ (K-1)/k, matched to that of chi-squared
// over its degrees of freedom (O'Neill, Am. Stat. 68 (2014), 282-296); assurance, Kupper
// and Hafner, Am. Stat. 43 (1989), 101-105.
func (p Planning) LoggingHalfWidth(n, m int) float64 {
	mustPlan("half-width", n, m)
	perLabel, perResidual := 1/float64(n), 1/float64(m)-1/float64(n)
	return p.halfWidth(perLabel, perResidual, float64(m), 1, tQuantile(.975, m-1), float64(m))
}

// DirectHalfWidth is that of a target's value by [Direct] from n prompts with a
// fresh draw each, m of them labeled:
//
//	t(m-2) √(label variance/m · (1 - ρ²/(1+m/n))),   ρ² the explained share
//
// and with an Assurance wider, as in Planning.LoggingHalfWidth. It panics unless 3 <= m <= n.
func (p Planning) DirectHalfWidth(n, m int) float64 {
	mustPlan("half-width", n, m)
	// (label variance - explained n/(n+m)) / m, as a sum of what is never negative.
	part := float64(m) / float64(n+m)
	return p.halfWidth(part/float64(m), (1-part)/float64(m), float64(m), 1, tQuantile(.975, m-2), float64(m))
}

// DRHalfWidth is that of a target's value by [DR] from n logged prompts, m of
// them labeled, each with a fresh draw, where the relative ESS is r:
//
//	t(m r - 1) √(explained/(n (1 + r (1-c)/(1+c))) + residual/(m r))     where r >= .5
//	t(m r - 1) √(explained/n + residual/(m r))                           below
//
// since a tuned l lets fresh draws and logs share the explained part; c is
// PromptCorrelation. It is right if labels vary among the policy's responses as the pilot
// says: [Result.WeightedPlanning] is of these. With an Assurance
// it is wider, as in Planning.LoggingHalfWidth; each kurtosis of a pilot that is not weighted
// is taken r⁻⁴ times, so much does the fourth moment of log-normal weights add.
//
// It is a bound from below: a pilot sees too little of the weights' tail, so that
// the relative ESS of a larger run is at most about the pilot's. It panics unless
// 3 <= m <= n and relativeESS is in (0, 1], and is +Inf if fewer than 15 effective
// labels or [MinESS] effective rows remain, since that is refused.
func (p Planning) DRHalfWidth(n, m int, relativeESS float64) float64 {
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
		rows *= 1 + relativeESS*(1-p.PromptCorrelation)/(1+p.PromptCorrelation)
	}
	more := 1.0
	if !p.weighted {
		more = math.Pow(relativeESS, -4)
	}
	return p.halfWidth(1/rows, 1/effective-1/rows, float64(m), more, t, effective)
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
