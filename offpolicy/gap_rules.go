package offpolicy

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// weigh makes a policy's weights, modelling those that are missing, and says what its
// data lack.
func (r *Result) weigh(p *PolicyResult) error {
	defer func() { p.Loggers = r.frame.byLogger(p.Weights) }()
	fr := r.frame
	lower, upper := fr.logRatios(p.Policy)
	var err error
	if p.observed, err = WeightsBetween(lower, upper); err != nil {
		return err
	}
	l := p.observed.Log
	fr.cluster(p.observed)
	p.observed.RawOf = fr.raw(p.Policy)
	p.observed.Unseen, _ = fr.scored[p.Policy].Unseen.Get()
	p.Weights = p.observed
	if p.observed.Missing == 0 || p.observed.N == 0 {
		return nil
	}
	gap := fr.rowGap(gapOfLogProbs, subset(func(i int) bool { return math.IsNaN(l[i]) }, len(l)))
	gap.Missing = p.observed.Missing
	p.gaps = append(p.gaps, gap)
	filled, modelled, share, se := impute(l, fr.score, fr.length)
	refuse := func(value, threshold float64, format string, args ...any) {
		p.refusals = append(p.refusals, refusal(RuleMissing, value, threshold, format, args...))
	}
	rows := float64(gap.Missing) / float64(gap.Total)
	p.missing = min(max(rows, share+2*se), 1)
	switch {
	case modelled == 0:
		return nil // nothing to model them by; the weights' own rules refuse
	case rows > MaxMissing:
		refuse(rows, MaxMissing, "%d of %d logged responses could not be scored under %s, more than %.0f%%%s",
			gap.Missing, gap.Total, p.Policy, 100*MaxMissing, pattern(&gap))
	case share-se > MaxMissing:
		refuse(share, MaxMissing,
			"the %d responses that could not be scored under %s have about %.0f%% of its weight, more than %.0f%%%s",
			gap.Missing, p.Policy, 100*share, 100*MaxMissing, pattern(&gap))
	case !fr.knowsLength() && gap.pattern() != nil:
		refuse(gap.pattern().Z, maxGapZ,
			"what could not be scored under %s differs in %s, and lengths are unknown, by which it could be corrected",
			p.Policy, gap.pattern())
	}
	w, err := p.observed.filled(filled)
	if err != nil {
		return err
	}
	fr.cluster(w)
	w.Modelled, w.Unseen = modelled, p.observed.Unseen
	p.modelled = make([]bool, len(l))
	zero := slices.Clone(p.observed.bottom())
	for i, v := range l {
		if p.modelled[i] = math.IsNaN(v); p.modelled[i] {
			zero[i] = math.Inf(-1)
		}
	}
	// A modelled weight says nothing of E[w] <= 1: it counts as 0 there.
	z, err := WeightsFromLogRatios(zero)
	if err != nil {
		return err
	}
	fr.cluster(z)
	w.LogEValue = z.LogEValue
	w.MeanSE = p.observed.MeanSE
	p.Weights = w
	return nil
}

// weightsOn returns the weights of the rows that use says, the others being neither
// present nor missing.
func (r *Result) weightsOn(p *PolicyResult, use func(row int) bool) *Weights {
	upper := slices.Clone(p.Weights.ceiling())
	lower := upper
	if p.Weights.Lower != nil {
		lower = slices.Clone(p.Weights.Lower)
	}
	outside, modelled := 0, 0
	for i, v := range p.Weights.Log {
		switch {
		case !use(i):
			lower[i], upper[i] = math.NaN(), math.NaN()
			outside++
		case p.modelled != nil && p.modelled[i] && !math.IsNaN(v):
			modelled++
		}
	}
	w, err := WeightsBetween(lower, upper)
	if err != nil {
		panic("offpolicy: weights of some rows: " + err.Error()) // never: the policy's own were made of the same
	}
	r.frame.cluster(w)
	w.Missing -= outside
	w.Modelled, w.RawOf, w.Unseen = modelled, p.Weights.RawOf, p.Weights.Unseen
	return w
}

