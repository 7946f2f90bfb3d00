package offpolicy

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/reweigh/reweigh/dataset"
)

// Evaluate estimates the value of every policy in the samples, by every
// estimator asked for, says which of them to go by, and compares the policies.
// Estimates that the evidence cannot carry are refused, with the reasons; that
// is no error. Errors are samples that are not what they claim ([*RowError]),
// and a Config that cannot be meant.
//
// The result depends neither on the order of rows and draws nor on
// Concurrency.
func Evaluate(s Samples, c Config) (*Result, error) { return TableOf(s).Evaluate(c) }

// Evaluate is [Evaluate] of what was added, which ends adding. A [*RowError] names a row
// by its place among those added, until it has been evaluated once, which sorts them.
func (t *Table) Evaluate(c Config) (*Result, error) {
	if err := c.defaults(); err != nil {
		return nil, err
	}
	fr, err := t.frame(&c)
	if err != nil {
		return nil, err
	}
	logging, judge := t.plan.Logging, t.plan.Judge
	if c.Method == "" {
		c.Method = methodFor(len(fr.prompts))
	}
	r := &Result{Logging: logging, Judge: judge, Prompts: fr.prompts, frame: fr, config: c, source: t.allNotes()}
	r.Calibrator, r.CalibratorError = calibrate(fr, judge, &c)
	if r.Calibrator != nil {
		if fr.fits, err = newRefits(fr, &c); err != nil {
			return nil, err
		}
	}
	w := newWorker(fr)
	w.ones(fr)
	w.fit = pooled{} // the last prediction of this worker
	if fr.fits != nil && c.Method == InfluenceFunction {
		fr.fits = predicted(w.f)
	}
	r.measureNoise(&c)
	r.labelGaps()
	family := 0
	for _, d := range fr.draws {
		if d.probes > 0 {
			family++
		}
	}
	policies := append([]string{logging}, fr.targets...)
	r.Policies = make([]PolicyResult, len(policies))
	var all []work
	for i, policy := range policies {
		p := &r.Policies[i]
		made, err := r.newPolicy(p, policy, &c, w)
		if err != nil {
			return nil, err
		}
		if all = append(all, made...); c.Method == InfluenceFunction {
			r.judge(p, &c, w, family)
		}
	}
	if c.Method == Bootstrap {
		r.estimate(all, &c, w)
		for i := range r.Policies {
			r.judge(&r.Policies[i], &c, w, family)
		}
	}
	r.compare(&c, w)
	r.watch(&c)
	r.segments(&c, w)
	if fr.fits != nil { // nothing is fitted again, and what fits is large
		fr.fits = predicted(w.f)
	}
	for i := range r.Policies {
		for j := range r.Policies[i].Estimates {
			r.Policies[i].Estimates[j].arm = nil
		}
	}
	return r, nil
}

// judge says how far a policy's estimates may be trusted, and which to go by.
func (r *Result) judge(p *PolicyResult, c *Config, w *worker, family int) {
	for j := range p.Estimates {
		r.refuseNoise(p, &p.Estimates[j], c, w)
		r.worst(p, &p.Estimates[j], c, w)
	}
	r.diagnose(p)
	r.audit(p, c, w, family)
	r.referee(p, c)
	if slices.Contains(c.Clones, p.Policy) && p.Weights.RawOf == "" {
		clone := CloneCheck(r.cloned(p, c), r.frame.lengths, c.Noise)
		p.Clone = &clone
	}
	for j := range p.Estimates {
		e := &p.Estimates[j]
		if e.Estimator == p.Answer.Estimator {
			continue
		}
		if e.arm = nil; len(r.Prompts) > exactPrompts {
			e.Influence = nil
		}
	}
}

// Calibrate fits the calibrator that [Table.Evaluate] fits to the same samples, for when
// that is all there is to learn of them yet, and ends adding. It is an error if the labels are
// too few, or if the samples are not what they claim.
func (t *Table) Calibrate(c Config) (*Calibrator, error) {
	if err := c.defaults(); err != nil {
		return nil, err
	}
	fr, err := t.frame(&c)
	if err != nil {
		return nil, err
	}
	return calibrate(fr, t.plan.Judge, &c)
}

// frame checks t and brings it into the shape that computing wants.
func (t *Table) frame(c *Config) (*frame, error) {
	if err := t.settle(); err != nil {
		return nil, err
	}
	if err := t.validate(c.Covariate); err != nil {
		return nil, err
	}
	return newFrame(t, c.Folds, c.Seed), nil
}

// work is an estimate and what computes it.
type work struct {
	e *Estimate
	built
}

