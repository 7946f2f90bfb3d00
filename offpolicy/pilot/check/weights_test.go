package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/healthy"
)

// TestRawValuesMakeNoWeight: a policy that samples at another temperature than 1
// is scored, and its values reach neither weights nor estimates.
func TestRawValuesMakeNoWeight(t *testing.T) {
	world := healthy.New(100, 1)
	for i := range world.Prompts {
		healthy.LogprobRow(world, i, "pi_cot").Distribution = "raw"
	}
	rec := world.Rows()
	rec.Evaluate("j@1", rec.EvaluationConfig(1, 0.05))
	w := rec.Weights("pi_cot").Summary
	if w.N != 0 || w.Usable || len(w.Reasons) == 0 ||
		!strings.Contains(w.Reasons[0], "100 log-probs are of a policy that samples at another temperature") {
		t.Errorf("weights %+v", w)
	}
	samples := 0
	_, err := rec.Join("j@1", func(j dataset.Joined) error {
		row := j.Sample
		if samples++; row.TargetPolicyLogProbs["pi_cot"].Valid() || !row.TargetPolicyLogProbs["pi_bad"].Valid() {
			t.Fatalf("%s: targets %v", row.PromptID, row.TargetPolicyLogProbs)
		}
		return nil
	})
	if err != nil || samples != 100 {
		t.Errorf("%d samples, %v", samples, err)
	}
	if w := rec.Evaluation.Policy("pi_cot").Weights; w.RawOf != "pi_cot" || w.Usable() {
		t.Errorf("weights of %q: %v", w.RawOf, w.Refusals())
	}
	if w := rec.Weights("pi_clone").Summary; !w.Usable {
		t.Errorf("another policy's weights are refused: %v", w.Reasons)
	}
	// Where P0 itself samples so, its own values are of its sampling and nobody
	// else's are; the clone still shows the endpoint's noise, by the raw ones.
	for i := range world.Prompts {
		row := healthy.LogprobRow(world, i, "p0")
		row.Method, row.LogProb = "sampling_logprob", dataset.Known(row.LogProb.OrNaN()+9)
		healthy.LogprobRow(world, i, "pi_clone").Distribution = "raw"
	}
	rec = world.Rows()
	if w := rec.Weights("pi_clone").Summary; w.Usable || w.N != 0 {
		t.Errorf("weights %+v", w)
	}
	d, _, keys := rec.NoiseRatios("pi_clone")
	for i, x := range d {
		if x != 0 {
			t.Fatalf("%v: log-ratio %v of a clone without noise", keys[i], x)
		}
	}
	if len(d) != 100 {
		t.Errorf("%d ratios", len(d))
	}
	rec.Certificates = rec.Certificates[:1]
	if w := rec.Weights("pi_bigger_model").Summary; !slices.ContainsFunc(w.Reasons,
		func(s string) bool { return strings.Contains(s, "no certificate") }) {
		t.Errorf("a model without a certificate has weights: %v", w.Reasons)
	}
}
