package engine

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/journal"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// What is held of a record that was read without its tokens is what is held of the whole record.
func TestSlimRows(t *testing.T) {
	same := cmp.Options{
		cmp.Comparer(func(a, b dataset.Float) bool { return a == b }),
		cmp.Comparer(func(a, b float64) bool { return dataset.Known(a) == dataset.Known(b) }), // NaN too
	}
	logProb := func(row dataset.LogProb) dataset.LogProb {
		s := newShared()
		return s.logProb(row, 7).row(&s.keys)
	}
	response := func(row dataset.Response) record.Response {
		s := newShared()
		return s.response(row, 7).row(&s.keys)
	}
	const lp = `{"prompt_id":"q","policy":"p","logprob":-3.5,"tokens":3,"of":"sampling","flags":["a"],"spread":0,` +
		`"interval":[null,-1],"methods":{"echo_based":{"logprob":-3.5,"status":"ok","reason":""},` +
		`"continuation":{"logprob":null,"status":"failed","reason":"seam"}},"token_logprobs":`
	for tokens, reason := range map[string]string{
		`[-1,-2.5,-1e-9]`: "the last alone", `[-1,2,-3]`: "one that no log-prob can have", `[0,-0.5,0]`: "zeros",
		`[]`: "none", `null`: "no list", `[null,-1,null]`: "missing ones", ` [ -1 , 3 , -2 ] `: "white space", `[-1]`: "one",
	} {
		payload := json.RawMessage(lp + tokens + `}`)
		var whole dataset.LogProb
		if err := json.Unmarshal(payload, &whole); err != nil {
			t.Fatal(err)
		}
		slim, err := readLogProb(journal.Record{Kind: kindLogProb, Key: "q/p/0", Payload: payload})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(logProb(whole), logProb(slim), same); d != "" {
			t.Errorf("%s, %s (-whole +slim):\n%s", tokens, reason, d)
		}
	}
	payload := json.RawMessage(`{"prompt_id":"q","policy":"p","draw_idx":0,"response":"Hé.","token_ids":[1,2],` +
		`"finish_reason":"stop","usage":{"prompt_tokens":3,"completion_tokens":2},"logprob":-1,"sampling_logprobs":[-1],` +
		`"context_ids":{"n":3,"sha256":"ab"},"model":"m","policy_hash":"h","error":null}`)
	var whole dataset.Response
	if err := json.Unmarshal(payload, &whole); err != nil {
		t.Fatal(err)
	}
	slim, err := readResponse(journal.Record{Kind: kindResponse, Key: "q/p/0", Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(response(whole), response(slim), same); d != "" {
		t.Errorf("response (-whole +slim):\n%s", d)
	}
	for list, reason := range map[string]string{`[-1,x]`: "no JSON", `[-1,"2"]`: "a text", `7`: "no list", `{}`: "an object"} {
		if _, err := readLogProb(journal.Record{Key: "q/p/0", Payload: json.RawMessage(lp + list + `}`)}); err == nil {
			t.Errorf("%s was read: %s", list, reason)
		}
	}
}
