package offpolicy

import (
	"fmt"
	"math"
)

// The thresholds beyond which weights are refused. On simulated log-normal
// weights with n from 100 to 1,000 they refuse none where overlap is good and
// all where log w has a standard deviation of 3 or more.
const (
	MinESS     = 30.0 // effective rows
	MaxShare   = 0.10 // of Σw, for a single row
	MinMass    = 0.95 // of the target's probability, that the logs must be able to show
	MaxOpen    = 0.20 // of Σw, that intervals of log-probs may leave open
	MaxEValue  = 1000 // against E[w] <= 1; false alarms at most 1 in 1,000
	massZ      = 3.29 // two-sided 0.1% of the normal
	minPerNats = 10.0 // rows per e^divergence: divergence must not exceed ln(n/10)
)

// Rule names a reason to refuse an estimate.
type Rule string

// The rules of [Weights.Refusals].
const (
	RuleESS        Rule = "ess"
	RuleMaxShare   Rule = "max_share"
	RuleDivergence Rule = "divergence"
	RuleMass       Rule = "mass"
	RuleMeanOne    Rule = "mean_one"
	RuleRaw        Rule = "raw"      // log-probs of the raw distribution: there is no weight
	RuleOpen       Rule = "interval" // log-probs that are intervals leave more than 20% of the weight open
	RuleUnseen     Rule = "unseen"   // the logging policy's filters exclude more than 5% of the policy's responses
)

// The thresholds beyond which the labels cannot carry an estimate.
const (
	minESSLabels  = 15.0 // effective labels
	maxLabelShare = 0.20 // of Σ w/p, for a single label
	minTransport  = 100  // labels behind an uncorrected direct estimate
)

// The further rules by which an [Estimate] is refused.
const (
	RuleWeights    Rule = "weights"     // the policy has no weight, or no sum of them
	RuleESSLabels  Rule = "ess_labels"  // ESS_L < 15
	RuleLabelShare Rule = "label_share" // one prompt has more than 20% of Σ w/p
	RuleMissing    Rule = "missing"     // too much is missing to be modelled, or what is missing has a pattern
	RuleDesign     Rule = "design"      // the labels are no random draw, or nobody says with which probabilities
	RuleLabels     Rule = "labels"      // too few labels to calibrate, or none at all
	RuleRewards    Rule = "rewards"     // no row has both a weight and a reward
	RuleDraws      Rule = "draws"       // no fresh draws
	RuleTransport  Rule = "transport"   // plug-in direct without a transport audit
	RuleSupport    Rule = "support"     // plug-in direct beyond the labeled scores
	RuleSpread     Rule = "spread"      // nothing varies, so no error can be estimated
	RuleBalance    Rule = "balance"     // reweighted logs and the policy's own draws contradict each other
	RuleNoise      Rule = "noise"       // noise of the log-probs moves the value too far
)

// Refusal is one reason why an estimate must not be given.
type Refusal struct {
	Rule      Rule
	Message   string // the reason in words, figures included
	Value     float64
	Threshold float64
	Remedy    string // what to do
}

func (r Refusal) String() string { return string(r.Rule) + ": " + r.Message }