func calibrate(fr *frame, judge string, c *Config) (*Calibrator, error) {
	var rows []LabeledScore
	for i, u := range fr.invP {
		if u > 0 && !math.IsNaN(fr.score[i]) {
			rows = append(rows, LabeledScore{
				PromptID: fr.prompts[fr.prompt[i]], Score: dataset.Known(fr.score[i]), Label: dataset.Known(fr.label[i]),
				InclusionProb: dataset.Known(1 / u), Covariate: dataset.Known(fr.t.covariate[i]),
			})
		}
	}
	if len(fr.labeled) > 0 && fr.unscored() {
		return nil, fmt.Errorf("offpolicy: calibration: no response has a judge score; %d labels are used alone",
			len(fr.labeled))
	}
	return FitCalibrator(CalibrationConfig{Judge: judge, Folds: c.Folds, Seed: c.Seed, MinLabels: c.MinLabels,
		Covariate: c.Covariate}, rows)
}

// estimate fills in the numbers of every estimate that is not refused. Means of rewards answer
// for no policy: nothing is compared by them, so they have no replicates.
func (r *Result) estimate(all []work, c *Config, w *worker) {
	var rest []work
	for _, x := range all {
		if x.e.Refused() {
			continue
		}
		if r.byInfluence(x.e, x.built, w); !x.e.Refused() && x.e.Estimator.method().claims {
			rest = append(rest, x)
		}
	}
	if c.Method == Bootstrap {
		r.bootstrap(rest, c)
	}
	for i, x := range rest {
		if a, ok := x.stat.(armed); ok {
			x.e.arm = a.arm(w)
		}
		rest[i] = work{} // the statistic, which is larger
	}
}

// bootstrap makes the replicates of estimates.
func (r *Result) bootstrap(all []work, c *Config) {
	stats := make([]statistic, len(all))
	for i, x := range all {
		stats[i] = x.stat
	}
	var drawn [][]float64
	for i, values := range replicates(r.frame, stats, c.Replicates, c.Seed, c.Concurrency) {
		e := all[i].e
		e.Basis.Replicates, e.replicates = c.Replicates, values
		if e.strata != nil {
			if drawn == nil {
				drawn = r.frame.pool.drawn(r.frame.keys, c.Seed, c.Replicates)
			}
			r.frame.pool.settle(values, e.strata, drawn)
		}
		if e.Estimator != DR {
			continue // replicates serve comparisons only
		}
		e.Method, e.SE = Bootstrap, max(e.SE, all[i].factor*standardDeviation(values))
		e.interval()
	}
}

// byInfluence fills in an estimate from its influence function.
func (r *Result) byInfluence(e *Estimate, b built, w *worker) {
	phi := make([]float64, len(r.Prompts))
	e.Method = InfluenceFunction
	e.Value = b.stat.influence(w, phi)
	pooled := r.frame.pool
	if e.Estimator.method().draws {
		pooled = nil // its own draws have no logger
	}
	e.strata = pooled.centre(phi)
	se, satterthwaite := clusterSE(phi)
	e.SE, e.DF, e.slack = b.factor*se, b.df, b.slack
	if m, ok := b.stat.(*labelMean); ok {
		plain := m.ratioMean
		plain.leave = false
		parts := make([]float64, len(phi))
		plain.influence(w, parts)
		pooled.centre(parts)
		_, satterthwaite = clusterSE(parts)
	}
	if b.satterthwaite {
		if b.labels > 0 {
			// 2 (Σφ²)² / (Σφ⁴ - (Σφ²)²/m): nothing varies but the parts of m prompts.
			satterthwaite = 1 / max(1/satterthwaite-1/(2*b.labels), 0)
		}
		e.DF = min(b.df, satterthwaite)
	}
	n := float64(len(phi))
	for p := range phi {
		phi[p] *= n
	}
	e.Influence = phi
	if a, ok := b.stat.(armed); ok {
		e.one, e.equal = oneValue(a.labels())
	}
	e.settle()
}

// settle fills in the interval from value and error.
func (e *Estimate) settle() {
	if e.Claims {
		e.Value = min(max(e.Value, 0), 1) // a mean of labels
	}
	if e.equal {
		e.Value, e.DF = e.one, max(e.Basis.ESSLabels-1, 1)
		lo, hi := e.sampled(1)
		e.SE = (hi - lo) / 2 / e.t(1)
		e.interval()
		return
	}
	e.interval()
	e.spread()
}

// spread refuses an estimate of labels that has no error.
func (e *Estimate) spread() {
	if (e.Claims || e.Basis.PlugIn) && !(e.SE > 1e-12) {
		e.refuse(Refusal{Rule: RuleSpread,
			Message: "nothing varies: every label that enters is explained exactly, so no error can be estimated",
			Value:   e.SE, Remedy: remedies[RuleSpread]})
		e.blank()
	}
}

// blank takes every number out of an estimate.
func (e *Estimate) blank() {
	n := math.NaN()
	e.Value, e.SE, e.Lower, e.Upper, e.DF, e.Influence, e.replicates, e.Method = n, n, n, n, n, nil, nil, ""
}

func (e *Estimate) refuse(why ...Refusal) { e.Refusals = append(e.Refusals, why...) }

