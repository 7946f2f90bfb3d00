package sim

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/internal/arenagen"
)

func TestBill(t *testing.T) {
	s, c := newServer(t, Config{})
	want := Bill{Models: make(map[string]ModelBill), Replies: map[string]int{"p0-0000000000000001": 2,
		"judge-0000000000000001": 1, "p0-0000000000000002": 1}}
	// USD per million tokens as the models were listed, in and out.
	prices := map[string][2]float64{ScoutModel: {0.15, 0.60}, MaverickModel: {0.22, 0.88}, JudgeModel: {0.15, 0.60},
		OracleModel: {2.50, 10}}
	count := func(model string, got completion) {
		m := want.Models[model]
		m.Calls++
		m.PromptTokens += got.Usage.Prompt
		m.CompletionTokens += got.Usage.Completion
		m.USD += (float64(got.Usage.Prompt)*prices[model][0] + float64(got.Usage.Completion)*prices[model][1]) / 1e6
		want.Models[model] = m
	}
	body := dict{"prompt": testContext, "max_tokens": 20, "temperature": 1, "top_p": 1, "echo": false}
	count(ScoutModel, echo(t, s, "p0-0000000000000001", body))
	count(ScoutModel, echo(t, s, "p0-0000000000000001", body))
	body["model"] = MaverickModel
	count(MaverickModel, echo(t, s, "p0-0000000000000002", body))
	count(JudgeModel, must[completion](t, post(c, s.OpenAIURL()+"/chat/completions", "judge-0000000000000001",
		gradeBody(JudgeModel, 0, "p", "r", scoreSchema))))
	for _, m := range want.Models {
		want.Total.Calls += m.Calls
		want.Total.PromptTokens += m.PromptTokens
		want.Total.CompletionTokens += m.CompletionTokens
		want.Total.USD += m.USD
	}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-15 })
	got := s.Bill()
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Errorf("bill (-want +got):\n%s", diff)
	}
	got.Replies["p0-0000000000000001"] = 99
	if s.Bill().Replies["p0-0000000000000001"] != 2 {
		t.Error("the bill is the server's own map")
	}
}

func TestPrices(t *testing.T) {
	var table struct {
		Date   string
		Models map[string]map[string]float64
	}
	if err := json.Unmarshal(PricesJSON(), &table); err != nil {
		t.Fatal(err)
	}
	for _, m := range catalogue {
		if m.polyglot {
			continue // priced as ScoutModel, and for tests alone
		}
		row := table.Models[m.name]
		if row["input"] <= 0 || row["output"] <= 0 || row["bytes_per_token"] <= 1 {
			t.Errorf("%s: %v", m.name, row)
		}
	}
	PricesJSON()[0] = 'x'
	if PricesJSON()[0] != '{' {
		t.Error("a caller can change the table")
	}
	bytes, tokens := 0, 0
	for _, p := range arenagen.Prompts(500, 1) {
		bytes += len(p)
		tokens += len(tokenizer().Encode(p))
	}
	if got, want := float64(bytes)/float64(tokens), priceOf(ScoutModel).BytesPerToken; math.Abs(got/want-1) > 0.05 {
		t.Errorf("%.3f bytes a token on prompts, the table says %v", got, want)
	}
	cached := ModelBill{PromptTokens: 1e6, CachedTokens: 4e5, CompletionTokens: 1e5}
	// 0.6 * 2.50 + 0.4 * 1.25 + 0.1 * 10, by hand.
	if got := priceOf(OracleModel).usd(cached); math.Abs(got-3) > 1e-12 {
		t.Errorf("with cached tokens %v, want 3", got)
	}
}
