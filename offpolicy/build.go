package offpolicy

import (
	"fmt"
	"math"
)

// builder makes the statistics of one policy, on all prompts or on some.
type builder struct {
	r       *Result
	c       *Config
	w       *worker // with predictions under equal weights
	policy  string
	weights *Weights
	rel     []float64 // weights by row, in units of the largest; 0 where missing
	in      []bool    // by prompt: whether it takes part; nil means that all do
}

func newBuilder(r *Result, c *Config, w *worker, policy string, weights *Weights, in []bool) *builder {
	return &builder{r: r, c: c, w: w, policy: policy, weights: weights, rel: relative(weights), in: in}
}

// build makes an estimate without numbers, and the statistic that gives them
// unless it is refused.
func (b *builder) build(e Estimator) (Estimate, built) {
	est := emptyEstimate(b.policy, e)
	var made built
	switch e {
	case IPS, SNIPS, ClippedIPS:
		made = b.rewards(&est)
	case LabeledSNIPS:
		made = b.labeled(&est)
	case DR:
		made = b.doublyRobust(&est)
	case Direct:
		made = b.direct(&est)
	}
	return est, made
}

// besselFactor is √(m/(m-1)), by which an error estimated from m deviations from
// their own mean is too small.
func besselFactor(m int) float64 {
	if m < 2 {
		return math.NaN()
	}
	return math.Sqrt(float64(m) / float64(m-1))
}

func (b *builder) logging() bool { return b.policy == b.r.Logging }

func (b *builder) takes(prompt int32) bool { return b.in == nil || b.in[prompt] }

func refusal(rule string, value, threshold float64, format string, args ...any) Refusal {
	return Refusal{Rule: rule, Message: fmt.Sprintf(format, args...), Value: value, Threshold: threshold, Remedy: remedies[rule]}
}

// weighted records what an estimate rests on and refuses what the weights
// cannot carry; it reports whether there is anything to compute.
func (b *builder) weighted(e *Estimate) bool {
	w := b.weights
	e.Basis.Rows, e.Basis.Missing, e.Basis.ESS = w.N, w.Missing, w.ESS
	return e.weighed(w)
}

// weighed refuses what the weights cannot carry; it reports whether there is
// anything to compute.
func (e *Estimate) weighed(w *Weights) bool {
	if w.RawOf == "" && (w.N == 0 || w.ESS == 0) {
		e.refuse(refusal(RuleWeights, float64(w.N), 1, "no logged response has a weight under %s: %d of %d could not be scored, the others weigh 0",
			e.Policy, w.Missing, w.N+w.Missing))
	}
	e.refuse(w.Refusals()...)
	return w.N > 0 && w.ESS > 0
}

// labels refuses what the labels under these weights cannot carry, and returns
// what labelled does. use reports whether a row enters.
func (b *builder) labels(e *Estimate, use func(i int) bool) (ess, factor float64) {
	fr := b.r.frame
	var s1, s2, most float64
	seen := make(map[int32]bool)
	for i := range fr.rows {
		if u := b.rel[i] * fr.invP[i]; fr.invP[i] > 0 && !math.IsNaN(b.weights.Log[i]) && use(i) {
			s1 += u
			s2 += u * u
			most = max(most, u)
			e.Basis.Labels++
			seen[fr.prompt[i]] = true
		}
	}
	e.Basis.Prompts = len(seen)
	return e.labelled(b.weights, s1, s2, most)
}

// labelled records and judges what the labels weigh, from Σ(w/p), Σ(w/p)² and
// the largest w/p of e.Basis.Labels labels. It returns the effective number of
// them: ESS_L, or what m labels are worth by all n weights, m ESS/n, if that is
// less. A draw of labels that happened to miss the heavy rows looks better than
// it is, and its error is too small by the root of the ratio of the two: factor.
func (e *Estimate) labelled(w *Weights, s1, s2, most float64) (ess, factor float64) {
	factor = 1
	if e.Basis.Labels > 0 && s1 > 0 {
		drawn := s1 * s1 / s2
		ess = min(drawn, float64(e.Basis.Labels)*w.ESS/float64(w.N))
		factor = math.Sqrt(drawn / ess)
		e.Basis.LabelShare = most / s1
	}
	e.Basis.ESSLabels = ess
	switch {
	case ess == 0:
		e.refuse(refusal(RuleLabels, float64(e.Basis.Labels), 1, "no label has a weight under %s", e.Policy))
		return 0, factor
	case ess < MinESSLabels:
		e.refuse(refusal(RuleESSLabels, ess, MinESSLabels, "the %d labels count for %.1f under %s's weights, fewer than %.0f", e.Basis.Labels, ess, e.Policy, MinESSLabels))
	}
	if e.Basis.LabelShare > MaxLabelShare {
		e.refuse(refusal(RuleLabelShare, e.Basis.LabelShare, MaxLabelShare, "one label carries %.0f%% of the labels' weight, more than %.0f%%",
			100*e.Basis.LabelShare, 100*MaxLabelShare))
	}
	return ess, factor
}