// interval fills in Lower and Upper.
func (e *Estimate) interval() { e.Lower, e.Upper = e.within(1) }

// t is the two-sided 95% quantile of Student's t, times widen.
func (e *Estimate) t(widen float64) float64 {
	return widen * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: e.DF}.Quantile(.975)
}

// within returns the 95% interval at widen times its t: Wilson's where labels in
// [0, 1] carry the estimate, else Value ± t SE.
//
// A value that weights leave open has as much more on either side.
func (e *Estimate) within(widen float64) (lo, hi float64) {
	if lo, hi = e.sampled(widen); e.slack != (slack{}) {
		lo, hi = max(lo-e.slack.below, min(lo, 0)), min(hi+e.slack.above, max(hi, 1))
	}
	return lo, hi
}

// sampled is the interval of a value that its weights leave no part of open.
func (e *Estimate) sampled(widen float64) (lo, hi float64) {
	if !(e.DF > 0) {
		return math.NaN(), math.NaN()
	}
	if e.equal {
		return oneLabelInterval(e.one, e.Basis.ESSLabels, distuv.UnitNormal.Survival(widen*distuv.UnitNormal.Quantile(.975)))
	}
	t := e.t(widen)
	if !e.Claims {
		// Plain rewards need not lie in [0, 1], nor what is made of them.
		return min(max(e.Value-t*e.SE, 0), e.Value), max(min(e.Value+t*e.SE, 1), e.Value)
	}
	return labelInterval(e.Value, e.SE, t, e.Basis.ESSLabels, widen)
}

// labelInterval is the interval of a mean of labels, of which there are m in effect, at
// t standard errors, widen times those of 95%.
func labelInterval(value, se, t, m, widen float64) (lo, hi float64) {
	lo, hi = scoreInterval(value, se, t, m)
	lo, hi = stretchInterval(value, se, t, lo, hi)
	return capInterval(value, lo, hi, m, widen)
}

// Despite returns an estimate with its numbers even though it is refused: for
// callers who ask for it and take responsibility for it. The Refusals stay. It is nil
// where the estimator was not computed, and without numbers where there is
// nothing to compute them from. Its error is the influence function's.
func (r *Result) Despite(policy string, e Estimator) *Estimate {
	p := r.Policy(policy)
	if p == nil || p.Estimate(e) == nil {
		return nil
	}
	out := *p.Estimate(e)
	if !out.Refused() {
		return &out
	}
	w := newWorker(r.frame)
	w.ones(r.frame)
	if _, b := newBuilder(r, &r.config, w, p, p.Weights, nil).build(e); b.stat != nil {
		out.Refusals = append([]Refusal(nil), out.Refusals...)
		r.byInfluence(&out, b, w)
	}
	return &out
}

// built is a statistic with what its error needs to know.
type built struct {
	stat          statistic
	df            float64 // of t, at most
	satterthwaite bool    // the influences' spread bounds it too
	labels        float64 // how many prompts have one, if that is no random number; else 0
	factor        float64 // of the error, for the means that it was taken around
	slack         slack   // of the value
}

// newPolicy builds every statistic of a policy that there are data for, and
// refuses what the evidence cannot carry.
func (r *Result) newPolicy(p *PolicyResult, policy string, c *Config, w *worker) (all []work, err error) {
	p.Policy = policy
	if err := r.weigh(p); err != nil {
		return nil, fmt.Errorf("offpolicy: evaluate: %s: %w", policy, err)
	}
	for _, w := range []*Weights{p.observed, p.Weights} {
		if err := r.testMean(w); err != nil {
			return nil, fmt.Errorf("offpolicy: evaluate: %s: %w", policy, err)
		}
	}
	if policy == r.Logging {
		p.gaps = r.gaps
	}
	r.weightGap(p)
	r.drawGaps(p)
	r.weighBalance(p)
	b := newBuilder(r, c, w, p, p.Weights, nil)
	p.Estimates = make([]Estimate, len(c.Estimators))
	for i, e := range c.Estimators {
		x := work{e: &p.Estimates[i]}
		*x.e, x.built = b.build(e)
		switch claims := e.method().claims; {
		case x.e.Refused():
		case c.Method == Bootstrap && claims:
			all = append(all, x) // replicates are made once for all
		default:
			r.estimate([]work{x}, c, w)
			if len(r.Prompts) > exactPrompts && !claims {
				x.e.Influence = nil
			}
		}
	}
	return all, nil
}

// relative returns the weights in units of the largest, 0 where missing.
func relative(w *Weights) []float64 {
	top := largest(w.Log)
	out := make([]float64, len(w.Log))
	for i, l := range w.Log {
		out[i] = relativeTo(top, l)
	}
	return out
}

// relativeTo is a weight in units of the largest, by their logarithms; 0 if it is missing.
func relativeTo(top, l float64) float64 {
	if math.IsNaN(l) || math.IsInf(top, -1) {
		return 0
	}
	return math.Exp(l - top)
}
