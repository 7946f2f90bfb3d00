package providers_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

// What a usage is settled at. A prompt token of model m costs $1e-6, a generated
// one $2e-6; the request's bound is 10 generated tokens.
func TestUsageIsBelievedUpToTheContext(t *testing.T) {
	const listing = `{"data":[{"id":"m","max_model_len":5000}]}`
	for _, c := range []struct {
		reason  string
		body    string
		change  func(*providers.Price)
		listing string
		cost    providers.USD // 0 means the reservation, of a usage that is not believed
		doubt   string
		usage   *providers.Usage
	}{
		{"within the bound", chatUsage(`{"prompt_tokens":7,"completion_tokens":4}`), nil, "", 15e-6, "", usage(7, 0, 4, 0)},
		{"hidden tokens pass max_tokens",
			chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":1011,"completion_tokens_details":{"reasoning_tokens":1000}}`), nil, "", 2015e-6, "charged as stated", usage(7, 0, 1004, 1000)},
		{"a thousand million", chatUsage(`{"prompt_tokens":7,"completion_tokens":1000000000}`), nil, "", 0, "not believed",
			nil},
		{"of prompt", chatUsage(`{"prompt_tokens":1000000000,"completion_tokens":4}`), nil, "", 0, "not believed", nil},
		{"by the total", chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":1000000000}`), nil, "", 0,
			"not believed", nil},
		{"beside an error", chatWith(seaText,
			`,"error":{"code":500,"message":"x"},"usage":{"prompt_tokens":7,"completion_tokens":1000000000}`), nil, "", 0,
			"not believed", nil},
		{"the table states the context", chatUsage(`{"prompt_tokens":7,"completion_tokens":6000}`),
			func(p *providers.Price) { p.Context = 4096 }, "", 0, "than the 4096", nil},
		{"the listing states it", chatUsage(`{"prompt_tokens":7,"completion_tokens":6000}`), nil, listing, 0,
			"than the 5000", nil},
		{"a gateway that is dearer", chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"cost":0.0001}`), nil, "", 1e-4,
			"the dearer is charged", nil},
		{"a gateway that is cheaper", chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"cost":0.00001}`), nil, "", 15e-6,
			"", nil},
		{"a price beyond all sense", chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"cost":750}`), nil, "", 15e-6,
			"not believed", nil},
		{"a tier that nobody priced", chatWith(seaText, some+`,"service_tier":"priority"`), nil, "", 15e-6,
			`"priority" has no price`, usage(7, 0, 4, 0)},
		{"a tier with a price", chatWith(seaText, some+`,"service_tier":"priority"`),
			func(p *providers.Price) { p.Tiers = map[string]float64{"priority": 2} }, "", 30e-6, "", usage(7, 0, 4, 0)},
		{"the usual tier", chatWith(seaText, some+`,"service_tier":"default"`), nil, "", 15e-6, "", usage(7, 0, 4, 0)},
	} {
		s := providertest.NewPipeServer(t, providertest.Reply{Body: c.body})
		if c.listing != "" {
			s = providertest.NewPipeServer(t, providertest.Reply{Body: c.listing}, providertest.Reply{Body: c.body})
		}
		price := prices.Models["m"]
		if c.change != nil {
			c.change(&price)
		}
		var ledger providers.MemoryLedger
		budget := providers.NewBudget(1)
		client, err := providers.NewClient(openAI(t, s), providers.ClientConfig{
			Prices: providers.Prices{Date: prices.Date, Models: map[string]providers.Price{"m": price}},
			Ledger: &ledger, Budget: budget, Retry: providers.Retry{Attempts: 1},
		})
		if err != nil {
			t.Fatal(err)
		}
		if c.listing != "" {
			if _, err := client.Models(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		g, err := client.Generate(t.Context(), chatRequest())
		if wantsError := strings.Contains(c.body, `"error"`); (err != nil) != wantsError {
			t.Errorf("%s: %v", c.reason, err)
		}
		entries := ledger.Entries()
		e := entries[len(entries)-1]
		cost, known := c.cost, c.cost != 0
		if !known {
			cost = price.Worst(chatRequest().Bound())
		}
		if math.Abs(float64(e.Cost-cost)) > 1e-12 || e.UsageKnown != known {
			t.Errorf("%s: %v in the ledger, known %v: want %v, %v", c.reason, float64(e.Cost), e.UsageKnown, float64(cost),
				known)
		}
		if math.Abs(float64(budget.Spent()-cost)) > 1e-12 {
			t.Errorf("%s: %v spent, want %v", c.reason, float64(budget.Spent()), float64(cost))
		}
		if (e.UsageDoubt == "") != (c.doubt == "") || !strings.Contains(e.UsageDoubt, c.doubt) {
			t.Errorf("%s: the ledger's doubt is %q, want %q", c.reason, e.UsageDoubt, c.doubt)
		}
		if c.usage != nil {
			if diff := cmp.Diff(c.usage, g.Usage); diff != "" || e.HiddenTokens != c.usage.HiddenTokens {
				t.Errorf("%s: %d hidden in the ledger, usage (-want +got):\n%s", c.reason, e.HiddenTokens, diff)
			}
		}
		if !known && err == nil && g.Usage != nil {
			t.Errorf("%s: the usage %+v is handed on", c.reason, g.Usage)
		}
	}
}

// A judge is no policy: its temperature is left out for a model that refuses it,
// and a policy's is not.
func TestSamplingOfNoPolicyIsLearned(t *testing.T) {
	only := refusal("unsupported_value", "temperature",
		"Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.")
	s := providertest.NewPipeServer(t, only, providertest.Reply{Body: okChat}, only)
	client, err := providers.NewClient(openAI(t, s), providers.ClientConfig{Prices: prices,
		Retry: providers.Retry{Base: 1, Max: 1}})
	if err != nil {
		t.Fatal(err)
	}
	req := chatRequest()
	req.Sampling.Temperature, req.AnySampling = 0, true
	if g, err := client.Generate(t.Context(), req); err != nil || !g.DefaultSampling {
		t.Fatalf("%+v, %v: what was left out is not said", g, err)
	}
	if sent := s.Requests(); len(sent) != 2 || sent[0].Body["temperature"] != 0.0 || sent[1].Body["temperature"] != nil {
		t.Errorf("%d requests: %+v", len(sent), sent)
	}
	req.AnySampling = false
	_, err = client.Generate(t.Context(), req)
	wantError(t, err, providers.ClassBadRequest)
	if sent := s.Requests(); sent[2].Body["temperature"] != 0.0 {
		t.Error("a policy's temperature was left out")
	}
}

// No reply that was paid for is bought again for the sake of a field that is not
// needed: replies that each have one such field that is odd make as many attempts, 10,000
// on request, and by default six of each pair of a field and a value.
func TestOddFieldsBuyNothingTwice(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 7))
	odd := func() any {
		return []any{
			nil, "", "x", -1, 1.5, 1e300, true, []any{}, []any{nil, -7, "y", map[string]any{}},
			map[string]any{"a": map[string]any{"b": []any{1}}},
			strings.Repeat("z", 1+rng.IntN(3000)), json.RawMessage(`1e999`), json.RawMessage(`"\ud800"`),
			json.RawMessage(`{"k":1,"k":2}`), json.RawMessage(`-0`),
		}[rng.IntN(15)]
	}
	type object = map[string]any
	var optional = []func(reply, choice, entry object){
		func(r, c, e object) { r[fmt.Sprintf("extra_%d", rng.IntN(9))] = odd() },
		func(r, c, e object) { r["id"] = odd() },
		func(r, c, e object) { r["created"] = odd() },
		func(r, c, e object) { r["object"] = odd() },
		func(r, c, e object) { r["model"] = odd() },
		func(r, c, e object) { r["system_fingerprint"] = odd() },
		func(r, c, e object) { r["service_tier"] = odd() },
		func(r, c, e object) { r["usage"].(object)["prompt_tokens_details"] = odd() },
		func(r, c, e object) { r["usage"].(object)["completion_tokens_details"] = odd() },
		func(r, c, e object) { r["usage"].(object)[fmt.Sprintf("time_%d", rng.IntN(9))] = odd() },
		func(r, c, e object) { r["prompt_logprobs"] = odd() },
		func(r, c, e object) { r["kv_transfer_params"] = odd() },
		func(r, c, e object) { c["index"] = odd() },
		func(r, c, e object) { c["stop_reason"] = odd() },
		func(r, c, e object) { c["native_finish_reason"] = odd() },
		func(r, c, e object) { c["matched_stop"] = odd() },
		func(r, c, e object) { c["message"].(object)["role"] = odd() },
		func(r, c, e object) { c["message"].(object)["annotations"] = odd() },
		func(r, c, e object) { c["message"].(object)["audio"] = odd() },
		func(r, c, e object) { e["bytes"] = odd() },
		func(r, c, e object) { e["top_logprobs"] = odd() },
		func(r, c, e object) { e["text_offset"] = odd() },
		func(r, c, e object) { e["token_id"] = odd() },
		func(r, c, e object) { e["id"] = odd() },
		func(r, c, e object) { e["rank"] = odd() },
		func(r, c, e object) { c["logprobs"].(object)["refusal"] = odd() },
		func(r, c, e object) { c["logprobs"].(object)["token_ids"] = odd() },
	}
	n := max(drillCalls(), 2_500)
	script := make([]providertest.Reply, n)
	for i := range script {
		entry := object{"token": "Hello", "logprob": -0.5, "bytes": []int{72, 101, 108, 108, 111}, "top_logprobs": []any{}}
		choice := object{"index": 0, "finish_reason": "stop", "message": object{"role": "assistant", "content": "Hello"},
			"logprobs": object{"content": []any{entry}}}
		reply := object{"id": "x", "object": "chat.completion", "model": "m", "choices": []any{choice},
			"usage": object{"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8}}
		optional[i%len(optional)](reply, choice, entry)
		b, err := json.Marshal(reply)
		if err != nil {
			t.Fatal(err)
		}
		script[i].Body = string(b)
	}
	s := providertest.NewPipeServer(t, script...)
	var ledger providers.MemoryLedger
	client, err := providers.NewClient(openAI(t, s), providers.ClientConfig{Prices: prices, Ledger: &ledger,
		Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	req := chatRequest()
	req.LogProbs = true
	for i := range n {
		g, err := client.Generate(t.Context(), req)
		if err != nil {
			t.Fatalf("reply %d: %v\n%.600s", i, err, script[i].Body)
		}
		if lp, _ := g.Tokens[0].LogProb.Get(); g.Text != "Hello" || lp != -0.5 || g.Usage == nil || g.Meta.Attempts != 1 {
			t.Fatalf("reply %d: %q, %v, usage %+v, %d attempts\n%.600s", i, g.Text, lp, g.Usage, g.Meta.Attempts,
				script[i].Body)
		}
	}
	if got := len(ledger.Entries()); got != n {
		t.Errorf("%d attempts for %d replies", got, n)
	}
}
