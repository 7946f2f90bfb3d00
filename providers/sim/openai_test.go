package sim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestOpenAIChat(t *testing.T) {
	s, client := newServer(t, Config{})
	url := s.OpenAIURL() + "/chat/completions"
	body := dict{"model": OracleModel, "messages": []dict{{"role": "user", "content": "Why is the sky blue?"}},
		"max_completion_tokens": 60, "seed": 4, "temperature": 1, "logprobs": true, "top_logprobs": 2}
	c := must[completion](t, post(client, url, "", body))
	ch := c.Choices[0]
	if c.Model != OracleModel || ch.Message.Content == "" {
		t.Errorf("model %q, content %q", c.Model, ch.Message.Content)
	}
	context := tokenizer().Encode(testContext)
	want := largeModel().LogProbs(append(slices.Clone(context), encodeEntries(ch.Logprobs.Content)...))[len(context):]
	var text []byte
	for i, e := range ch.Logprobs.Content {
		if *e.Logprob != want[i] || len(e.Top) != 2 {
			t.Errorf("token %d: %v with %d alternatives, want %v with 2", i, *e.Logprob, len(e.Top), want[i])
		}
		for _, b := range e.Bytes {
			text = append(text, byte(b))
		}
	}
	if cleanText(text) != ch.Message.Content {
		t.Errorf("tokens spell %q, the message is %q: the end of the turn is not shown here", text, ch.Message.Content)
	}
	parts := []dict{{"type": "text", "text": "Why is the "}, {"type": "text", "text": "sky blue?"}}
	body["messages"] = []dict{{"role": "user", "content": parts}}
	if got := must[completion](t, post(client, url, "", body)); got.Choices[0].Message.Content != ch.Message.Content {
		t.Error("text in parts is answered differently from the same text in one")
	}
}

// encodeEntries finds the ids of entries that OpenAI gives without ids.
func encodeEntries(entries []content) []int {
	var ids []int
	for _, e := range entries {
		b := make([]byte, len(e.Bytes))
		for i, v := range e.Bytes {
			b[i] = byte(v)
		}
		ids = append(ids, tokenOf(b))
	}
	return ids
}

func tokenOf(b []byte) int {
	tok := tokenizer()
	for id := range tok.Size() {
		if string(tok.Bytes(id)) == string(b) {
			return id
		}
	}
	return -1
}

func TestOpenAIModels(t *testing.T) {
	s, client := newServer(t, Config{Faults: Faults{ServerError: 1, TooManyRequests: 1}})
	for url, ids := range map[string][]string{
		s.OpenAIURL():    {OracleModel, JudgeModel},
		s.FireworksURL(): {ScoutModel, MaverickModel},
	} {
		req, err := http.NewRequest(http.MethodGet, url+"/models", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer key")
		list := must[struct{ Data []map[string]any }](t, send(client, req))
		var got []string
		for _, m := range list.Data {
			got = append(got, m["id"].(string))
			if v, ok := m["shutdown_date"]; url == s.OpenAIURL() && (!ok || v != nil) {
				t.Errorf("%v: shutdown_date %v, want null", m["id"], v)
			}
		}
		if !slices.Equal(got, ids) {
			t.Errorf("%s lists %v, want %v, whatever the faults", url, got, ids)
		}
	}
	if got := s.Bill().Total.Calls; got != 0 {
		t.Errorf("listing was billed %d times", got)
	}
}

func TestOpenAIRefuses(t *testing.T) {
	s, client := newServer(t, Config{})
	user := []dict{{"role": "user", "content": "Hi"}}
	chat := func(extra dict) dict {
		d := dict{"model": JudgeModel, "messages": user}
		for k, v := range extra {
			d[k] = v
		}
		return d
	}
	format := func(name string, strict bool, schema dict) dict {
		return chat(dict{"response_format": dict{"type": "json_schema", "json_schema": dict{"name": name, "strict": strict,
			"schema": schema}}})
	}
	score := dict{"score": dict{"type": "integer"}}
	rows := []struct {
		reason string
		path   string
		body   any
		status int
		word   string // in the message
	}{
		{"not JSON", "/chat/completions", "{", 400, "parse"},
		{"top_k is no argument here", "/chat/completions", chat(dict{"top_k": 5}), 400,
			"Unrecognized request argument supplied: top_k"},
		{"nor is echo", "/chat/completions", chat(dict{"echo": true}), 400, "echo"},
		{"another provider's model", "/chat/completions", dict{"model": ScoutModel, "messages": user}, 404,
			"does not exist"},
		{"logprobs is a flag here", "/chat/completions", chat(dict{"logprobs": 2}), 400, "boolean"},
		{"top_logprobs beyond 20", "/chat/completions", chat(dict{"logprobs": true, "top_logprobs": 21}), 400, "20"},
		{"top_logprobs alone", "/chat/completions", chat(dict{"top_logprobs": 1}), 400, "logprobs"},
		{"a wrong type is a 400 here", "/chat/completions", chat(dict{"temperature": "hot"}), 400, "valid"},
		{"chat models have no completions", "/completions", dict{"model": OracleModel, "prompt": "a"}, 404, "chat model"},
		{"no schema", "/chat/completions", chat(dict{"response_format": dict{"type": "json_schema"}}), 400, "schema"},
		{"strict without additionalProperties", "/chat/completions",
			format("s", true, dict{"type": "object", "properties": score, "required": []string{"score"}}), 400,
			"additionalProperties"},
		{"strict with true", "/chat/completions", format("s", true, dict{"type": "object", "properties": score,
			"required": []string{"score"}, "additionalProperties": true}), 400, "additionalProperties"},
		{"strict with a property that is not required", "/chat/completions",
			format("s", true, dict{"type": "object", "properties": score, "required": []string{},
				"additionalProperties": false}), 400, "Missing 'score'"},
		{"strict with a required name that is no property", "/chat/completions",
			format("s", true, dict{"type": "object", "properties": score, "required": []string{"score", "x"},
				"additionalProperties": false}), 400, "'x'"},
		{"a schema of no object", "/chat/completions", format("s", false, dict{"type": "array"}), 400, "object"},
		{"a name with a blank", "/chat/completions", format("a b", false, dict{"type": "object", "properties": score}), 400,
			"name"},
		{"a name too long", "/chat/completions", format(strings.Repeat("a", 65), false,
			dict{"type": "object", "properties": score}), 400, "name"},
		{"free JSON", "/chat/completions", chat(dict{"response_format": dict{"type": "json_object"}}), 400, "json_schema"},
	}
	for _, r := range rows {
		got := post(client, s.OpenAIURL()+r.path, "", r.body)
		var e struct {
			Error struct {
				Message string
				Type    string
			}
		}
		if err := json.Unmarshal(got.body, &e); err != nil || got.status != r.status || !strings.Contains(e.Error.Message,
			r.word) || e.Error.Type == "" {
			t.Errorf("%s: status %d, want %d and %q: %s", r.reason, got.status, r.status, r.word, got.body)
		}
	}
	if r := post(client, s.OpenAIURL()+"/chat/completions", "",
		format("s", false, dict{"type": "object", "properties": score})); r.status != 200 {
		t.Errorf("a schema that is not strict: status %d: %s", r.status, r.body)
	}
}