func pattern(g *missingness) string {
	if t := g.pattern(); t != nil {
		return "; they differ in " + t.String()
	}
	return ""
}

// knowsLength reports whether responses have lengths that differ.
func (fr *frame) knowsLength() bool {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range fr.length {
		if !math.IsNaN(v) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return hi > lo
}

// labelGaps finds out whether the logged labels are a random draw, which everything
// that rests on them takes them for.
func (r *Result) labelGaps() {
	fr := r.frame
	scores, labels := fr.loggedGaps()
	for _, g := range []*missingness{scores, labels} {
		if g != nil {
			r.gaps = append(r.gaps, *g)
		}
	}
	if why := filled(fr.score, fr.label); why != nil {
		r.unlike = append(r.unlike, *why)
	}
	if labels == nil {
		return
	}
	if t := labels.pattern(); t != nil {
		r.unlike = append(r.unlike, refusal(RuleDesign, t.Z, maxGapZ,
			"the labeled responses are no random draw of the logged ones: they differ in %s", t))
	}
	if why := beyond(fr.score, fr.label, fr.allInvP, "the logged scores"); why != nil {
		r.unlike = append(r.unlike, *why)
	}
}

// weightGap asks the same of a policy's weights.
func (r *Result) weightGap(p *PolicyResult) {
	if p.Policy == r.Logging || len(r.frame.labeled) == 0 {
		return
	}
	g := missingness{Kind: gapOfLabels}
	if g.test("weight", p.observed.Log, designed(r.frame.label, r.frame.allInvP)); g.pattern() != nil {
		p.unlike = append(p.unlike, refusal(RuleDesign, g.Tests[0].Z, maxGapZ,
			"the labeled responses are no random draw of the logged ones: under %s they differ in %s", p.Policy, &g.Tests[0]))
	}
}

// drawGaps finds what a target's own responses lack.
func (r *Result) drawGaps(p *PolicyResult) {
	fr := r.frame
	draws, probes := fr.drawGaps(p.Policy, cmp.Or(r.config.Covariate, "length"))
	if draws != nil {
		p.gaps = append(p.gaps, *draws)
		if t := draws.pattern(); t != nil {
			p.drawRefusals = append(p.drawRefusals, refusal(RuleMissing, t.Z, maxGapZ,
				"%s did not answer %d of %d logged prompts, and these differ in %s", p.Policy, draws.Missing, draws.Total, t))
		}
	}
	if d := fr.draws[p.Policy]; d != nil {
		if why := filled(d.score, d.label); why != nil {
			p.probeRefusals = append(p.probeRefusals, *why)
		}
	}
	if probes == nil {
		return
	}
	p.gaps = append(p.gaps, *probes)
	if t := probes.pattern(); t != nil {
		p.probeRefusals = append(p.probeRefusals, refusal(RuleDesign, t.Z, maxGapZ,
			"%s's labeled draws are no random draw of all: they differ in %s", p.Policy, t))
	}
	d := fr.draws[p.Policy]
	if why := beyond(d.score, d.label, d.allInvP, p.Policy+"'s scores"); why != nil {
		p.probeRefusals = append(p.probeRefusals, *why)
	}
}

// How often labels drawn at random leave more scores without any than the limits: at one
// end, where labels that were chosen by score leave theirs, and in all.
const (
	endLevel     = 1e-3
	supportLevel = 1e-4
)

// endLimit is the share of scores on one side of m labels, without the k outermost, that
// labels drawn at random exceed at one end or the other once in 1,000: the share beyond
// an order statistic is Beta distributed. It is [MaxOutside] at least.
func endLimit(m, k float64) float64 { return betaLimit(k+1, m-k, endLevel/2) }

// outsideLimit is the same of both sides together, once in 10,000.
func outsideLimit(m, k float64) float64 { return betaLimit(2*(k+1), m+1-2*(k+1), supportLevel) }

func betaLimit(a, b, level float64) float64 {
	if b <= 0 {
		return 1
	}
	return max(distuv.Beta{Alpha: a, Beta: b}.Quantile(1-level), MaxOutside)
}

// beyond refuses labels that leave a part of the scores x without any, as random labels
// hardly do; nil if they do not. x and label are NaN where there is no score and no label,
// and inv is 1/p. Scores count as the design would draw them.
func beyond(x, label, inv []float64, whose string) *Refusal {
	var labeled []float64
	for i, y := range label {
		if !math.IsNaN(y) && !math.IsNaN(x[i]) {
			labeled = append(labeled, x[i])
		}
	}
	if len(labeled) == 0 {
		return nil
	}
	r := newLabeledRange(labeled)
	var below, above, all float64
	for i, v := range x {
		if math.IsNaN(v) {
			continue
		}
		p := 1 / inv[i]
		if math.IsNaN(p) {
			p = 1
		}
		all += p
		switch {
		case v < r.lo:
			below += p
		case v > r.hi:
			above += p
		}
	}
	m := float64(len(labeled))
	share, limit := (below+above)/all, endLimit(m, math.Floor(labelTrim*m))
	if max(below, above)/all <= limit {
		return nil
	}
	why := refusal(RuleSupport, share, limit,
		"%.0f%% of %s lie below %.3g, %.0f%% above %.3g, and have no label: of labels drawn at random at most %.0f%% "+
			"would on either side",
		100*below/all, whose, r.lo, 100*above/all, r.hi, 100*limit)
	return &why
}

// supported refuses an estimate by the calibrator of a target whose own scores lie
// elsewhere than its labels: a share that ess labels under the target would leave only
// once in 10,000.
func (b *builder) supported(e *Estimate, ess float64) {
	if b.logging() {
		return // see labelGaps
	}
	r := b.r
	fr := r.frame
	// All labels count: what few lie far out under the logging policy may be many under
	// the target.
	in := r.Calibrator.all
	var out, all float64
	count := func(prompt int32, score, w float64) {
		if !math.IsNaN(score) && w > 0 && b.takes(prompt) {
			all += w
			if !in.has(score) {
				out += w
			}
		}
	}
	if d := fr.draws[b.policy]; d != nil && len(d.score) > 0 {
		for i, s := range d.score {
			if fr.count[d.prompt[i]] > 0 { // as in doublyRobust
				count(d.prompt[i], s, d.inv[i])
			}
		}
	} else {
		for i, s := range fr.score {
			count(fr.prompt[i], s, b.rel[i])
		}
	}
	if share, limit := out/all, outsideLimit(ess, 0); share > limit {
		b.refuseGap(e, []Refusal{refusal(RuleSupport, share, limit,
			"%.0f%% of %s's scores lie outside of [%.3g, %.3g], where the labels are, more than %.0f%%",
			100*share, b.policy, in.lo, in.hi, 100*limit)})
	}
}

// worst bounds what an estimate could be that is refused for its gaps alone: its
// interval from what is there, with the part that is not there anywhere in [0, 1].
func (r *Result) worst(p *PolicyResult, e *Estimate, c *Config, w *worker) {
	if !e.Claims || !e.Refused() {
		return
	}
	kept := 1.0
	for _, why := range e.Refusals {
		switch why.Rule {
		case RuleMissing:
			kept *= 1 - p.missing
		case RuleSupport:
			kept *= 1 - why.Value
		case RuleDesign:
			total := e.Basis.Rows
			if e.Estimator.method().draws {
				total = e.Basis.Draws
			}
			kept *= float64(e.Basis.Labels) / float64(max(total, 1))
		default:
			return
		}
	}
	b := newBuilder(r, c, w, p, p.observed, nil)
	b.lenient = true
	there, made := b.build(e.Estimator)
	if there.Refused() || made.stat == nil {
		return
	}
	if r.byInfluence(&there, made, w); there.Refused() {
		return
	}
	e.WorstLower, e.WorstUpper = kept*there.Lower, kept*there.Upper+1-kept
	e.Notes = append(e.Notes, fmt.Sprintf("whatever the rest is like, the value is between %.3f and %.3f",
		e.WorstLower, e.WorstUpper))
}
