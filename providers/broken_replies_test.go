package providers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// Valid replies of every form, from which the generator starts.
var validReplies = []string{
	// Fireworks: completions in the new format, scored or generated.
	`{"model":"m","choices":[{"text":"Hi there","finish_reason":"stop","prompt_token_ids":[5,6],"token_ids":[5,6],"logprobs":{"content":[{"token":"Hi","bytes":[72,105],"logprob":-1.5,"token_id":5,"text_offset":0,"sampling_logprob":null,"top_logprobs":[{"token":"Ho","logprob":-2.5}]},{"token":" there","bytes":[32,116,104,101,114,101],"logprob":-0.25,"token_id":6,"text_offset":2,"top_logprobs":[{"token":" that","logprob":-9999.0}]}]}}],"usage":{"prompt_tokens":2,"completion_tokens":0,"total_tokens":2,"prompt_tokens_details":{"cached_tokens":1}}}`,
	// vLLM: parallel arrays, null first.
	`{"model":"m","choices":[{"text":"Hi there","finish_reason":"length","logprobs":{"tokens":["Hi"," there"],"token_logprobs":[null,-0.25],"top_logprobs":[null,{" there":-0.25," that":-3}],"text_offset":[0,2]}}],"usage":{"prompt_tokens":2,"total_tokens":2}}`,
	// OpenAI: chat.
	`{"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi there","refusal":null},"finish_reason":"stop","logprobs":{"content":[{"token":"Hi","logprob":-1.5,"bytes":[72,105],"top_logprobs":[]},{"token":" there","logprob":-0.25,"bytes":null,"top_logprobs":[]}],"refusal":null}}],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":0}}}`,
	// vLLM: a conversation, scored.
	`{"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"!"},"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":1},"prompt_token_ids":[5,6,7],"prompt_text":"Hi there","prompt_logprobs":[null,{"6":{"logprob":-1.5,"rank":2,"decoded_token":"Hi"},"8":{"logprob":-0.5,"rank":1,"decoded_token":"Ho"}},{"7":{"logprob":-0.25,"rank":1,"decoded_token":" there"}}]}`,
	`{"object":"list","data":[{"id":"m","shutdown_date":"2027-01-14","supportsServerless":true},{"id":"n","shutdown_date":null}]}`,
	`{"name":"accounts/fireworks/models/m","supportsServerless":true,"deprecationDate":{"year":2027,"month":1,"day":14},"state":"READY"}`,
	`{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}`,
}

// spoiler makes broken replies, the same from the same seed.
type spoiler struct{ *rand.Rand }

// spot is a value inside a tree, and how to change it.
type spot struct {
	value any
	set   func(any)
}

func spots(v any, set func(any), out []spot) []spot {
	out = append(out, spot{v, set})
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			out = spots(v[k], func(n any) { v[k] = n }, out)
		}
	case []any:
		for i := range v {
			out = spots(v[i], func(n any) { v[i] = n }, out)
		}
	}
	return out
}

// pythonOnly are values that are no JSON, and that some servers write.
var pythonOnly = regexp.MustCompile(`([:,\[])(?:NaN|-?Infinity)\b`)

// Literals that no JSON has stand in as strings until the tree is text.
const literal = "\x01LITERAL:"

func (s spoiler) tree() (body, how string) {
	var root any
	if err := json.Unmarshal([]byte(validReplies[s.IntN(len(validReplies))]), &root); err != nil {
		panic(err)
	}
	for range 1 + s.IntN(3) {
		all := spots(root, func(v any) { root = v }, nil)
		p := all[s.IntN(len(all))]
		switch s.IntN(4) {
		case 0:
			how = "null"
			p.set(nil)
		case 1:
			how = "type"
			p.set([]any{"text", 7.5, -3., true, map[string]any{"a": nil}, []any{nil, nil}, []any{}, map[string]any{}, "",
				1e300}[s.IntN(10)])
		case 2:
			how = "literal"
			p.set(literal + []string{"NaN", "Infinity", "-Infinity", "1e999", "-1e999", "00", "-9999.0", "9223372036854775808",
				"1e3", "-0"}[s.IntN(10)])
		default:
			how = "length"
			var lists []spot
			for _, q := range all {
				if l, ok := q.value.([]any); ok && len(l) > 0 {
					lists = append(lists, q)
				}
			}
			if len(lists) == 0 {
				continue
			}
			q := lists[s.IntN(len(lists))]
			l := q.value.([]any)
			switch s.IntN(3) {
			case 0:
				q.set(l[:len(l)-1])
			case 1:
				q.set(append(slices.Clone(l), l[0]))
			default:
				q.set(append(slices.Clone(l), nil))
			}
		}
	}
	b, err := json.Marshal(root)
	if err != nil {
		panic(err)
	}
	body = string(b)
	for {
		before, rest, ok := strings.Cut(body, `"\u0001LITERAL:`)
		if !ok {
			return body, how
		}
		word, after, _ := strings.Cut(rest, `"`)
		body = before + word + after
	}
}

