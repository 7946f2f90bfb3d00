package offpolicy

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"
)

// Sequence is an asymptotic confidence sequence: a rule by which a value's interval may be
// looked at after any number of prompts, as often as wanted, and all of the intervals
// together miss the value with a probability of about Level at most. At t prompts it is
//
//	value ± SE √((x + 1)/x · (log(x + 1) + 2 log(1/Level))),   x = t ρ²
//
// SE being the standard error, sd/√t. ρ² is such that the factor of SE/√t is least at
// Narrowest prompts: there x solves x = log(x + 1) + 2 log(1/Level), 8.2 for .05, and the
// factor is √(x + 1), 3.04, which is 1.55 times that of an interval for one look; at a
// tenth of the prompts it is 1.95 times, at ten times as many 1.66 times. It holds where
// SE √t settles as t grows: labels and draws have to grow in proportion to the prompts.
//
// Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
// theory and asymptotic confidence sequences", Ann. Stat. 52 (2024), arXiv 2103.06476,
// Theorem 2.2; off-policy, arXiv 2210.10768; the mixture is Robbins' (1970).
type Sequence struct {
	// Narrowest is how many prompts the sequence is narrowest for its number at, such as
	// the size of the run that is planned. It is chosen before the first look and kept.
	Narrowest int
	Level     float64 // error over all looks, in (0, 1)
}

func (s Sequence) must() {
	if s.Narrowest < 1 || !(s.Level > 0 && s.Level < 1) {
		panic(fmt.Sprintf("offpolicy: sequence: narrowest at %d prompts, level %v: want at least 1, and a level in (0, 1)",
			s.Narrowest, s.Level))
	}
}

// x is t ρ².
func (s Sequence) x(t float64) float64 {
	at := 2 * math.Log(1/s.Level)
	x := at + 1
	for range 100 { // a contraction, since x > 1
		x = math.Log1p(x) + at
	}
	return t / float64(s.Narrowest) * x
}

// Errors is how many standard errors the interval reaches to either side after t prompts;
// +Inf before the first. It panics unless Narrowest is positive and Level is in (0, 1).
func (s Sequence) Errors(t int) float64 {
	s.must()
	if t < 1 {
		return math.Inf(1)
	}
	x := s.x(float64(t))
	return math.Sqrt((x + 1) / x * (math.Log1p(x) + 2*math.Log(1/s.Level)))
}

// P is the p of no difference after t prompts, by a value that lies z standard errors from
// it: 1 over the likelihood ratio of the mixture, at most 1,
//
//	p = √(x + 1) exp(-z² x / (2 (x + 1)))
//
// It is at most Level if, and only if, the interval leaves out 0. Where there is no
// difference, it falls below any p at some look with a probability of about p at most. It
// panics unless Narrowest is positive and Level is in (0, 1).
func (s Sequence) P(z float64, t int) float64 {
	s.must()
	if t < 1 || math.IsNaN(z) {
		return 1
	}
	x := s.x(float64(t))
	return min(math.Sqrt(x+1)*math.Exp(-z*z*x/(2*(x+1))), 1)
}

// anytimeLevel is the level of the sequences of an evaluation.
const anytimeLevel = .05

// quantile is that of Student's t, at df degrees of freedom, beyond which lies what lies
// beyond the sequence's errors of a normal: an error that was estimated from few labels.
func (s Sequence) quantile(t int, df float64) float64 {
	tail := distuv.UnitNormal.Survival(s.Errors(t))
	return -distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile(tail)
}

// oneLook is how many standard errors an interval for one look reaches.
var oneLook = distuv.UnitNormal.Quantile(.975)

// widen is how many times as far as for one look the interval of a value reaches after t
// prompts, before labels in [0, 1] widen it further. That of a difference is drawn out in
// proportion, by the tails of t: Newcombe's limits at so large a t would be half as wide again.
func (s Sequence) widen(t int) float64 { return max(s.Errors(t)/oneLook, 1) }

