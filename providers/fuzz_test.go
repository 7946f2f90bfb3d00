package providers

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

const fuzzKey = "sk-fuzz-0123456789"

func fuzzTransport(t testing.TB) *transport {
	tr, err := newTransport("fuzz", "FUZZ_API_KEY", "https://127.0.0.1/v1", HTTPConfig{Key: NewSecret(fuzzKey)})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// The readers as fuzzers call them, on a body that has come already.

func generationOf(t *transport, a attempt, req GenerateRequest, body []byte) (Generation, *Error) {
	d, e := t.parse(a, body, Meta{Status: 200}, req.wanted())
	if e != nil {
		return Generation{}, e
	}
	return t.generation(a, req, d)
}

func scoreOf(t *transport, a attempt, req ScoreRequest, body []byte) (PromptScore, *Error) {
	d, e := t.parse(a, body, Meta{Status: 200}, req.wanted(a.dialect))
	if e != nil {
		return PromptScore{}, e
	}
	return t.score(a, req, d)
}

func chatScoreOf(t *transport, a attempt, body []byte) (PromptScore, *Error) {
	d, e := t.parse(a, body, Meta{Status: 200}, ChatScoreRequest{}.wanted())
	if e != nil {
		return PromptScore{}, e
	}
	return t.scoreChat(a, d)
}

// read hands a body to one of the reader's methods.
func read[T any](body []byte, f func(*reader) T) (v T, err error) {
	in := &input{ctx: context.Background(), src: bytes.NewReader(body), limit: maxReplyBytes}
	err = readJSON(in, func(r *reader) { v = f(r) })
	return v, err
}

func checkError(t *testing.T, e *Error) {
	t.Helper()
	if e.Class == "" || e.Status != 200 || !e.Sent || len(e.Message) > 2<<10 || strings.Contains(e.Message, fuzzKey) {
		t.Errorf("class %q, status %d, sent %v, message %q", e.Class, e.Status, e.Sent, e.Message)
	}
}

func checkTokens(t *testing.T, body []byte, tokens []Token) {
	t.Helper()
	for i, tok := range tokens {
		if math.IsInf(tok.LogProb.OrNaN(), 0) || tok.LogProb.OrNaN() == missingLogProb {
			t.Errorf("token %d has log-prob %v", i, tok.LogProb.OrNaN())
		}
		if tok.LogProb.OrNaN() == 0 && !bytes.Contains(body, []byte("0")) {
			t.Errorf("token %d is certain, and the reply holds no 0", i)
		}
	}
}

// FuzzReply: whatever a server sends with status 200, decoding does not panic,
// and returns either an error that says what it is or a value in which nothing
// is a number that the server did not write.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		`{"choices":[{"text":"a","finish_reason":"stop","token_ids":[1,2],"prompt_token_ids":[5],"logprobs":{"content":[{"token":"a","bytes":[97],"logprob":-1,"token_id":1,"text_offset":0,"sampling_logprob":null,"top_logprobs":[{"token":"b","logprob":-9999.0}]},{"token":"<e>","logprob":-1}]}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`,
		`{"choices":[{"message":{"content":null,"refusal":"no"},"logprobs":{"tokens":["a"],"token_logprobs":[null],"top_logprobs":[{"a":-1}],"text_offset":[0]}}]}`,
		`{"choices":[{"logprobs":{"content":[{"token":"Hi"},{"token":" there","logprob":-2}]}}]}`,
		`{"choices":[{"message":{"content":"a"}}],"prompt_token_ids":[1,2],"prompt_text":"x","prompt_logprobs":[null,{"2":{"logprob":-1,"rank":1,"decoded_token":"x"}}]}`,
		`{"error":{"message":"` + fuzzKey + `"}}`, `{"data":[{"id":"m","shutdown_date":"2027-01-14T00:00:00Z"}]}`, `[]`, ``,
		`null`,
	} {
		f.Add([]byte(s))
	}
	tr := fuzzTransport(f)
	chat := GenerateRequest{Messages: []dataset.Message{{Role: "user"}}, LogProbs: true,
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 1}}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, req := range []GenerateRequest{chat, {Prompt: "x", LogProbs: true}} {
			g, e := generationOf(tr, attempt{op: opGenerate, model: "m"}, req, body)
			if e != nil {
				checkError(t, e)
				continue
			}
			checkTokens(t, body, g.Tokens)
			if u := g.Usage; u != nil && (u.PromptTokens < 0 || u.CompletionTokens < 0 || u.CachedTokens < 0 ||
				u.CachedTokens > u.PromptTokens) {
				t.Errorf("usage %+v", u)
			}
		}
		for _, req := range []ScoreRequest{{Prompt: "Hi there"}, {PromptIDs: []int{1, 2}}} {
			s, e := scoreOf(tr, attempt{op: opScore, model: "m"}, req, body)
			if e != nil {
				checkError(t, e)
				continue
			}
			checkTokens(t, body, s.Tokens)
			if len(s.Tokens) == 0 || len(s.Tokens) < len(req.PromptIDs) || !anyScored(s.Tokens) {
				t.Errorf("accepted %d tokens that do not score the prompt", len(s.Tokens))
			}
		}
		if s, e := chatScoreOf(tr, attempt{op: opScoreChat, model: "m"}, body); e != nil {
			checkError(t, e)
		} else if checkTokens(t, body, s.Tokens); !anyScored(s.Tokens) {
			t.Errorf("accepted %d tokens that do not score the conversation", len(s.Tokens))
		}
		if l, err := read(body, (*reader).listing); err == nil {
			if _, e := tr.modelsOf(attempt{op: opModels}, got{meta: Meta{Status: 200}}, l); e != nil {
				checkError(t, e)
			}
		}
	})
}

