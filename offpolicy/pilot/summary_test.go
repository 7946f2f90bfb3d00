package pilot

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/offpolicy/pilot/internal/healthy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

func TestForcingSummary(t *testing.T) {
	rec := healthy.New(100, 1)
	var p0, bad PolicySummary
	for _, s := range summarize(rec.Rows()) {
		switch s.Name {
		case "p0":
			p0 = s
		case "pi_bad":
			bad = s
		}
	}
	// 15 nats less on responses of 100 to 300 tokens; clone and P0 agree.
	if f := bad.Forcing; f == nil || f.Attempts != 100 || f.Scored != 100 ||
		!(f.KLPerToken.OrNaN() > 0.06 && f.KLPerToken.OrNaN() < 0.09) || !(f.KLSE.OrNaN() > 0 && f.KLSE.OrNaN() < 0.01) {
		t.Errorf("pi_bad: %+v", f)
	}
	if f := p0.Forcing; f == nil || f.KLPerToken.Valid() || f.RepeatabilityN != 100 || f.RepeatabilityMax.OrNaN() != 0 {
		t.Errorf("p0: %+v", f)
	}
	if len(p0.Methods) != 4 || p0.Methods[0].Answered != 100 {
		t.Errorf("methods %+v", p0.Methods)
	}
}

func TestAttributeAddsUpToTheLedger(t *testing.T) {
	entries := []providers.Entry{
		{Stage: "judge", Policy: "p0", Model: "m", Outcome: "ok", Cost: 0.5, UsageKnown: true, PromptTokens: 10,
			CompletionTokens: 2},
		{Stage: "p0", Policy: "p0", Model: "s", Outcome: "ok", Cost: 1, UsageKnown: true, PromptTokens: 5,
			CompletionTokens: 7},
		{Stage: "p0", Policy: "p0", Model: "s", Outcome: "ok", Cost: 1, UsageKnown: true, PromptTokens: 5,
			CompletionTokens: 7},
		{Stage: "p0", Policy: "p0", Model: "s", Outcome: "network", Cost: 3},
		{Stage: record.StagePreflight, Outcome: "ok"},
	}
	want := []Spending{
		{Stage: "p0", Policy: "p0", Model: "s", Outcome: "network", Attempts: 1, CostUSD: 3, UnseenUSD: 3},
		{Stage: "p0", Policy: "p0", Model: "s", Outcome: "ok", Attempts: 2, PromptTokens: 10, CompletionTokens: 14,
			CostUSD: 2},
		{Stage: "judge", Policy: "p0", Model: "m", Outcome: "ok", Attempts: 1, PromptTokens: 10, CompletionTokens: 2,
			CostUSD: 0.5},
	}
	if d := cmp.Diff(want, attribute(record.NewAttempts(slices.Values(entries)))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
