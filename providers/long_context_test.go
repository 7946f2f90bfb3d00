package providers_test

import (
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers"
)

func TestLongContextPrice(t *testing.T) {
	p, err := providers.DefaultPrices().For("gpt-6-luna")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		usage  providers.Usage
		want   float64 // USD, by hand from 0.10 / 0.01 / 0.50 per million
		reason string
	}{
		{providers.Usage{PromptTokens: 272_000, CompletionTokens: 1_000_000}, 0.0272 + 0.50, "272,000 is not over 272,000"},
		{providers.Usage{PromptTokens: 272_001, CompletionTokens: 1_000_000}, 0.0544002 + 0.75,
			"the whole request: input doubled, output half as much again"},
		{providers.Usage{PromptTokens: 300_000, CachedTokens: 100_000, CompletionTokens: 0}, 2 * (0.02 + 0.001),
			"cached tokens are dearer too"},
	}
	for _, tt := range tests {
		if got := float64(p.Cost(tt.usage)); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%+v costs %v, want %v (%s)", tt.usage, got, tt.want, tt.reason)
		}
	}
	for _, bad := range []string{`{"input": 2, "output": 1.5}`, `{"above": 10, "input": 0.5, "output": 1}`,
		`{"above": 10, "input": 2}`} {
		table := `{"date": "2026-11-22", "models": {"m": {"input": 1, "output": 1, "long_context": ` + bad + `}}}`
		if _, err := providers.ReadPrices(strings.NewReader(table), "p.json"); err == nil || !strings.Contains(err.Error(),
			"long_context") {
			t.Errorf("%s: %v, want an error that names long_context", bad, err)
		}
	}
	for _, bad := range []string{"0", "-0.5", "1.5"} {
		table := `{"date": "2026-11-22", "models": {"m": {"input": 1, "output": 1, "batch": ` + bad + `}}}`
		if _, err := providers.ReadPrices(strings.NewReader(table), "p.json"); err == nil || !strings.Contains(err.Error(),
			"batch") {
			t.Errorf("batch %s: %v, want an error that names it", bad, err)
		}
	}
}
