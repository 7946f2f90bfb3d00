package providers_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
	"github.com/reweigh/reweigh/providers/sim"
)

// A text that is not the whole of what the model did says so.
func TestHiddenActions(t *testing.T) {
	message := func(m string) string {
		return `{"choices":[{"message":{"role":"assistant","content":"Hi"` + m +
			`},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":9}}`
	}
	usage := func(u string) string {
		return `{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":9` + u + `}}`
	}
	for _, c := range []struct {
		reason    string
		body      string
		extra     map[string]any
		says      string // "" means that nothing is hidden
		reasoning int
	}{
		{"plain", message(""), nil, "", 0},
		{"OpenAI: reasoning is counted and not shown", usage(`,"completion_tokens_details":{"reasoning_tokens":7}`), nil,
			"7 of its 9 tokens are reasoning", 7},
		{"SGLang counts beside", usage(`,"reasoning_tokens":2`), nil, "2 of its 9 tokens", 2},
		{"no reasoning was needed", usage(`,"completion_tokens_details":{"reasoning_tokens":0}`), nil, "", 0},
		{"null, as some send it", usage(`,"completion_tokens_details":null,"reasoning_tokens":null`), nil, "", 0},
		{"more reasoning than tokens is counted beside them", usage(`,"completion_tokens_details":{"reasoning_tokens":70}`),
			nil, "70 of its 79 tokens are reasoning", 70},
		{"reasoning apart", message(`,"reasoning_content":"Hmm."`), nil, "reasoning apart", 0},
		{"its newer name", message(`,"reasoning":"Hmm."`), nil, "reasoning apart", 0},
		{"an empty field is nothing",
			message(`,"reasoning_content":"","reasoning":null,"tool_calls":[],"function_call":null`), nil, "", 0},
		{"a tool", message(`,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]`), nil,
			"called a tool", 0},
		{"the older form", message(`,"function_call":{"name":"f"}`), nil, "called a tool", 0},
		{"the end alone tells of a tool", `{"choices":[{"message":{"content":null},"finish_reason":"tool_calls"}]}`, nil,
			"tool call", 0},
		{"a stop string of one's own", message(""), map[string]any{"stop": []string{"\n"}}, "sets stop", 0},
		{"no stop string", message(""), map[string]any{"stop": nil}, "", 0},
		{"a refusal is what was said", `{"choices":[{"message":{"content":null,"refusal":"I cannot help with that."},` +
			`"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":11}}`, nil, "", 0},
		{"a filter withheld it, and says so", `{"choices":[{"message":{"content":""},"finish_reason":"content_filter"}],` +
			`"usage":{"prompt_tokens":3,"completion_tokens":40}}`, nil, "", 0},
		{"tokens of which nothing is seen", `{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],` +
			`"usage":{"prompt_tokens":3,"completion_tokens":40}}`, nil, "40 tokens were generated for a text of 2 bytes", 0},
		{"an empty list of them", message(""), map[string]any{"stop": []string{}}, "", 0},
	} {
		s := providertest.NewServer(t, providertest.Reply{Body: c.body})
		req := chatRequest()
		req.Extra = c.extra
		g, err := openAI(t, s).Generate(t.Context(), req)
		if err != nil {
			t.Errorf("%s: %v", c.reason, err)
			continue
		}
		if (g.Hidden == "") != (c.says == "") || !strings.Contains(g.Hidden, c.says) {
			t.Errorf("%s: Hidden is %q, want %q", c.reason, g.Hidden, c.says)
		}
		if g.Usage != nil && g.Usage.HiddenTokens != c.reasoning {
			t.Errorf("%s: %d reasoning tokens, want %d", c.reason, g.Usage.HiddenTokens, c.reasoning)
		}
	}
}

// The body is kept on demand, on errors too, and never with the key: an answer
// that repeats it is refused altogether.
func TestRawReply(t *testing.T) {
	answer := `{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}]}`
	echo := `{"choices":[{"message":{"content":"your key is ` + key + `"},"finish_reason":"stop"}]}`
	s := providertest.NewServer(t, providertest.Reply{Body: answer}, providertest.Reply{Body: answer},
		providertest.Reply{Body: echo},
		providertest.Reply{Status: 400, Body: `{"error":{"message":"no"}}`}, providertest.Reply{Body: `{"choices":[`})
	p := openAI(t, s)
	req := chatRequest()
	if g, err := p.Generate(t.Context(), req); err != nil || g.Meta.Raw != nil {
		t.Errorf("kept without being asked for: %v, %s", err, g.Meta.Raw)
	}
	req.Raw = true
	g, err := p.Generate(t.Context(), req)
	if err != nil || string(g.Meta.Raw) != answer {
		t.Errorf("%v, %s, want %s", err, g.Meta.Raw, answer)
	}
	_, err = p.Generate(t.Context(), req)
	var leak *providers.Error
	if !errors.As(err, &leak) || strings.Contains(err.Error(), key) || strings.Contains(string(leak.Meta.Raw), key) {
		t.Errorf("an answer that repeats the key: %v, raw %s", err, leak.Meta.Raw)
	}
	for _, want := range []string{`{"error":{"message":"no"}}`, `{"choices":[`} {
		_, err = p.Generate(t.Context(), req)
		class := providers.ClassBadRequest
		if want[2] == 'c' {
			class = providers.ClassBrokenReply
		}
		if e := wantError(t, err, class); string(e.Meta.Raw) != want {
			t.Errorf("with an error: %s, want %s", e.Meta.Raw, want)
		}
	}
	s = providertest.NewServer(t,
		providertest.Reply{Body: `{"choices":[{"text":"Hi there","logprobs":{"tokens":["Hi"," there"],"token_logprobs":[null,-1]}}]}`})
	score := scoreRequest()
	score.Raw = true
	if got, err := vllm(t, s).ScorePrompt(t.Context(), score); err != nil || !strings.HasPrefix(string(got.Meta.Raw),
		`{"choices"`) {
		t.Errorf("scoring: %v, %s", err, got.Meta.Raw)
	}
}

