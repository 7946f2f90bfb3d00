package providers_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/providers"
)

func TestDefaultPrices(t *testing.T) {
	p := providers.DefaultPrices()
	if _, err := time.Parse(time.DateOnly, p.Date); err != nil {
		t.Error(err)
	}
	// The services' published prices in USD per million tokens, input / cached
	// input / output, as looked up on the table's date.
	for model, want := range map[string][3]providers.PerMTok{
		"accounts/fireworks/models/llama4-scout-instruct-basic":    {0.15, 0, 0.60},
		"accounts/fireworks/models/llama4-maverick-instruct-basic": {0.22, 0, 0.88},
		"gpt-4o":      {2.50, 1.25, 10},
		"gpt-4o-mini": {0.15, 0.075, 0.60},
		"gpt-4.1":     {2, 0.5, 8},
		"gpt-5":       {1.25, 0.125, 10},
		"gpt-6-luna":  {0.10, 0.01, 0.50},
	} {
		got, err := p.For(model)
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(want, [3]providers.PerMTok{got.Input, got.CachedInput, got.Output}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", model, diff)
		}
	}
	for name, m := range p.Models {
		if m.Source == "" || m.BytesPerToken != providers.DefaultBytesPerToken {
			t.Errorf("%s: source %q, %v bytes per token", name, m.Source, m.BytesPerToken)
		}
	}
	p.Models["gpt-4o"] = providers.Price{}
	if providers.DefaultPrices().Models["gpt-4o"].Input == 0 {
		t.Error("a change to one table reached the next")
	}
}

func TestPriceCost(t *testing.T) {
	u := providers.Usage{PromptTokens: 1000, CompletionTokens: 100, CachedTokens: 400}
	for _, c := range []struct {
		reason string
		price  providers.Price
		want   providers.USD
	}{
		{"600 at 2, 400 at 1, 100 at 10, per million", providers.Price{Input: 2, CachedInput: 1, Output: 10}, 0.0026},
		{"no cached price: cached tokens cost as much as others, not nothing", providers.Price{Input: 2, Output: 10}, 0.003},
		{"a model served for nothing", providers.Price{}, 0},
	} {
		if got := c.price.Cost(u); math.Abs(float64(got-c.want)) > 1e-15 {
			t.Errorf("%s: got %v, want %v", c.reason, float64(got), float64(c.want))
		}
	}
	if got := (providers.Price{Input: 0.15}).Cost(providers.Usage{PromptTokens: 1e6}); got != 0.15 {
		t.Errorf("a million tokens at 0.15 cost %v", float64(got))
	}
	if got := (providers.Price{}).EstimateTokens(9); got != 3 {
		t.Errorf("9 bytes are %d tokens: want 3, at the default of 4 bytes each, rounded up", got)
	}
}

func TestUnknownModelHasNoPrice(t *testing.T) {
	_, err := prices.For("m-2")
	if !errors.Is(err, providers.ErrNoPrice) || !strings.Contains(err.Error(), "add its price") ||
		!strings.Contains(err.Error(), `"m-2"`) {
		t.Errorf("error is %v: want ErrNoPrice, the model's name and what to do", err)
	}
}

func TestReadPrices(t *testing.T) {
	got, err := providers.ReadPrices(strings.NewReader(`{"models": {"a": {"input": 1, "output": 2, "cached_input": 0.1, "bytes_per_token": 3.2}, "free": {"input": 0, "output": 0}}, "date": "2026-01-02"}`), "p.json")
	if err != nil {
		t.Fatal(err)
	}
	want := providers.Prices{Date: "2026-01-02", Models: map[string]providers.Price{
		"a":    {Input: 1, CachedInput: 0.1, Output: 2, BytesPerToken: 3.2},
		"free": {BytesPerToken: 4},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	for _, c := range []struct{ reason, in, want string }{
		{"empty", ``, "p.json:1: unexpected EOF"},
		{"not an object", `[]`, "p.json:1: found [: want an object"},
		{"a syntax error has its line", "{\n\"date\": \"2026-01-02\",\n\"models\": {\"a\": {,}}}", "p.json:3:"},
		{"cut off", "{\"date\": \"2026-01-02\",\n\"models\": {", "p.json:2:"},
		{"no date", `{"models": {}}`, "want YYYY-MM-DD"},
		{"a date of another form", `{"date": "01/02/2026", "models": {}}`, "want YYYY-MM-DD"},
		{"a misspelt table", `{"date": "2026-01-02", "model": {}}`, `unknown key "model"`},
		{"no output price: not free", "{\"date\": \"2026-01-02\",\n\"models\": {\n\"a\": {\"input\": 1}}}",
			`p.json:3: model "a": "input" and "output" are required`},
		{"a misspelt price: not free", "{\"date\": \"2026-01-02\", \"models\": {\n\"a\": {\"input\": 1, \"output\": 2, " +
			"\"cached\": 1}}}", `p.json:2: model "a": unknown field "cached"`},
		{"a price as text", `{"date": "2026-01-02", "models": {"a": {"input": "1", "output": 2}}}`, `model "a"`},
		{"negative", `{"date": "2026-01-02", "models": {"a": {"input": -1, "output": 2}}}`, "negative"},
		{"USD per token in place of per million",
			`{"date": "2026-01-02", "models": {"a": {"input": 0.00000015, "output": 2}}}`, "looks like one per token"},
		{"no tokens", `{"date": "2026-01-02", "models": {"a": {"input": 1, "output": 2, "bytes_per_token": 0}}}`,
			"bytes_per_token"},
		{"which of the two?", "{\"date\": \"2026-01-02\", \"models\": {\"a\": {\"input\": 1, \"output\": 2},\n\"a\": " +
			"{\"input\": 2, \"output\": 2}}}", `p.json:2: model "a" stands twice`},
		{"two tables", `{"date": "2026-01-02", "models": {}} {}`, "something follows"},
	} {
		_, err := providers.ReadPrices(strings.NewReader(c.in), "p.json")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q in it", c.reason, err, c.want)
		}
	}
}

func TestMergePrices(t *testing.T) {
	base := providers.Prices{Date: "2026-05-01", Models: map[string]providers.Price{"a": {Input: 1}, "b": {Input: 2}}}
	got := base.Merge(providers.Prices{Date: "2026-06-01", Models: map[string]providers.Price{"b": {Input: 3},
		"c": {Input: 4}}})
	want := providers.Prices{Date: "2026-05-01", Models: map[string]providers.Price{"a": {Input: 1}, "b": {Input: 3},
		"c": {Input: 4}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if base.Models["b"].Input != 2 {
		t.Error("Merge changed its receiver")
	}
	if got := (providers.Prices{}).Merge(base); got.Date != base.Date || len(got.Models) != 2 {
		t.Errorf("merged into nothing: %+v", got)
	}
}
