package pilot

import (
	"fmt"
	"math"
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
	entry.Call = "joint"
	if got := contextWeight(rec, 10_000)(entry); got != 1 {
		t.Errorf("weight %v of a joint text, want 1", got)
	}
}
