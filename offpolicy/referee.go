package offpolicy

import (
	"fmt"
	"math"
	"strings"

	"github.com/reweigh/reweigh/dataset"
)

// Answer is what the referee says of one policy.
type Answer struct {
	Estimator Estimator // "" where every estimate is refused
	Reason    string    // why this one, or why none
	// Hausman is the t of dr minus corrected direct, paired: beyond ±3.29 they
	// disagree, and the weights or the probes are not what they claim. NaN
	// where one of the two is refused.
	Hausman float64
	// BandLower and BandUpper are the simultaneous 95% interval over all
	// answered policies; NaN where there is no answer.
	BandLower, BandUpper float64
	Advice               []string // what to buy next, and what it would cost and give
	// Labels is the advice to buy labels, in figures; nil where there is none.
	Labels *LabelAdvice
}

// LabelAdvice is how many oracle labels of a policy's own responses would give its value.
type LabelAdvice struct {
	Labels int           `json:"labels"` // in all
	USD    dataset.Float `json:"usd"`    // of those; missing if a label has no price
	// HalfWidth is about what the 95% interval would have, if the labels vary as the
	// logging policy's do; missing if these do not tell.
	HalfWidth dataset.Float `json:"half_width"`
	// Unanswered says that the policy has no responses to label: it has to answer first.
	Unanswered bool `json:"unanswered,omitempty"`
}

// disagreement is the |t| between dr and corrected direct from which the referee
// takes them to disagree.
const disagreement = 3.29

// referee chooses among the estimates that claim coverage:
//
//   - dr and corrected direct both answered, and agreeing (Hausman's test): the
//     one with more effective labels, ESS_L against the probes. The smaller of
//     two standard errors would be the worse guide: of two errors that are
//     estimated from few labels the smaller is too often the understated one;
//   - disagreeing by more than 3.29 standard errors: direct, whose labels are
//     the policy's own and which needs no weights;
//   - one of the two: that one; neither: labeled_snips;
//   - none: plug-in direct, where it is not refused, as the last resort.
func (r *Result) referee(p *PolicyResult, c *Config) {
	ok := func(e Estimator) *Estimate {
		if est := p.Estimate(e); est != nil && !est.Refused() {
			return est
		}
		return nil
	}
	dr, direct, labeled := ok(DR), ok(Direct), ok(LabeledSNIPS)
	plugIn := direct
	if direct != nil && direct.Basis.PlugIn {
		direct = nil
	} else {
		plugIn = nil
	}
	a := &p.Answer
	a.Hausman = math.NaN()
	choose := func(e *Estimate, format string, args ...any) {
		a.Estimator, a.Reason = e.Estimator, fmt.Sprintf(format, args...)
	}
	switch {
	case dr != nil && direct != nil:
		d := newContrast(dr, direct, 0)
		t := d.value / d.se
		if lo, hi := d.newcombe(disagreement); lo <= 0 && hi >= 0 {
			// Labels that are all alike have no error of their own.
			t = min(max(t, -disagreement), disagreement)
		}
		a.Hausman = t
		switch {
		case math.Abs(t) > disagreement:
			choose(direct,
				"weights and probes disagree by %+.3f (t %.1f): the %d labels of the policy's own decide", d.value,
				t, direct.Basis.Probes)
			a.Advice = append(a.Advice, "find out why: wrong log-probs, or fresh draws under other settings than the log-probs")
		case float64(direct.Basis.Probes) > dr.Basis.ESSLabels:
			choose(direct, "the policy's own %d labels say most; the logs' count for %.0f under its weights, "+
				"and agree (t %.1f)",
				direct.Basis.Probes, dr.Basis.ESSLabels, t)
		default:
			choose(dr, "weights are usable, and the logs' labels count for %.0f; the policy's own %d agree (t %.1f)",
				dr.Basis.ESSLabels, direct.Basis.Probes, t)
		}
	case dr != nil:
		choose(dr, "weights are usable: ESS %.0f of %d", p.Weights.ESS, p.Weights.N)
	case direct != nil:
		choose(direct, "the policy's own %d labels correct the judge; %s", direct.Basis.Probes, r.whyNot(p, DR))
	case labeled != nil:
		choose(labeled, "weights are usable; %s", r.whyNot(p, DR))
	case plugIn != nil:
		choose(plugIn, "nothing but the calibrated judge, on an earlier audit: claims no coverage; %s", r.whyNot(p, DR))
	default:
		a.Reason = fmt.Sprintf("no estimate can be believed: %s; %s", r.whyNot(p, DR), r.whyNot(p, Direct))
	}
	r.advise(p, c)
}

// whyNot says in a few words why an estimator does not answer.
func (r *Result) whyNot(p *PolicyResult, e Estimator) string {
	est := p.Estimate(e)
	if est == nil {
		return fmt.Sprintf("%s was not asked for", e)
	}
	var parts []string
	for _, ref := range est.Refusals {
		switch ref.Rule {
		case RuleDivergence:
			parts = append(parts, fmt.Sprintf("divergence about %s nats", brief(ref.Value)))
		case RuleMeanOne:
			parts = append(parts, "noisy or wrong log-probs: their mean weight is above 1")
		case RuleMass:
			parts = append(parts, fmt.Sprintf("mean weight %.3f: bias of up to %.3f", p.Weights.Mean, 1-p.Weights.Mean))
		case RuleESS:
			parts = append(parts, fmt.Sprintf("ESS %.1f", ref.Value))
		case RuleMaxShare:
			parts = append(parts, fmt.Sprintf("one row has %.0f%% of the weight", 100*ref.Value))
		case RuleTransport:
			parts = append(parts, "transport not checked")
		default:
			parts = append(parts, ref.Message)
		}
	}
	return fmt.Sprintf("%s refused (%s)", e, strings.Join(parts, "; "))
}

// advisedLabels is how many labels of a target's own are recommended.
const advisedLabels = 25

// advise says what to buy next for a policy whose logs add nothing.
func (r *Result) advise(p *PolicyResult, c *Config) {
	if p.Policy == r.Logging || p.Weights.Usable() {
		return
	}
	a, next := &p.Answer, &LabelAdvice{Labels: advisedLabels}
	if d := r.frame.draws[p.Policy]; d == nil || len(d.score) == 0 {
		next.Unanswered = true
		a.Advice = append(a.Advice,
			"the logs add nothing for this policy: let it answer the prompts itself, and have the judge score the answers")
	} else if d.probed >= MinProbes {
		return
	}
	a.Labels = next
	cost := "unpriced"
	if usd, ok := c.LabelUSD.Get(); ok {
		next.USD = dataset.Known(advisedLabels * usd)
	}
	if usd, ok := c.LabelUSD.Get(); ok && usd == 0 {
		cost = "free"
	} else if ok {
		cost = fmt.Sprintf("$%.2f", advisedLabels*usd)
	}
	gives := ""
	if pilot := r.Planning(); pilot.LabelSD > 0 {
		width := pilot.DirectHalfWidth(max(len(r.Prompts), advisedLabels), advisedLabels)
		next.HalfWidth = figure(width)
		gives = fmt.Sprintf(" would give its value to about ±%.2f if its labels vary as %s's do", width, r.Logging)
	}
	a.Advice = append(a.Advice, fmt.Sprintf("%d oracle labels of its own responses (%s)%s", advisedLabels, cost, gives))
}