// The last tokens have the values that they have in the whole.
func TestScoreLast(t *testing.T) {
	server := sim.New(sim.Config{})
	defer server.Close()
	p, err := providers.NewFireworks(providers.HTTPConfig{BaseURL: server.URL() + "/inference/v1",
		Key: providers.NewSecret("dummy"), HTTP: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	req := providers.ScoreRequest{Tag: scoreRequest().Tag, Model: sim.ScoutModel,
		Prompt: "The three primary colours are red, ros\u00e9 and blue."}
	whole, err := p.ScorePrompt(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	n := len(whole.Tokens)
	for _, last := range []int{1, 4, n, n + 5} {
		req.Last = last
		got, err := p.ScorePrompt(t.Context(), req)
		if err != nil {
			t.Errorf("last %d: %v", last, err)
			continue
		}
		if want := min(last, n); len(got.Tokens) != want || got.Skipped != n-want {
			t.Errorf("last %d of %d: %d tokens, %d skipped", last, n, len(got.Tokens), got.Skipped)
			continue
		}
		for i, tok := range got.Tokens {
			if w := whole.Tokens[got.Skipped+i]; tok.LogProb != w.LogProb && w.LogProb.Valid() || tok.ID != w.ID {
				t.Errorf("last %d: token %d is %+v, in the whole %+v", last, i, tok, w)
			}
		}
	}
	req.Last = -1
	_, err = p.ScorePrompt(t.Context(), req)
	wantError(t, err, providers.ClassBadRequest)
}

// Replies to echo_last that leave open what they are about.
func TestScoreLastIsChecked(t *testing.T) {
	for _, c := range []struct {
		reason, body string
		ok           bool
	}{
		{"ids", `{"choices":[{"text":" there","prompt_token_ids":[1,2],"logprobs":{"tokens":[" there"],"token_logprobs":[-1],"token_ids":[2]}}]}`, true},
		{"usage and text", `{"choices":[{"text":" there","logprobs":{"tokens":[" there"],"token_logprobs":[-1]}}],"usage":{"prompt_tokens":2,"completion_tokens":0}}`, true},
		{"other ids", `{"choices":[{"text":" there","prompt_token_ids":[1,2],"logprobs":{"tokens":[" there"],"token_logprobs":[-1],"token_ids":[7]}}]}`, false},
		{"another text", `{"choices":[{"text":"","logprobs":{"tokens":[" where"],"token_logprobs":[-1]}}],"usage":{"prompt_tokens":2,"completion_tokens":0}}`, false},
		{"echo_last ignored",
			`{"choices":[{"text":"","prompt_token_ids":[1,2],"logprobs":{"tokens":["Hi"," there"],"token_logprobs":[null,-1]}}]}`, false},
		{"neither ids nor usage", `{"choices":[{"text":" there","logprobs":{"tokens":[" there"],"token_logprobs":[-1]}}]}`,
			false},
		{"null", `{"choices":[{"text":" there","prompt_token_ids":[1,2],"logprobs":{"tokens":[" there"],"token_logprobs":[null]}}]}`, false},
	} {
		s := providertest.NewServer(t, providertest.Reply{Body: c.body})
		req := scoreRequest()
		req.Last = 1
		got, err := fireworks(t, s).ScorePrompt(t.Context(), req)
		if c.ok != (err == nil) || c.ok && (len(got.Tokens) != 1 || got.Skipped != 1) {
			t.Errorf("%s: %+v, %v", c.reason, got, err)
		}
		if b := s.Requests()[0].Body; b["echo_last"] != 1.0 || b["echo"] != nil {
			t.Errorf("%s: sent %v", c.reason, b)
		}
	}
	// A server that has no echo_last gives the whole.
	s := providertest.NewServer(t,
		providertest.Reply{Body: `{"choices":[{"text":"","prompt_token_ids":[1,2],"logprobs":{"tokens":["Hi"," there"],"token_logprobs":[null,-1]}}]}`})
	req := scoreRequest()
	req.Last = 1
	if got, err := vllm(t, s).ScorePrompt(t.Context(), req); err != nil || len(got.Tokens) != 2 || got.Skipped != 0 ||
		s.Requests()[0].Body["echo_last"] != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
