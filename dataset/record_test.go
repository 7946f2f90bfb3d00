package dataset

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestAbsentIsMissing: a key that a line lacks never reads as the number 0.
func TestAbsentIsMissing(t *testing.T) {
	eq := cmp.Options{nans, cmpopts.EquateEmpty()}
	check := func(name string, got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got, eq); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	n := Float{}
	var r Response
	var m MethodResult
	var l LogProb
	var o OracleLabel
	var j JudgeScore
	var s Sample
	var d FreshDraw
	for _, v := range []any{&r, &m, &l, &o, &j, &s, &d} {
		if err := json.Unmarshal([]byte(`{}`), v); err != nil {
			t.Fatal(err)
		}
	}
	check("Response", r, Response{LogProb: n})
	check("MethodResult", m, MethodResult{LogProb: n})
	check("LogProb", l, LogProb{LogProb: n, Spread: n})
	check("OracleLabel", o, OracleLabel{Label: n})
	check("JudgeScore", j, JudgeScore{Mean: n, Variance: n, Calibrated: n})
	check("Sample", s, Sample{BasePolicyLogProb: n, JudgeScore: n, OracleLabel: n, InclusionProb: n})
	check("FreshDraw", d, FreshDraw{JudgeScore: n, OracleLabel: n})

	// Nor does a value that was there before shine through.
	if err := json.Unmarshal([]byte(`{"prompt_id":"p"}`), &l); err != nil {
		t.Fatal(err)
	}
	l.LogProb = Known(-3)
	if err := json.Unmarshal([]byte(`{"prompt_id":"p","methods":{"echo_based":{"status":"failed"}}}`), &l); err != nil {
		t.Fatal(err)
	}
	if l.LogProb.Valid() || l.Methods["echo_based"].LogProb.Valid() {
		t.Errorf("an absent log-prob reads as %v and %v", l.LogProb.OrNaN(), l.Methods["echo_based"].LogProb.OrNaN())
	}
}

// TestRecordForm pins the run directory's keys and their order.
func TestRecordForm(t *testing.T) {
	text := "a <b> & c"
	rows := []struct {
		v    any
		want string
	}{
		{Prompt{ID: "p", Text: "t", Metadata: map[string]any{"b": 1, "a": nil}},
			`{"prompt_id":"p","prompt":"t","metadata":{"a":null,"b":1}}`},
		{Response{PromptID: "p", Policy: "p0", Text: &text, TokenIDs: []int{1}, FinishReason: "stop", Usage: &Usage{1, 2},
			LogProb: Known(-1), Model: "m", PolicyHash: "h"},
			`{"prompt_id":"p","policy":"p0","draw_idx":0,"response":"a <b> & c","token_ids":[1],"finish_reason":"stop","usage":{"prompt_tokens":1,"completion_tokens":2},"logprob":-1,"model":"m","policy_hash":"h","error":null}`},
		{Response{PromptID: "p", Policy: "p0", Error: &RecordError{"timeout", "no answer"}},
			`{"prompt_id":"p","policy":"p0","draw_idx":0,"response":null,"token_ids":null,"finish_reason":"","usage":null,"logprob":null,"model":"","policy_hash":"","error":{"class":"timeout","message":"no answer"}}`},
		{LogProb{PromptID: "p", Policy: "p0", LogProb: Known(-2), Tokens: 2, TokenLogProbs: Floats{-1, math.NaN()},
			Method: "echo_based", Methods: map[string]MethodResult{"echo_based": {Known(-2), "ok", ""}}},
			`{"prompt_id":"p","policy":"p0","logprob":-2,"tokens":2,"token_logprobs":[-1,null],"method":"echo_based","methods":{"echo_based":{"logprob":-2,"status":"ok","reason":""}},"spread":null,"flags":null,"policy_hash":"","error":null}`},
		{Sample{PromptID: "p", TargetPolicyLogProbs: map[string]Float{"b": Float{}, "a": Known(-1)}},
			`{"prompt_id":"p","prompt":"","response":"","base_policy_logprob":null,"target_policy_logprobs":{"a":-1,"b":null},"judge_score":null,"oracle_label":null,"inclusion_prob":null,"metadata":null}`},
	}
	for _, row := range rows {
		var b strings.Builder
		if err := WriteJSONL(&b, func(yield func(any) bool) { yield(row.v) }); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(row.want+"\n", b.String()); diff != "" {
			t.Errorf("%T: %s", row.v, diff)
		}
	}
}

func TestKey(t *testing.T) {
	keys := []Key{ // in order
		{"a", "p0", 0}, {"a", "p0", 2}, {"a", "p0", 10}, {"a", "p1", 0}, {"a", "x%2Fy", 0}, {"a", "x/y", 0}, {"a/x", "y", 0},
		{"b", "p0", 0},
	}
	seen := make(map[string]bool)
	for i, k := range keys {
		if s := k.String(); seen[s] {
			t.Errorf("two keys are called %s", s)
		} else {
			seen[s] = true
		}
		for l, o := range keys {
			if got := k.Compare(o); got != sign(i-l) {
				t.Errorf("%v compared with %v: %d", k, o, got)
			}
		}
	}
	if got := keys[1].String(); got != "a/p0/2" {
		t.Errorf("key reads %s", got)
	}
	for _, k := range []interface{ Key() Key }{
		Response{PromptID: "q", Policy: "p", DrawIdx: 3}, OracleLabel{PromptID: "q", Policy: "p", DrawIdx: 3},
		JudgeScore{PromptID: "q", Policy: "p", DrawIdx: 3},
	} {
		if k.Key() != (Key{"q", "p", 3}) {
			t.Errorf("%T has key %v", k, k.Key())
		}
	}
	if got := (LogProb{PromptID: "q", Policy: "p"}).Key(); got != (Key{"q", "p", 0}) {
		t.Errorf("LogProb has key %v", got)
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func TestTurns(t *testing.T) {
	single := Prompt{Text: "hi"}
	if diff := cmp.Diff([]Message{{"user", "hi"}}, single.Turns()); diff != "" {
		t.Error(diff)
	}
	several := Prompt{Text: "and?", Messages: []Message{{"user", "hi"}, {"assistant", "hello"}, {"user", "and?"}}}
	if diff := cmp.Diff(several.Messages, several.Turns()); diff != "" {
		t.Error(diff)
	}
}
