package main

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

var pieces = regexp.MustCompile(`<\|[a-z_]+\|>| ?\w+|\W`)

// A server of the ways of llama-cpp-python, over a model for which a token of n
// bytes has the log-prob -n/8: it adds BOS, leaves it out of the echo, nulls the
// first entry, shows special tokens as nothing, and generates one token at least.
func llamaCppPython(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b struct {
			Prompt    string
			MaxTokens int `json:"max_tokens"`
			LogProbs  int `json:"logprobs"`
			Echo      bool
		}
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil || !b.Echo || b.LogProbs != 1 || b.MaxTokens != 1 ||
			strings.HasPrefix(b.Prompt, "<|begin_of_text|>") {
			http.Error(w, `{"error":{"message":"not what this test expects"}}`, http.StatusBadRequest)
			return
		}
		list := append(pieces.FindAllString(b.Prompt, -1), " more")
		var texts []string
		var values []any
		for i, p := range list {
			var v any = -float64(len(p)) / 8
			if i == 0 {
				v = nil
			}
			if strings.HasPrefix(p, "<|") {
				p = ""
			}
			texts, values = append(texts, p), append(values, v)
		}
		json.NewEncoder(w).Encode(map[string]any{
			"choices": []any{map[string]any{"text": b.Prompt + " more", "finish_reason": "length",
				"logprobs": map[string]any{"tokens": texts, "token_logprobs": values}}},
			"usage": map[string]any{"prompt_tokens": len(list), "completion_tokens": 1}, // BOS in, " more" out
		})
	}))
	t.Cleanup(s.Close)
	return s.URL + "/v1"
}

func TestLlamaCppPython(t *testing.T) {
	url := llamaCppPython(t)
	var out bytes.Buffer
	err := run([]string{"-endpoint", "e=llama-cpp-python:" + url, "-model", "m", "-no-certify", "-in", "-"},
		strings.NewReader(`{"prompt": "Why is the sky blue?", "response": "Because of the air."}`), &out)
	if err != nil {
		t.Fatal(err)
	}
	var row scored
	if err := json.Unmarshal(out.Bytes(), &row); err != nil {
		t.Fatal(err)
	}
	// The response's 19 bytes and the end-of-turn token's 7.
	if row.LogProb == nil || math.Abs(*row.LogProb-(-26./8)) > 1e-9 || row.Tokens != 6 {
		t.Errorf("want -3.25 over 6 tokens: %s", out.String())
	}
	for _, m := range []string{"token_counting", "echo_based"} {
		if row.Methods[m].Status != "ok" {
			t.Errorf("%s is %+v", m, row.Methods[m])
		}
	}
}