// Refusals returns every reason why an importance-weighted estimate with these
// weights must not be given, in a fixed order; none means that the weights are
// usable. The rules need no labels:
//
//	ess         ESS < 30
//	max_share   the largest weight is more than 10% of Σw
//	divergence  the divergence > ln(M/10), M the prompts that have a weight above 0
//	mass        mean w + 3.29 SE < .95, at the upper bounds of the w
//	mean_one    e-value against E[w] <= 1 of 1,000 or more
//
// The first three say that too few rows decide, the fourth that the target puts
// mass where the logs have no response at all, and the fifth that the
// log-probs cannot be right. Before them, "unseen" says that the logging policy's
// filters exclude more than 5% of what the target says. Raw log-probs ("raw"), and intervals that
// leave more than 20% of the weight open ("interval"), leave nothing to judge and are the
// one reason then. In a Refusal
// of mean_one, Value and Threshold are
// natural logarithms, because the e-value itself may exceed a float64.
func (w *Weights) Refusals() []Refusal {
	var out []Refusal
	refuse := func(rule Rule, value, threshold float64, format string, args ...any) {
		out = append(out, Refusal{Rule: rule, Message: fmt.Sprintf(format, args...), Value: value,
			Threshold: threshold, Remedy: remedies[rule]})
	}
	if w.RawOf != "" {
		refuse(RuleRaw, 0, 1,
			"the log-probs of %s are of the model's raw distribution, not of the one it samples from: no weight comes of them",
			w.RawOf)
		return out
	}
	if w.Open > MaxOpen {
		refuse(RuleOpen, w.Open, MaxOpen, "log-probs that are known as intervals leave %.0f%% of the weight open, more "+
			"than %.0f%%", 100*w.Open, 100*MaxOpen)
		return out
	}
	if w.Unseen > 1-MinMass {
		refuse(RuleUnseen, w.Unseen, 1-MinMass, "the logging policy's filters exclude about %.0f%% of what the policy "+
			"says, more than %.0f%%: the logs cannot show what that is worth", 100*w.Unseen, 100*(1-MinMass))
	}
	if w.PromptESS < MinESS {
		refuse(RuleESS, w.PromptESS, MinESS, "effective sample size %.1f of %d prompts is below %.0f", w.PromptESS,
			w.Prompts, MinESS)
	}
	if w.PromptShare > MaxShare {
		refuse(RuleMaxShare, w.PromptShare, MaxShare, "one prompt carries %.0f%% of the weight, more than %.0f%%",
			100*w.PromptShare, 100*MaxShare)
	}
	if prompts := w.supported(); w.Divergence > math.Log(prompts/minPerNats) {
		limit := math.Log(prompts / minPerNats)
		refuse(RuleDivergence, w.Divergence, limit,
			"divergence about %s nats is too large for %.0f prompts (at most ln(n/10) = %.1f)",
			brief(w.Divergence), prompts, limit)
	}
	if upper := w.Mean*(1+w.Open) + massZ*w.MeanSE; upper < MinMass {
		refuse(RuleMass, upper, MinMass, "mean weight %.3f (SE %.3f): the logs miss part of what the target says, "+
			"which may bias an estimate by up to %.3f", w.Mean, w.MeanSE, 1-w.Mean)
	}
	if limit := math.Log(MaxEValue); w.LogEValue >= limit {
		refuse(RuleMeanOne, w.LogEValue, limit, "mean weight %.3g is above 1 beyond chance (e-value 10^%s): "+
			"the log-probs of the two policies cannot both be right", w.Mean, brief(w.LogEValue/math.Ln10))
	}
	return out
}

// supported is how many prompts have a weight above 0, if the rows of weight 0 are spread
// over all of them alike.
func (w *Weights) supported() float64 {
	return float64(w.Prompts) * float64(w.N-w.Zero) / float64(max(w.N, 1))
}

// Usable reports that no rule refuses w.
func (w *Weights) Usable() bool { return len(w.Refusals()) == 0 }

// brief writes a figure with one decimal, and one that no reader would count the digits
// of in short.
func brief(v float64) string {
	if math.Abs(v) < 1e6 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// remedies say what to do about each rule.
var remedies = map[Rule]string{
	RuleESS:        "log more responses, or label 25 fresh draws of the policy",
	RuleMaxShare:   "log more responses, or label 25 fresh draws of the policy",
	RuleDivergence: "the logs say nothing of this policy: label 25 fresh draws of it",
	RuleMass:       "the logs lack what this policy says: label 25 fresh draws of it",
	RuleMeanOne: "score the logged responses again under both policies, with one template and sampling, at an " +
		"endpoint that repeats itself",
	RuleRaw: "score the responses where the server returns sampling log-probs, or evaluate policies of " +
		"temperature 1 without filters",
	RuleOpen: "score where the server shows more alternatives to each token, or evaluate policies whose filters " +
		"keep fewer tokens",
	RuleUnseen:     "label 25 fresh draws of the policy, or log without filters",
	RuleWeights:    "score the logged responses under this policy",
	RuleESSLabels:  "label more of the logged responses",
	RuleLabelShare: "label more of the logged responses",
	RuleMissing:    "find out why these fail and repeat them; if they cannot be had, label 25 fresh draws of the policy",
	RuleDesign:     "state inclusion_prob of every response that could have been labeled, labeled or not",
	RuleLabels:     "label more of the logged responses",
	RuleRewards:    "give rewards, or label logged responses so that the judge can be calibrated",
	RuleDraws:      "let the policy answer the logged prompts, and have the judge score the answers",
	RuleTransport:  "label 25 fresh draws of the policy: its estimate is then corrected by them",
	RuleSupport:    "label 25 fresh draws of the policy, chosen at random",
	RuleBalance: "score logs and draws again, with one judge and the policy that drew; or label 25 of the draws, " +
		"chosen at random",
	RuleNoise: "score at an endpoint that repeats itself, or score several times and average; estimates by the " +
		"policy's own responses do not depend on it",
	RuleSpread: "label more responses: labels that are all equal say nothing of the error",
}
