package pilot

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

func TestCompared(t *testing.T) {
	var prompts []dataset.Prompt
	for i := range 4000 {
		prompts = append(prompts, dataset.Prompt{ID: fmt.Sprintf("q%04d", i)})
	}
	sample := func(n int) []dataset.Prompt {
		out, err := dataset.SamplePrompts(prompts, n, 42)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	small, large := compared(sample(100), 42), compared(sample(2000), 42)
	if len(small) != 100 {
		t.Errorf("%d of 100 are compared, want all", len(small))
	}
	for id := range small {
		if !large[id] {
			t.Errorf("%s is compared in the sample and not in the run that extends it", id)
		}
	}
	// 1,900 others, one in 32: 59.4 with a standard deviation of 7.6.
	if audit := len(large) - 100; audit < 30 || audit > 90 {
		t.Errorf("%d of 1,900 are in the audit sample", audit)
	}
	if d := len(compared(append(sample(3), sample(3)...), 42)); d != 3 {
		t.Errorf("%d of three prompts, each there twice", d)
	}
}

// TestContextWeight: a sample of 100 compares methods on all rows and the full run
// on 100 + 9,900/32 of 10,000.
func TestContextWeight(t *testing.T) {
	rec := healthy(100, 1)
	entry := providers.Entry{Stage: stageLogProbs, Call: "context", Key: rec.LogProbs[0].Key().String()}
	if got := contextWeight(rec, 10_000)(entry); got != 1 {
		t.Errorf("weight %v where the server tells no ids, want 1", got)
	}
	for i := range rec.Responses {
		rec.Responses[i].ContextIDs = &dataset.TokenDigest{N: 9, SHA256: "x"}
	}
	if got, want := contextWeight(rec, 10_000)(entry), (100+9900.0/32)/10_000; math.Abs(got-want) > 1e-12 {
		t.Errorf("weight %v, want %v", got, want)
	}
	if got := contextWeight(rec, 100)(entry); got != 1 {
		t.Errorf("weight %v for a full run of the sample's size, want 1", got)
	}
	entry.Call = "chat"
	if got, want := contextWeight(rec, 10_000)(entry), (100+9900.0/32)/10_000; math.Abs(got-want) > 1e-12 {
		t.Errorf("weight %v of a conversation, want %v", got, want)
	}
	entry.Call = "joint"
	if got := contextWeight(rec, 10_000)(entry); got != 1 {
		t.Errorf("weight %v of a joint text, want 1", got)
	}
}

// TestRawValuesMakeNoWeight: a policy that samples at another temperature than 1
// is scored, and its values reach neither weights nor estimates.
func TestRawValuesMakeNoWeight(t *testing.T) {
	rec := healthy(100, 1)
	for i := range rec.Prompts {
		logprobRow(rec, i, "pi_cot").Distribution = "raw"
	}
	evaluated(rec)
	w := weigh(rec, "pi_cot")
	if w.N != 0 || w.Usable || len(w.Reasons) == 0 || !strings.Contains(w.Reasons[0], "100 log-probs are of a policy that samples at another temperature") {
		t.Errorf("weights %+v", w)
	}
	for _, row := range rec.logs.Samples {
		if row.TargetPolicyLogProbs["pi_cot"].Valid() || !row.TargetPolicyLogProbs["pi_bad"].Valid() {
			t.Fatalf("%s: targets %v", row.PromptID, row.TargetPolicyLogProbs)
		}
	}
	if w := rec.Evaluation.Policy("pi_cot").Weights; w.RawOf != "pi_cot" || w.Usable() {
		t.Errorf("weights of %q: %v", w.RawOf, w.Refusals())
	}
	if w := weigh(rec, "pi_clone"); !w.Usable {
		t.Errorf("another policy's weights are refused: %v", w.Reasons)
	}
	// Where P0 itself samples so, its own values are of its sampling and nobody
	// else's are; the clone still shows the endpoint's noise, by the raw ones.
	for i := range rec.Prompts {
		row := logprobRow(rec, i, "p0")
		row.Method, row.LogProb = "sampling_logprob", dataset.Known(row.LogProb.OrNaN()+9)
		logprobRow(rec, i, "pi_clone").Distribution = "raw"
	}
	if w := weigh(rec, "pi_clone"); w.Usable || w.N != 0 {
		t.Errorf("weights %+v", w)
	}
	d, keys := rec.noiseRatios("pi_clone")
	for i, x := range d {
		if x != 0 {
			t.Fatalf("%v: log-ratio %v of a clone without noise", keys[i], x)
		}
	}
	if len(d) != 100 {
		t.Errorf("%d ratios", len(d))
	}
	rec.Certificates = rec.Certificates[:1]
	if w := weigh(rec, "pi_bigger_model"); !slices.ContainsFunc(w.Reasons, func(s string) bool { return strings.Contains(s, "no certificate") }) {
		t.Errorf("a model without a certificate has weights: %v", w.Reasons)
	}
}

func TestForcingSummary(t *testing.T) {
	rec := healthy(100, 1)
	var p0, bad PolicySummary
	for _, s := range summarize(rec) {
		switch s.Name {
		case "p0":
			p0 = s
		case "pi_bad":
			bad = s
		}
	}
	// 15 nats less on responses of 100 to 300 tokens; clone and P0 agree.
	if f := bad.Forcing; f == nil || f.Attempts != 100 || f.Scored != 100 || !(f.KLPerToken.OrNaN() > 0.06 && f.KLPerToken.OrNaN() < 0.09) || !(f.KLSE.OrNaN() > 0 && f.KLSE.OrNaN() < 0.01) {
		t.Errorf("pi_bad: %+v", f)
	}
	if f := p0.Forcing; f == nil || f.KLPerToken.Valid() || f.NoiseN != 100 || f.NoiseMax.OrNaN() != 0 {
		t.Errorf("p0: %+v", f)
	}
	if len(p0.Methods) != 4 || p0.Methods[0].Answered != 100 {
		t.Errorf("methods %+v", p0.Methods)
	}
}