// watch fills in what may be looked at at any time.
func (r *Result) watch(c *Config) {
	nan := math.NaN()
	s := Sequence{Narrowest: c.Anytime, Level: anytimeLevel}
	for i := range r.Policies {
		for j := range r.Policies[i].Estimates {
			e := &r.Policies[i].Estimates[j]
			e.AnytimeLower, e.AnytimeUpper = nan, nan
			if c.Anytime > 0 && e.Claims && !e.Refused() {
				// An interval for many looks is never narrower than for one.
				lo, hi := e.within(s.widen(len(r.Prompts)))
				e.AnytimeLower, e.AnytimeUpper = min(lo, e.Lower), max(hi, e.Upper)
			}
		}
	}
	var p []float64
	for i := range r.Comparisons {
		d := &r.Comparisons[i]
		d.AnytimeLower, d.AnytimeUpper, d.AnytimeP, d.AnytimeHolm = nan, nan, nan, nan
		if c.Anytime == 0 || d.Refused() {
			p = append(p, nan)
			continue
		}
		// How far 0 lies, in reaches of one look to its side.
		center, once := d.contrast.value, d.contrast.t(1)
		widen := s.quantile(d.Prompts, d.contrast.df) / once
		if !finite(widen) { // so few prompts say nothing yet
			d.AnytimeLower, d.AnytimeUpper, d.AnytimeP = -1, 1, 1
			p = append(p, 1)
			continue
		}
		widen = max(widen, 1)
		reach := center - d.Lower
		if center < 0 {
			reach = d.Upper - center
		}
		d.AnytimeLower = max(center-widen*(center-d.Lower), -1)
		d.AnytimeUpper = min(center+widen*(d.Upper-center), 1)
		tail := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: d.contrast.df}.Survival(math.Abs(center) / reach * once)
		d.AnytimeP = s.P(-distuv.UnitNormal.Quantile(tail), d.Prompts)
		p = append(p, d.AnytimeP)
	}
	for i, adjusted := range holmOf(p) {
		r.Comparisons[i].AnytimeHolm = adjusted
	}
}

// hopeless reports that no run of up to n prompts makes the weights usable, as far as these
// tell.
func (w *Weights) hopeless(n int) bool {
	for _, why := range w.Refusals() {
		switch why.Rule {
		case RuleESS, RuleMaxShare: // more prompts may fix that
		case RuleDivergence:
			if w.Divergence > math.Log(float64(max(n, w.Prompts))/minPerNats) {
				return true
			}
		default:
			return true
		}
	}
	return false
}

// Decided reports whether a run that is evaluated again as it grows may stop, and why or
// why not: every comparison is decided, its AnytimeHolm being below .05, or known to
// within width, as its anytime interval says; without any but a clone's, every value is. A
// width of 0 or less counts decisions alone. Clones are not waited for, nor policies
// without an answer whose weights are refused for what more prompts of the same kind do
// not change, up to [Config.Anytime] of them; others without an answer are. Intervals that
// hold at any time hold of a run that was stopped so.
//
// It panics if the evaluation has no [Config.Anytime].
func (r *Result) Decided(width float64) (stop bool, why string) {
	if r.config.Anytime == 0 {
		panic("offpolicy: decided: an interval for one look decides nothing at many: set Config.Anytime")
	}
	narrow := func(lo, hi float64) bool { return (hi-lo)/2 <= width }
	pairs := slices.ContainsFunc(r.Comparisons, func(d Comparison) bool { return !d.AA })
	var open, names []string
	for i := range r.Policies {
		p := &r.Policies[i]
		switch e := p.Estimate(p.Answer.Estimator); {
		case e != nil && !pairs:
			if !narrow(e.AnytimeLower, e.AnytimeUpper) {
				open = append(open, p.Policy)
			}
		case e != nil || p.Clone != nil:
		case p.Weights.hopeless(r.config.Anytime):
			names = append(names, p.Policy)
		default:
			open = append(open, p.Policy)
		}
	}
	for i := range r.Comparisons {
		d := &r.Comparisons[i]
		if !d.AA && (d.Refused() || d.AnytimeHolm >= anytimeLevel && !narrow(d.AnytimeLower, d.AnytimeUpper)) {
			open = append(open, d.A+" - "+d.B)
		}
	}
	if len(open) > 0 {
		return false, "not decided: " + strings.Join(open, ", ")
	}
	why = "every comparison is decided"
	switch {
	case !pairs:
		why = fmt.Sprintf("every value is known to ±%.3g", width)
	case width > 0:
		why += fmt.Sprintf(" or known to ±%.3g", width)
	}
	if len(names) > 0 {
		why += "; without usable weights, and not waited for: " + strings.Join(names, ", ")
	}
	return true, why
}