// reply is one broken answer: its body, its content type, and whether the
// connection tears before its end.
func (s spoiler) reply() (body, contentType string, torn bool, how string) {
	contentType = "application/json"
	valid := validReplies[s.IntN(len(validReplies))]
	switch s.IntN(10) {
	case 0:
		return valid[:s.IntN(len(valid))], contentType, false, "truncated"
	case 1:
		return valid[:s.IntN(len(valid))], contentType, true, "torn"
	case 2:
		return valid, []string{"text/plain", "text/html", "", "application/octet-stream"}[s.IntN(4)], false, "content type"
	case 3:
		return "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>" + strings.Repeat("<p>nginx</p>",
			s.IntN(50)) + "</body></html>", "text/html", false, "HTML"
	case 4:
		b := []byte(valid)
		for range 1 + s.IntN(4) {
			b[s.IntN(len(b))] = byte(0x80 + s.IntN(0x80))
		}
		return string(b), contentType, false, "not UTF-8"
	case 5:
		b := []byte(valid)
		for range 1 + s.IntN(6) {
			b[s.IntN(len(b))] = byte(s.IntN(256))
		}
		return string(b), contentType, false, "bytes"
	case 6:
		return strings.Replace(valid, `:"`, `:"`+strings.Repeat("x", 40<<10), 1), contentType, false, "huge"
	case 7: // a key that stands twice, with the second value from another reply
		keys := []string{"choices", "usage", "logprobs", "content", "tokens", "token_logprobs", "logprob", "text", "data",
			"id", "error"}
		key := `"` + keys[s.IntN(len(keys))] + `":`
		at := strings.Index(valid, key)
		if at < 0 {
			return "{" + valid, contentType, false, "bytes"
		}
		return valid[:at] + key + []string{"null", "[]", "{}", `"x"`, "-1"}[s.IntN(5)] + "," + valid[at:], contentType,
			false, "key twice"
	default:
		body, how = s.tree()
		return body, contentType, false, how
	}
}

// serving answers every request with one body.
type serving struct {
	body, contentType string
	torn              bool
}

func (a serving) RoundTrip(r *http.Request) (*http.Response, error) {
	var body io.Reader = strings.NewReader(a.body)
	if a.torn {
		body = io.MultiReader(body, errorReader{})
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {a.contentType}}, Body: io.NopCloser(body),
		Request: r}, nil
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// statedLogProbs reads the entries of a reply's first choice by another way
// than the decoder: missing is whatever is no number.
func statedLogProbs(body string) (numbers []float64, missing int) {
	var root struct {
		Choices []struct {
			LogProbs struct {
				Content []map[string]any `json:"content"`
				Old     []any            `json:"token_logprobs"`
			} `json:"logprobs"`
		} `json:"choices"`
	}
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber() // 1e999 somewhere is no reason to know nothing
	if dec.Decode(&root) != nil || len(root.Choices) == 0 {
		return nil, 0
	}
	list := root.Choices[0].LogProbs.Old
	if c := root.Choices[0].LogProbs.Content; c != nil {
		list = nil
		for _, e := range c {
			list = append(list, e["logprob"])
		}
	}
	for _, v := range list {
		n, _ := v.(json.Number)
		if f, err := n.Float64(); err == nil && f != missingLogProb {
			numbers = append(numbers, f)
		} else {
			missing++
		}
	}
	return numbers, missing
}

