package providers_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/providers"
)

func TestEntryJSON(t *testing.T) {
	e := providers.Entry{
		ID: "p0-1#1-x", Stage: "p0", Key: "q1/p0/0", Policy: "p0", Provider: "fireworks", Model: "m",
		Endpoint: "completions",
		Outcome:  "ok", Status: 200, RequestID: "p0-1", PromptTokens: 12, CompletionTokens: 3, Cost: 1.8e-5, LatencyMS: 7,
		Attempt: 1, UsageKnown: true,
	}
	for _, c := range []struct {
		reason string
		known  bool
		want   string
	}{
		{"the contract's keys", true,
			`{"id":"p0-1#1-x","stage":"p0","key":"q1/p0/0","policy":"p0","provider":"fireworks","model":"m","endpoint":"completions","outcome":"ok","status":200,"request_id":"p0-1","cost_usd":0.000018,"latency_ms":7,"attempt":1,"usage_known":true,"prompt_tokens":12,"completion_tokens":3,"cached_tokens":0}`},
		{"counts that nobody saw are null", false,
			`{"id":"p0-1#1-x","stage":"p0","key":"q1/p0/0","policy":"p0","provider":"fireworks","model":"m","endpoint":"completions","outcome":"ok","status":200,"request_id":"p0-1","cost_usd":0.000018,"latency_ms":7,"attempt":1,"usage_known":false,"prompt_tokens":null,"completion_tokens":null,"cached_tokens":null}`},
	} {
		in := e
		if in.UsageKnown = c.known; !c.known {
			in.PromptTokens, in.CompletionTokens = 0, 0
		}
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, string(b)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
		var back providers.Entry
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(in, back); diff != "" {
			t.Errorf("%s: did not read back (-want +got):\n%s", c.reason, diff)
		}
	}
}

func TestMemoryLedger(t *testing.T) {
	var l providers.MemoryLedger
	if l.End(providers.Entry{ID: "a"}) == nil {
		t.Error("an attempt ended that never began")
	}
	for _, id := range []string{"a", "b"} {
		if err := l.Begin(providers.Entry{ID: id, Outcome: providers.OutcomeInFlight}); err != nil {
			t.Fatal(err)
		}
	}
	if l.Begin(providers.Entry{ID: "a"}) == nil {
		t.Error("one id began twice")
	}
	if err := l.End(providers.Entry{ID: "a", Outcome: providers.OutcomeOK}); err != nil {
		t.Fatal(err)
	}
	want := []providers.Entry{{ID: "a", Outcome: "ok"}, {ID: "b", Outcome: "in_flight"}}
	got := l.Entries()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got[0].Outcome = "changed"
	if l.Entries()[0].Outcome != "ok" {
		t.Error("Entries is no copy")
	}
}
