package offpolicy

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Comparison is the paired difference of two policies' values, each by the
// estimator that the referee chose for it, on the prompts that both rest on: prompt by
// prompt and replicate by replicate, since overlapping intervals of the separate values
// answer another question. Where both sides rest on all of each other's prompts the
// values are the policies' own, else they are estimated again on the common ones.
//
// With Refusals it carries no number.
type Comparison struct {
	A, B       string // policies; the difference is A - B
	Estimators [2]Estimator
	Prompts    int // that both sides rest on
	LeftOut    int // that one side alone rests on, and that have no part in this
	Modelled   int // weights that are modelled, on either side
	// Difference is A's value less B's, less the bias that weighted means of so many
	// labels have (Tin 1965).
	Difference float64
	// SE is the larger of the replicates' standard deviation of the difference
	// and the root of the summed squares of the influences' difference; the labels'
	// part is enlarged where the labels that were drawn differ less in their weights
	// under the two policies than the design makes them on average.
	SE float64
	// Lower and Upper are the 95% interval, for this pair alone, within [-1, 1]. It is
	// not symmetric: the limit nearer 0 is that of Difference ± t SE or the empirical
	// likelihood's (of up to 10,000 prompts), whichever is nearer; the other is the
	// farther of those and of Newcombe's, which knows that labels lie in [0, 1]. It
	// leaves out 0 if, and only if, P < .05.
	Lower, Upper float64
	// BandLower and BandUpper hold for all pairs together in 95% of runs.
	BandLower, BandUpper float64
	DF                   float64 // the smaller of the two estimates'
	P                    float64 // two-sided
	Holm                 float64 // P adjusted over all pairs by Holm's procedure
	// AnytimeLower, AnytimeUpper and AnytimeP may be looked at at any time, by Sequence
	// with Config.Anytime, each limit as many times as far from the center as the quantile
	// of t is that of one look; AnytimeHolm is AnytimeP adjusted over all pairs. The limits
	// leave out 0 if, and only if, AnytimeP is below .05. NaN without Anytime.
	AnytimeLower, AnytimeUpper, AnytimeP, AnytimeHolm float64

	AA       bool // B is a clone of A or A of B: the difference ought to be 0
	Refusals []Refusal
	Notes    []string

	contrast   *contrast
	replicates []float64
}

// Refused reports whether c carries no number.
func (c *Comparison) Refused() bool { return len(c.Refusals) > 0 }

// fewInGroup is the effective number of labels that count for one side, below which a
// difference is said to rest on few labels.
const fewInGroup = 5

// compare makes a Comparison of every pair of answered policies, and the
// simultaneous bands.
func (r *Result) compare(c *Config, w *worker) {
	var answered []*PolicyResult
	var estimates []*Estimate
	for i := range r.Policies {
		if p := &r.Policies[i]; p.Answer.Estimator != "" {
			answered, estimates = append(answered, p), append(estimates, p.Estimate(p.Answer.Estimator))
		}
	}
	clone := func(a, b string) bool { return a == r.Logging && slices.Contains(c.Clones, b) }
	var sides [][2]*Estimate
	var again []work
	for j, b := range answered {
		for _, a := range answered[j+1:] {
			d := Comparison{A: a.Policy, B: b.Policy, Estimators: [2]Estimator{a.Answer.Estimator,
				b.Answer.Estimator}, AA: clone(b.Policy, a.Policy)}
			basis := r.common(a, b)
			d.Prompts, d.LeftOut = basis.prompts, basis.leftOut
			var side [2]*Estimate
			for i, p := range []*PolicyResult{a, b} {
				side[i] = p.Estimate(p.Answer.Estimator)
				if basis.changes[i] {
					e, made := newBuilder(r, c, w, p, r.weightsOn(p, basis.row), basis.in).build(p.Answer.Estimator)
					side[i] = &e
					again = append(again, work{&e, made})
				}
				d.Modelled += side[i].Basis.Modelled
			}
			r.Comparisons, sides = append(r.Comparisons, d), append(sides, side)
		}
	}
	r.estimate(again, c, w)
	if c.Method == InfluenceFunction {
		all := slices.Clone(estimates)
		for _, x := range again {
			all = append(all, x.e)
		}
		normalReplicates(all, c)
	}
	for i := range r.Comparisons {
		r.Comparisons[i].fill(sides[i][0], sides[i][1])
	}
	holm(r.Comparisons)
	bandsOfPairs(r.Comparisons)
	r.bands(estimates)
	r.judgeClones()
}