// TestBrokenReplies: 1,000 broken answers through every decoder, as they come
// over HTTP. Each gives a typed error or a value that says nothing but what
// the body says: a missing log-prob makes the sum missing.
func TestBrokenReplies(t *testing.T) {
	if testing.Short() {
		t.Skip("many calls, whose parts other tests watch for races")
	}
	s := spoiler{rand.New(rand.NewPCG(2026, 11))}
	chat := GenerateRequest{
		Model: "m", Messages: []dataset.Message{{Role: "user", Content: "Hi"}}, LogProbs: true, TopLogProbs: 1,
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 4},
	}
	completion := chat
	completion.Messages, completion.Prompt = nil, "Hi"
	results := map[string]int{}
	kinds := map[string]int{}
	conversations := 0
	for n := range 700 {
		body, contentType, torn, how := s.reply()
		kinds[how]++
		c := HTTPConfig{Key: NewSecret(fuzzKey), HTTP: &http.Client{Transport: serving{body, contentType, torn}}}
		body = pythonOnly.ReplaceAllString(body, "${1}null") // what it is read as
		fw, err := NewFireworks(c)
		if err != nil {
			t.Fatal(err)
		}
		oai, err := NewOpenAI(c)
		if err != nil {
			t.Fatal(err)
		}
		c.BaseURL = "http://host.invalid/v1"
		own, err := NewCompatible(CompatibleConfig{HTTPConfig: c, Quirks: VLLM()})
		if err != nil {
			t.Fatal(err)
		}
		for _, tr := range []*transport{fw.service.transport, oai.service.transport, own.service.transport} {
			tr.maxReply = 32 << 10
		}
		judge := func(what string, err error, tokens []Token, usage *Usage) {
			t.Helper()
			fail := func(format string, args ...any) {
				t.Helper()
				t.Errorf("reply %d (%s), %s: %s\n%.600q", n, how, what, fmt.Sprintf(format, args...), body)
			}
			if err != nil {
				var e *Error
				if !errors.As(err, &e) {
					fail("an untyped error: %v", err)
					return
				}
				results[string(e.Class)]++
				if e.Status != 200 || !e.Sent || e.Error() == "" || len(e.Message) > 2<<10 {
					fail("status %d, sent %v, message %q", e.Status, e.Sent, e.Message)
				}
				switch e.Class {
				case ClassBrokenReply, ClassBadRequest, ClassOverloaded, ClassFiltered:
				default:
					fail("class %q", e.Class)
				}
				return
			}
			results["value"]++
			if torn || how == "huge" || !json.Valid([]byte(body)) {
				fail("accepted")
			}
			if u := usage; u != nil && (u.PromptTokens < 0 || u.CompletionTokens < 0 || u.CachedTokens < 0 ||
				u.CachedTokens > u.PromptTokens) {
				fail("usage %+v", u)
			}
			if tokens == nil {
				return
			}
			stated, missing := statedLogProbs(body)
			sum := 0.
			for _, tok := range tokens {
				if tok.ID < -1 || math.IsInf(tok.LogProb.OrNaN(), 0) {
					fail("token %+v", tok)
				}
				if tok.LogProb.Valid() && !slices.Contains(stated, tok.LogProb.OrNaN()) {
					fail("log-prob %v stands nowhere in the reply", tok.LogProb.OrNaN())
				}
				sum += tok.LogProb.OrNaN()
			}
			if len(tokens) == len(stated)+missing && missing > 0 && !math.IsNaN(sum) {
				fail("%d log-probs are missing, and the sum is %v", missing, sum)
			}
		}
		for _, p := range []Provider{fw, oai, own} {
			for what, req := range map[string]GenerateRequest{"chat": chat, "completion": completion} {
				g, err := p.Generate(t.Context(), req)
				judge(p.Name()+" "+what, err, g.Tokens, g.Usage)
			}
			if p != Provider(oai) {
				for what, req := range map[string]ScoreRequest{"score": {Model: "m", Prompt: "Hi there"},
					"score ids": {Model: "m", PromptIDs: []int{5, 6}}} {
					sc, err := p.ScorePrompt(t.Context(), req)
					judge(p.Name()+" "+what, err, sc.Tokens, sc.Usage)
					if err == nil && (len(sc.Tokens) == 0 || len(sc.Tokens) < len(req.PromptIDs)) {
						t.Errorf("reply %d (%s): %s accepted with %d tokens\n%s", n, how, what, len(sc.Tokens), body)
					}
				}
			}
			if p == Provider(fw) {
				m, err := fw.Describe(t.Context(), "accounts/fireworks/models/m")
				judge("fireworks describe", err, nil, nil)
				if err == nil && m.ID != "accounts/fireworks/models/m" {
					t.Errorf("reply %d: a description of %q", n, m.ID)
				}
			}
			if p == Provider(own) {
				sc, err := own.ScoreChat(t.Context(), ChatScoreRequest{Model: "m",
					Messages: []dataset.Message{{Role: "user", Content: "Hi"}, {Role: "assistant", Content: "there"}}})
				judge("chat score", err, nil, sc.Usage)
				var said struct {
					Positions []map[string]map[string]any `json:"prompt_logprobs"`
				}
				_ = json.Unmarshal([]byte(body), &said) // what is not read holds nothing
				for i, tok := range sc.Tokens {
					if tok.LogProb.Valid() && (i >= len(said.Positions) ||
						said.Positions[i][strconv.Itoa(tok.ID)]["logprob"] != tok.LogProb.OrNaN()) {
						t.Errorf("reply %d (%s): position %d of the conversation is %+v\n%.600q", n, how, i, tok, body)
					}
				}
				if err == nil {
					conversations++
				}
			}
			list, err := p.Models(t.Context())
			judge(p.Name()+" models", err, nil, nil)
			for _, m := range list {
				if m.ID == "" {
					t.Errorf("reply %d: a model without an id", n)
				}
			}
		}
	}
	for _, how := range []string{"truncated", "torn", "content type", "HTML", "not UTF-8", "bytes", "huge", "key twice",
		"null", "type", "literal", "length"} {
		if kinds[how] < 20 {
			t.Errorf("only %d replies of kind %q", kinds[how], how)
		}
	}
	if conversations < 20 {
		t.Errorf("only %d conversations were read", conversations)
	}
	if results["value"] < 500 {
		t.Errorf("only %d values: the generator breaks everything, so that nothing is judged", results["value"])
	}
	t.Logf("replies by kind: %v; results: %v", kinds, results)
}

