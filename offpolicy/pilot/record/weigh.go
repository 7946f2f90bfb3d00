package record

import (
	"fmt"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// FlagUncertified marks a log-prob that no certificate of its endpoint stands behind: to
// go on without was waived.
const FlagUncertified = "uncertified"

// WeightSummary describes a target's importance weights on the logged rows.
type WeightSummary struct {
	N          int           `json:"n"`
	Zero       int           `json:"zero,omitempty"` // rows, of the n, outside the target's support: they weigh 0
	Open       dataset.Float `json:"open,omitzero"`  // the part of Σw that intervals of log-probs leave open
	Mean       dataset.Float `json:"mean"`           // of raw weights; 1 in expectation where the logs cover the target
	ESS        dataset.Float `json:"ess"`            // (Σw)²/Σw²
	MaxShare   dataset.Float `json:"max_share"`      // the largest weight's share of Σw
	Divergence dataset.Float `json:"divergence"`     // -mean log w, an estimate of KL(P0 ‖ target) in nats
	LogWeight  Quantiles     `json:"log_weight"`     // log w of the rows that weigh more than 0, nats
	LogWeights []float64     `json:"log_weights"`    // sorted, for the plot
	Usable     bool          `json:"usable"`
	Reasons    []string      `json:"reasons"` // why not
}

// TargetWeights are a target's importance weights on the logged rows.
type TargetWeights struct {
	// LogRatios are log π(a|c) - log P0(a|c), nats, of the rows on which both are known
	// and of the distribution that their policy samples from, in the order of the
	// prompts, as Weights.Log; Rows are the places of their prompts.
	LogRatios []float64
	Rows      []int32
	Raw       int                // rows left out because a value is of another distribution
	Weights   *offpolicy.Weights // nil if Err is not
	Err       error              // why there are none
	Summary   WeightSummary
}

// Weights are a target's weights. They are computed once, however many ask.
func (r *Records) Weights(policy string) *TargetWeights {
	if w, ok := r.weights[policy]; ok {
		return w
	}
	w := r.weigh(policy)
	if r.weights == nil {
		r.weights = map[string]*TargetWeights{}
	}
	r.weights[policy] = w
	return w
}

func (r *Records) weigh(policy string) *TargetWeights {
	w := &TargetWeights{}
	rows := r.LogProbs.Brief()
	base, target := rows.Of(r.Logging().Policy.Name), rows.Of(policy)
	var lower, upper []float64
	for i := range r.Prompts.Len() {
		id := r.Prompts.Key(i).PromptID
		b, _ := base(id)
		t, _ := target(id)
		lo, hi := offpolicy.LogRatioBounds(t.Bounds(), b.Bounds())
		switch {
		case math.IsNaN(lo) || b.Error != nil || t.Error != nil:
		case b.Raw() || t.Raw():
			w.Raw++
		default:
			lower, upper, w.Rows = append(lower, lo), append(upper, hi), append(w.Rows, int32(i))
		}
	}
	if w.Weights, w.Err = offpolicy.WeightsBetween(lower, upper); w.Err == nil {
		w.LogRatios = w.Weights.Log
	}
	finite := slices.DeleteFunc(slices.Clone(w.LogRatios), func(l float64) bool { return math.IsInf(l, -1) })
	out := WeightSummary{N: len(w.LogRatios), LogWeight: QuantilesOf(finite),
		LogWeights: slices.Sorted(slices.Values(finite)), Reasons: []string{}}
	for _, a := range r.Arms {
		if (a.Policy.Name == policy || a.Role == Logging) && !r.Certified(a.Policy) {
			out.Reasons = append(out.Reasons, "no certificate of the endpoint's log-probs under "+a.Policy.Name)
		}
	}
	for _, a := range r.Arms.Unsized() {
		if a.Policy.Name == policy || a.Role == Logging {
			out.Reasons = append(out.Reasons, a.WantsVocabulary())
		}
	}
	if w.Raw > 0 {
		out.Reasons = append(out.Reasons, fmt.Sprintf("%s of a policy that samples at another temperature than 1, or from "+
			"a part of the distribution: an echo gives its model's own, and their ratio is not the weight",
			Plural(w.Raw, "log-prob is", "log-probs are")))
	}
	if w.Err != nil {
		out.Reasons = append(out.Reasons, w.Err.Error())
	} else {
		w.Weights.Unseen, _ = r.unseen(policy).Get()
		if e := r.Evaluation; e != nil && e.Policy(policy) != nil && e.Policy(policy).Weights != nil {
			// The evaluation's is against what the noise of log-probs makes of the mean.
			if v := e.Policy(policy).Weights.LogEValue; v < w.Weights.LogEValue {
				w.Weights.LogEValue = v
			}
		}
		out.Zero, out.Open = w.Weights.Zero, Finite(w.Weights.Open)
		out.Mean, out.ESS, out.MaxShare, out.Divergence = Finite(w.Weights.Mean), Finite(w.Weights.ESS),
			Finite(w.Weights.MaxShare), Finite(w.Weights.Divergence)
		for _, ref := range w.Weights.Refusals() {
			out.Reasons = append(out.Reasons, ref.Message)
		}
		out.Usable = len(out.Reasons) == 0
	}
	w.Summary = out
	return w
}