// basis is what two policies' answers rest on together.
type basis struct {
	in               []bool // by prompt
	row              func(i int) bool
	prompts, leftOut int
	changes          [2]bool // whether a side rests on more
}

// common finds what the answers of a and b rest on together.
func (r *Result) common(a, b *PolicyResult) basis {
	fr := r.frame
	sides := [2]*PolicyResult{a, b}
	var draws, rows [2][]bool // by prompt, whether a side has one
	for i, p := range sides {
		has := make([]bool, len(fr.prompts))
		if p.Answer.Estimator.method().draws {
			for _, q := range fr.draws[p.Policy].prompt {
				has[q] = true
			}
			draws[i] = has
			continue
		}
		for k, q := range fr.prompt {
			has[q] = has[q] || !math.IsNaN(p.Weights.Log[k])
		}
		rows[i] = has
	}
	out := basis{in: make([]bool, len(fr.prompts))}
	var has [2][]bool
	for i := range sides {
		if has[i] = rows[i]; draws[i] != nil {
			has[i] = draws[i]
		}
	}
	for q := range out.in {
		switch out.in[q] = has[0][q] && has[1][q]; {
		case out.in[q]:
			out.prompts++
		case has[0][q] || has[1][q]:
			out.leftOut++
		}
	}
	out.row = func(k int) bool {
		if !out.in[fr.prompt[k]] {
			return false
		}
		for i, p := range sides {
			if rows[i] != nil && math.IsNaN(p.Weights.Log[k]) {
				return false
			}
		}
		return true
	}
	for i, p := range sides {
		if rows[i] != nil {
			for k, l := range p.Weights.Log {
				out.changes[i] = out.changes[i] || !math.IsNaN(l) && !out.row(k)
			}
			continue
		}
		for q, h := range has[i] {
			out.changes[i] = out.changes[i] || h && !out.in[q]
		}
	}
	return out
}

// fill computes the numbers from the two sides' estimates.
func (d *Comparison) fill(a, b *Estimate) {
	nan := math.NaN()
	d.Difference, d.SE, d.Lower, d.Upper, d.DF, d.P, d.Holm, d.BandLower, d.BandUpper = nan, nan, nan, nan, nan,
		nan, nan, nan, nan
	if d.Prompts == 0 && d.LeftOut > 0 {
		d.Refusals = []Refusal{refusal(RuleMissing, 0, 1,
			"%s and %s rest on no prompt in common, and differences are paired by prompt", d.A, d.B)}
		return
	}
	for _, e := range []*Estimate{a, b} {
		for _, why := range e.Refusals {
			why.Message = fmt.Sprintf("on the %d common prompts: %s", d.Prompts, why.Message)
			d.Refusals = append(d.Refusals, why)
		}
	}
	if d.Refused() {
		return
	}
	sd := 0.0
	if len(a.replicates) > 1 && len(b.replicates) > 1 {
		d.replicates = make([]float64, len(a.replicates))
		for i := range d.replicates {
			d.replicates[i] = a.replicates[i] - b.replicates[i]
		}
		if a.Basis.Replicates > 0 { // else the influences say it
			sd = standardDeviation(d.replicates)
		}
	}
	c := newContrast(a, b, sd)
	d.contrast = c
	d.Difference, d.SE, d.DF = c.value, c.se, c.df
	d.Lower, d.Upper, d.P = c.interval(c.t(1), true)
	for _, g := range []*labelGroup{&c.up, &c.down} {
		if g.mass > 0 && g.effective() < fewInGroup {
			d.Notes = append(d.Notes,
				fmt.Sprintf("rests on few labels: those that count for one side count for %.1f", g.effective()))
			break
		}
	}
}