// What the generator found once, by hand.
func TestRepliesThatWereMisread(t *testing.T) {
	tr := fuzzTransport(t)
	score := ScoreRequest{Prompt: "Hi"}
	for _, c := range []struct {
		reason, body string
		ok           bool
	}{
		{"an empty list of prompt ids tells nothing, and is no prompt of no tokens",
			`{"choices":[{"text":"Hi","prompt_token_ids":[],"logprobs":{"content":[{"token":"Hi","logprob":-1}]}}]}`, true},
		{"null is not id 0",
			`{"choices":[{"text":"Hi","prompt_token_ids":[null],"logprobs":{"content":[{"token":"Hi","logprob":-1}]}}]}`,
			true},
		{"-1 means unknown here, and is no id",
			`{"choices":[{"text":"Hi","token_ids":[-1],"logprobs":{"content":[{"token":"Hi","logprob":-1}]}}]}`, true},
		{"null is not the empty token",
			`{"choices":[{"text":"Hi","logprobs":{"tokens":["Hi",null],"token_logprobs":[null,-2]}}]}`, false},
		{"two lists under one name would be merged: a token with another's log-prob",
			`{"choices":[{"text":"Hi","logprobs":{"content":[{"token":"Ho","logprob":-1}],"content":[{"token":"Hi"}]}}]}`,
			false},
	} {
		s, e := scoreOf(tr, attempt{op: opScore, model: "m"}, score, []byte(c.body))
		if (e == nil) != c.ok || e != nil && e.Class != ClassBrokenReply {
			t.Errorf("%s: %v", c.reason, e)
		}
		for _, tok := range s.Tokens {
			if tok.ID != -1 {
				t.Errorf("%s: id %d", c.reason, tok.ID)
			}
		}
	}
}
