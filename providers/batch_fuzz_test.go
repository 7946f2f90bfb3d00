package providers

import (
	"bytes"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// FuzzBatchOutput: whatever an output file holds, every line of it is either
// joined to a custom id or counted as malformed, no line answers a request
// under an empty id, and each answer is a generation or an error of a class.
func FuzzBatchOutput(f *testing.F) {
	ok := `{"id":"batch_req_1","custom_id":"a","response":{"status_code":200,"request_id":"req","body":{"model":"m","choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}},"error":null}`
	for _, s := range []string{
		ok, ok + "\n" + ok + "\n", ok[:len(ok)/2] + "\n" + ok, "\n\n", "<html>", `{"custom_id":"","response":null}`,
		`{"custom_id":"a","response":{"status_code":429,"body":{"error":{"code":"rate_limit_exceeded"}}},"error":null}`,
		`{"custom_id":"a","response":null,"error":{"code":"batch_expired","message":"` + fuzzKey + `"}}`,
		`{"custom_id":"a","response":{"status_code":-7,"body":null}}`, `{"custom_id":"a","error":[]}`, `{"custom_id":"a"}`,
		`{"custom_id":5}`,
	} {
		f.Add([]byte(s))
	}
	o := &OpenAI{newService(fuzzTransport(f), dialect{})}
	req := GenerateRequest{Messages: []dataset.Message{{Role: "user"}}, LogProbs: true,
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 1}}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := &input{ctx: t.Context(), src: bytes.NewReader(data), limit: int64(len(data))}
		answers, malformed, err := readBatchOutputs(in)
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for l := range bytes.Lines(bytes.TrimPrefix(data, bom)) {
			if len(bytes.TrimSpace(l)) > 0 {
				lines++
			}
		}
		if malformed+len(answers) > lines || malformed < lines && len(answers) == 0 {
			t.Errorf("%d lines, %d malformed, %d answers", lines, malformed, len(answers))
		}
		seen := map[string]bool{}
		for _, a := range answers {
			if a.ID == "" || seen[a.ID] {
				t.Errorf("id %q", a.ID)
			}
			seen[a.ID] = true
			if _, err := o.BatchReply(req, a); err != nil {
				e, ok := err.(*Error)
				if !ok {
					t.Fatalf("%T: %v", err, err)
				}
				if e.Class == "" || e.Status != a.Status || !e.Sent || len(e.Message) > 2<<10 ||
					strings.Contains(e.Error(), fuzzKey) {
					t.Errorf("class %q, status %d of %d, sent %v, message %q", e.Class, e.Status, a.Status, e.Sent, e.Message)
				}
			}
		}
	})
}
