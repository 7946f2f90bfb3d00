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

// Weigh describes a target's weights and says whether they could carry an
// estimate.
func Weigh(rec *Records, policy string) *WeightSummary {
	d, _ := rec.LogRatios(policy)
	m := dataset.Float{}
	out := &WeightSummary{N: len(d), Mean: m, ESS: m, MaxShare: m, Divergence: m, LogWeight: QuantilesOf(d), LogWeights: slices.Sorted(slices.Values(d)), Reasons: []string{}}
	for _, a := range rec.Arms {
		if (a.Policy.Name == policy || a.Role == Logging) && !rec.Certified(a.Policy) {
			out.Reasons = append(out.Reasons, "no certificate of the endpoint's log-probs under "+a.Policy.Name)
		}
	}
	if raw := rec.RawPairs(policy); raw > 0 {
		out.Reasons = append(out.Reasons, fmt.Sprintf("%s of a policy that samples at another temperature than 1, or from a part of the distribution: an echo gives its model's own, and their ratio is not the weight", Plural(raw, "log-prob is", "log-probs are")))
	}
	w, err := offpolicy.WeightsFromLogRatios(d)
	if err != nil {
		out.Reasons = append(out.Reasons, err.Error())
		return out
	}
	out.Mean, out.ESS, out.MaxShare, out.Divergence = Finite(w.Mean), Finite(w.ESS), Finite(w.MaxShare), Finite(w.Divergence)
	for _, ref := range w.Refusals() {
		out.Reasons = append(out.Reasons, ref.Message)
	}
	out.Usable = len(out.Reasons) == 0
	return out
}
