package record

import (
	"fmt"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// WeightSummary describes a target's importance weights on the logged rows.
type WeightSummary struct {
	N          int           `json:"n"`
	Mean       dataset.Float `json:"mean"`        // of raw weights; 1 in expectation where the logs cover the target
	ESS        dataset.Float `json:"ess"`         // (Σw)²/Σw²
	MaxShare   dataset.Float `json:"max_share"`   // the largest weight's share of Σw
	Divergence dataset.Float `json:"divergence"`  // -mean log w, an estimate of KL(P0 ‖ target) in nats
	LogWeight  Quantiles     `json:"log_weight"`  // log w, nats
	LogWeights []float64     `json:"log_weights"` // sorted, for the plot
	Usable     bool          `json:"usable"`
	Reasons    []string      `json:"reasons"` // why not
}

// TargetWeights are a target's importance weights on the logged rows.
type TargetWeights struct {
	// LogRatios are log π(a|c) - log P0(a|c), nats, of the rows on which both are known
	// and of the distribution that their policy samples from, in the order of the
	// prompts; Keys are the rows'.
	LogRatios []float64
	Keys      []dataset.Key
	Bounded   int                // rows whose log-prob is no number, under either policy
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
	r.eachPair(policy, func(b, t dataset.LogProb) {
		if b.Raw() || t.Raw() {
			w.Raw++
			return
		}
		w.LogRatios = append(w.LogRatios, t.LogProb.OrNaN()-b.LogProb.OrNaN())
		w.Keys = append(w.Keys, t.Key())
	})
	for _, name := range []string{r.Logging().Policy.Name, policy} {
		for _, row := range r.LogProbs.AllOf(name) {
			if row.Bounded() {
				w.Bounded++
			}
		}
	}
	if w.Bounded > 0 {
		w.LogRatios, w.Keys = nil, nil
	}
	out := WeightSummary{N: len(w.LogRatios), LogWeight: QuantilesOf(w.LogRatios),
		LogWeights: slices.Sorted(slices.Values(w.LogRatios)), Reasons: []string{}}
	for _, a := range r.Arms {
		if (a.Policy.Name == policy || a.Role == Logging) && !r.Certified(a.Policy) {
			out.Reasons = append(out.Reasons, "no certificate of the endpoint's log-probs under "+a.Policy.Name)
		}
	}
	if w.Raw > 0 {
		out.Reasons = append(out.Reasons, fmt.Sprintf("%s of a policy that samples at another temperature than 1, or from "+
			"a part of the distribution: an echo gives its model's own, and their ratio is not the weight",
			Plural(w.Raw, "log-prob is", "log-probs are")))
	}
	if w.Bounded > 0 {
		out.Reasons = append(out.Reasons, fmt.Sprintf("%s known as an interval alone, or of a response outside the "+
			"policy's support: no weight comes of it", Plural(w.Bounded, "log-prob is", "log-probs are")))
	}
	if w.Weights, w.Err = offpolicy.WeightsFromLogRatios(w.LogRatios); w.Err != nil {
		out.Reasons = append(out.Reasons, w.Err.Error())
	} else {
		w.Weights.Unseen, _ = r.unseen(policy).Get()
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