// FuzzErrorBody: every error body of any form gives a class and a message that
// is valid text of at most 1 KiB without the key.
func FuzzErrorBody(f *testing.F) {
	for _, s := range []string{
		`{"error":{"message":"m","type":"t","param":null,"code":1}}`, `{"object":"error","message":["a","b"],"code":"c"}`,
		`{"error":"s","message":"m"}`, `{"detail":[{"loc":["body",0],"msg":"m"}]}`, `{"detail":"d"}`, `<html>`, fuzzKey, ``,
	} {
		f.Add(429, []byte(s))
	}
	tr := fuzzTransport(f)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := tr.refused(attempt{op: opGenerate, model: "m"}, &http.Response{StatusCode: status, Header: http.Header{}}, body,
			Meta{Status: status})
		if e.Class == "" || len(e.Message) > 1<<10 || len(e.Code) > 1<<10 || !utf8.ValidString(e.Message) ||
			strings.Contains(e.Error(), fuzzKey) {
			t.Errorf("class %q, code %q, message %q", e.Class, e.Code, e.Message)
		}
	})
}

// FuzzRetryAfter: a wish is never negative, whatever the headers say.
func FuzzRetryAfter(f *testing.F) {
	f.Add("1.5", "", "")
	f.Add("", "Fri, 31 Dec 2027 23:59:59 GMT", "Fri, 31 Dec 2027 23:59:58 GMT")
	f.Add("-Inf", "1e400", "x")
	f.Fuzz(func(t *testing.T, ms, after, date string) {
		h := http.Header{"Retry-After-Ms": {ms}, "Retry-After": {after}, "Date": {date}}
		if d := retryAfter(h, time.Unix(0, 0)); d < 0 {
			t.Errorf("%v", d)
		}
	})
}

// FuzzReadPrices: a table that is accepted has a date, and no price in it is
// negative or of another unit.
func FuzzReadPrices(f *testing.F) {
	f.Add(string(defaultPrices))
	f.Add(`{"date":"2026-01-02","models":{"a":{"input":1,"output":2}}}`)
	f.Add(`{"date":"2026-01-02","models":{"a":null}}`)
	f.Fuzz(func(t *testing.T, in string) {
		p, err := ReadPrices(strings.NewReader(in), "f")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "providers: prices f:") {
				t.Errorf("error without a place: %v", err)
			}
			return
		}
		if _, err := time.Parse(time.DateOnly, p.Date); err != nil {
			t.Error(err)
		}
		for name, m := range p.Models {
			if m.Input < 0 || m.CachedInput < 0 || m.Output < 0 || !(m.BytesPerToken > 0) {
				t.Errorf("%q: %+v", name, m)
			}
		}
	})
}
