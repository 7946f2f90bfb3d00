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
	p       *PolicyResult
	weights *Weights
	rel     []float64 // weights by row, in units of the largest; 0 where missing
	in      []bool    // by prompt: whether it takes part; nil means that all do
	lenient bool      // refuses nothing for gaps

	sums *weightedLabels // once they are made
}

// newBuilder makes those of some weights, p's own or others, on the prompts that in takes.
func newBuilder(r *Result, c *Config, w *worker, p *PolicyResult, weights *Weights, in []bool) *builder {
	return &builder{r: r, c: c, w: w, policy: p.Policy, p: p, weights: weights, rel: relative(weights), in: in}
}

// build makes an estimate without numbers, and the statistic that gives them
// unless it is refused.
func (b *builder) build(e Estimator) (est Estimate, made built) {
	m := e.method()
	est = emptyEstimate(b.policy, m)
	if made = m.build(b, &est); made.slack != (slack{}) {
		est.Notes = append(est.Notes, made.slack.note())
	}
	return est, made
}

// refuseGap refuses an estimate for what its data lack.
func (b *builder) refuseGap(e *Estimate, why []Refusal) {
	if !b.lenient {
		e.refuse(why...)
	}
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

func refusal(rule Rule, value, threshold float64, format string, args ...any) Refusal {
	return Refusal{Rule: rule, Message: fmt.Sprintf(format, args...), Value: value, Threshold: threshold,
		Remedy: remedies[rule]}
}

// weighted records what an estimate rests on and refuses what the weights
// cannot carry; it reports whether there is anything to compute.
func (b *builder) weighted(e *Estimate) bool {
	w := b.weights
	e.Basis.Rows, e.Basis.Missing, e.Basis.Modelled, e.Basis.ESS = w.N, w.Missing, w.Modelled, w.ESS
	b.refuseGap(e, b.p.refusals)
	if w.Modelled > 0 {
		e.Notes = append(e.Notes, fmt.Sprintf("%d of %d weights are modelled: the responses could not be scored",
			w.Modelled, w.N))
	}
	return e.refuseByWeights(w)
}

// refuseByWeights refuses what the weights cannot carry; it reports whether there is
// anything to compute.
func (e *Estimate) refuseByWeights(w *Weights) bool {
	if w.RawOf == "" && (w.N == 0 || w.ESS == 0) {
		e.refuse(refusal(RuleWeights, float64(w.N), 1,
			"no logged response has a weight under %s: %d of %d could not be scored, the others weigh 0",
			e.Policy, w.Missing, w.N+w.Missing))
	}
	e.refuse(w.Refusals()...)
	return w.N > 0 && w.ESS > 0
}

// labels refuses what the labels under these weights cannot carry, and returns
// what labeled does.
func (b *builder) labels(e *Estimate) (ess, factor float64) {
	fr := b.r.frame
	var s labelSums
	for i := 0; i < fr.n(); {
		p := fr.prompt[i]
		for ; i < fr.n() && fr.prompt[i] == p; i++ {
			if !math.IsNaN(b.weights.Log[i]) {
				s.row(b.rel[i], fr.allInvP[i], fr.invP[i] > 0)
			}
		}
		s.close()
	}
	e.Basis.Labels, e.Basis.Prompts = s.labels, s.prompts
	b.refuseGap(e, b.r.unlike)
	b.refuseGap(e, b.p.unlike)
	return e.labeled(s)
}

// labelSums are sums over the rows that an estimate takes, by prompt, for the labels'
// effective number.
type labelSums struct {
	labels, prompts int
	w, squares      float64 // of a prompt's Σ w/p over its labels: Σ, Σ of squares
	most            float64 // the largest
	// Of all rows, labeled or not: Σw, and what the square above is in expectation
	// over the design, Σ_p (Σ w²/p + Σ_{i≠j} w_i w_j). NaN where some p is unknown.
	all, design float64

	own, sum, part float64 // of the prompt: Σ_L w/p, Σ w, Σ w²(1/p - 1)
	has            bool
}

func (s *labelSums) row(w, invP float64, labeled bool) {
	s.sum += w
	s.part += w * w * (invP - 1)
	if labeled {
		s.labels++
		s.own += w * invP
		s.has = true
	}
}

// close takes the prompt in.
func (s *labelSums) close() {
	s.w += s.own
	s.squares += s.own * s.own
	s.most = max(s.most, s.own)
	s.all += s.sum
	s.design += s.sum*s.sum + s.part
	if s.has {
		s.prompts++
	}
	s.own, s.sum, s.part, s.has = 0, 0, 0, false
}

// labeled records and judges what the labels weigh. It returns the effective number
// of prompts with labels (Kish): that of the labels drawn, (Σ w/p)² / Σ (w/p)², or what
// the design gives on average, (Σw)² / Σ(w²/p) over all rows that the estimate takes, if
// that is less. A draw of labels that happened to miss the heavy rows looks better than
// it is, and its error is too small by the root of the ratio of the two: factor.
func (e *Estimate) labeled(s labelSums) (ess, factor float64) {
	factor = 1
	if s.labels > 0 && s.w > 0 {
		drawn := s.w * s.w / s.squares
		ess = drawn
		if design := s.all * s.all / s.design; design < drawn {
			ess = design
		}
		factor = math.Sqrt(drawn / ess)
		e.Basis.LabelShare = s.most / s.w
	}
	e.Basis.ESSLabels = ess
	switch {
	case ess == 0:
		e.refuse(refusal(RuleLabels, float64(s.labels), 1, "no label has a weight under %s", e.Policy))
		return 0, factor
	case math.IsNaN(s.design):
		e.refuse(refusal(RuleDesign, math.NaN(), math.NaN(),
			"labels were drawn with different probabilities, and those of responses without a label are not stated"))
	case ess < minESSLabels:
		e.refuse(refusal(RuleESSLabels, ess, minESSLabels,
			"the %d labels count for %.1f under %s's weights, fewer than %.0f", s.labels, ess, e.Policy, minESSLabels))
	}
	if e.Basis.LabelShare > maxLabelShare {
		e.refuse(refusal(RuleLabelShare, e.Basis.LabelShare, maxLabelShare,
			"one prompt carries %.0f%% of the labels' weight, more than %.0f%%",
			100*e.Basis.LabelShare, 100*maxLabelShare))
	}
	return ess, factor
}
