package pilot

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/providers"
)

func TestAlertsOncePerShareOfTheBudget(t *testing.T) {
	r := &run{job: job{Budget: 2}}
	var got []string
	for _, spent := range []providers.USD{0.5, 1.01, 1.2, 1.3, 1.7, 1.9, 1.9999, 2, 2} {
		if a := r.alert(spent); a != "" {
			got = append(got, strings.Fields(a)[0])
		}
	}
	if d := cmp.Diff([]string{"50%", "80%", "100%"}, got); d != "" {
		t.Errorf("alerts (-want +got):\n%s", d)
	}
	// One call may pass two shares at once: only the larger is news.
	r = &run{job: job{Budget: 2}}
	if a := r.alert(1.8); !strings.HasPrefix(a, "80%") {
		t.Errorf("alert %q, want one of 80%%", a)
	}
	if a := r.alert(1.8); a != "" {
		t.Errorf("alerted again: %q", a)
	}
	if a := (&run{}).alert(1e6); a != "" {
		t.Errorf("no budget, and alerted: %q", a)
	}
}

func TestPriceAge(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	tests := []struct{ date, want, reason string }{
		{"2026-11-22", "", "of today"},
		{"2026-05-26", "", "180 days exactly is not older than 180 days"},
		{"2026-05-25", "181 days", "older"},
		{"", "no date", "unknown age is worth a warning too"},
		{"22.11.2026", "no date", "only one form is read"},
	}
	for _, tt := range tests {
		got := priceAge(tt.date, now)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%q: %q, want %q (%s)", tt.date, got, tt.want, tt.reason)
		}
	}
}

func TestAttributeAddsUpToTheLedger(t *testing.T) {
	entries := []providers.Entry{
		{Stage: "judge", Policy: "p0", Model: "m", Outcome: "ok", Cost: 0.5, UsageKnown: true, PromptTokens: 10, CompletionTokens: 2},
		{Stage: "p0", Policy: "p0", Model: "s", Outcome: "ok", Cost: 1, UsageKnown: true, PromptTokens: 5, CompletionTokens: 7},
		{Stage: "p0", Policy: "p0", Model: "s", Outcome: "ok", Cost: 1, UsageKnown: true, PromptTokens: 5, CompletionTokens: 7},
		{Stage: "p0", Policy: "p0", Model: "s", Outcome: "network", Cost: 3},
		{Stage: stagePreflight, Outcome: "ok"},
	}
	want := []Spending{
		{Stage: "p0", Policy: "p0", Model: "s", Outcome: "network", Attempts: 1, CostUSD: 3, UnseenUSD: 3},
		{Stage: "p0", Policy: "p0", Model: "s", Outcome: "ok", Attempts: 2, PromptTokens: 10, CompletionTokens: 14, CostUSD: 2},
		{Stage: "judge", Policy: "p0", Model: "m", Outcome: "ok", Attempts: 1, PromptTokens: 10, CompletionTokens: 2, CostUSD: 0.5},
	}
	if d := cmp.Diff(want, attribute(entries)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