// holm adjusts P over all comparisons: the k-th smallest of n, times n-k+1, and
// no smaller than the one before it.
func holm(cs []Comparison) {
	p := make([]float64, len(cs))
	for i := range cs {
		p[i] = cs[i].P
	}
	for i, adjusted := range holmOf(p) {
		cs[i].Holm = adjusted
	}
}

// holmOf is Holm's adjustment of every p that is not NaN.
func holmOf(p []float64) []float64 {
	out := slices.Repeat([]float64{math.NaN()}, len(p))
	var order []int
	for i, v := range p {
		if !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	last := 0.0
	for k, i := range order {
		last = max(last, min(1, p[i]*float64(len(order)-k)))
		out[i] = last
	}
	return out
}

// bandsOfPairs gives every comparison limits that all of them hold together in 95% of
// runs: t is enlarged by the 95% quantile over replicates of the largest standardised
// deviation, in units of 1.96. Empirical likelihood is too wide at a large t.
func bandsOfPairs(cs []Comparison) {
	var worst []float64
	for i := range cs {
		worst = deviate(worst, cs[i].replicates)
	}
	for i := range cs {
		d := &cs[i]
		if d.Refused() || worst == nil {
			continue
		}
		lo, hi, _ := d.contrast.interval(d.contrast.t(bandFactor(worst)), false)
		d.BandLower, d.BandUpper = min(lo, d.Lower), max(hi, d.Upper)
	}
}

// deviate raises each entry of worst to values' deviation from their mean, in units of
// their standard deviation.
func deviate(worst, values []float64) []float64 {
	if len(values) < 2 {
		return worst
	}
	if worst == nil {
		worst = make([]float64, len(values))
	}
	mean, _ := meanSE(values)
	if sd := standardDeviation(values); sd > 0 {
		for b, v := range values {
			worst[b] = max(worst[b], math.Abs(v-mean)/sd)
		}
	}
	return worst
}

func bandFactor(worst []float64) float64 {
	return max(Quantiles(worst, .95)[0]/distuv.UnitNormal.Quantile(.975), 1)
}

// bands gives every answered policy an interval such that all of them hold
// together in 95% of runs: the 95% quantile over replicates of the largest
// standardised deviation replaces 1.96, and each interval keeps its own t.
func (r *Result) bands(answered []*Estimate) {
	for i := range r.Policies {
		a := &r.Policies[i].Answer
		a.BandLower, a.BandUpper = math.NaN(), math.NaN()
	}
	if len(answered) == 0 || len(answered[0].replicates) < 2 {
		return
	}
	var worst []float64
	for _, e := range answered {
		worst = deviate(worst, e.replicates)
	}
	factor := bandFactor(worst)
	for _, e := range answered {
		a := &r.Policy(e.Policy).Answer
		a.BandLower, a.BandUpper = e.within(factor)
	}
}

// judgeClones takes back that a clone passes if too much of its log-probs is missing for
// its difference from the logging policy to be known.
func (r *Result) judgeClones() {
	for i := range r.Policies {
		p := &r.Policies[i]
		if p.Clone == nil || p.Clone.Status != StatusPass {
			continue
		}
		why := p.refusals
		for j := range r.Comparisons {
			if c := &r.Comparisons[j]; c.AA && c.A == p.Policy {
				why = append(slices.Clone(why), c.Refusals...)
			}
		}
		if len(why) > 0 {
			p.Clone.Status = StatusHold
			p.Clone.Reasons = append(p.Clone.Reasons,
				"its difference from the logging policy cannot be estimated: "+why[0].Message)
		}
	}
}
