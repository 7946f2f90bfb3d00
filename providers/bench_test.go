package providers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers"
)

// echoReply is what a server answers to a scoring of n tokens, as Fireworks
// writes it (content) or as vLLM does (arrays), and the text that was scored.
func echoReply(n int, content bool) (prompt string, body []byte) {
	words := []string{" the", " sky", " is", " blue", " be", "cause", " of", " Ray", "leigh", " scatter", "ing", ",\n",
		" naïve", "."}
	var text strings.Builder
	type entry struct {
		Token    string   `json:"token"`
		Bytes    []int    `json:"bytes"`
		LogProb  float64  `json:"logprob"`
		Sampling *float64 `json:"sampling_logprob"`
		ID       int      `json:"token_id"`
		Offset   int      `json:"text_offset"`
		Top      []any    `json:"top_logprobs"`
	}
	var entries []entry
	var arrays struct {
		Tokens   []string   `json:"tokens"`
		LogProbs []*float64 `json:"token_logprobs"`
		Offsets  []int      `json:"text_offset"`
	}
	for i := range n {
		w := words[i*i%len(words)]
		lp := -float64(i*7919%997)/331 - 0.000123456789
		e := entry{Token: w, LogProb: lp, ID: i * 31 % 128256, Offset: text.Len(), Top: []any{}}
		for _, b := range []byte(w) {
			e.Bytes = append(e.Bytes, int(b))
		}
		entries = append(entries, e)
		arrays.Tokens = append(arrays.Tokens, w)
		arrays.Offsets = append(arrays.Offsets, text.Len())
		arrays.LogProbs = append(arrays.LogProbs, &lp)
		text.WriteString(w)
	}
	arrays.LogProbs[0] = nil
	var logprobs any = arrays
	if content {
		logprobs = map[string]any{"content": entries}
	}
	body, err := json.Marshal(map[string]any{
		"model": "m", "choices": []any{map[string]any{"index": 0, "text": text.String(), "finish_reason": "length",
			"logprobs": logprobs}},
		"usage": map[string]any{"prompt_tokens": n, "completion_tokens": 0, "total_tokens": n},
	})
	if err != nil {
		panic(err)
	}
	return text.String(), body
}

// BenchmarkScorePrompt is all that a scoring costs besides the network: the
// request, the reply read and checked. The peer reads the same reply with
// encoding/json into the plainest struct, pointers for null, and checks
// nothing; divide by it.
func BenchmarkScorePrompt(b *testing.B) {
	for _, n := range []int{70, 700, 7000} {
		for _, form := range []string{"content", "arrays"} {
			prompt, body := echoReply(n, form == "content")
			answer := tripper(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)),
					Request: r}, nil
			})
			p, err := providers.NewFireworks(providers.HTTPConfig{Key: providers.NewSecret(key),
				HTTP: &http.Client{Transport: answer}})
			if err != nil {
				b.Fatal(err)
			}
			name := fmt.Sprintf("%s-%d", form, n)
			b.Run(name+"/reweigh", func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					s, err := p.ScorePrompt(context.Background(), providers.ScoreRequest{Tag: scoreRequest().Tag, Model: "m",
						Prompt: prompt})
					if err != nil || len(s.Tokens) != n {
						b.Fatalf("%d tokens, %v", len(s.Tokens), err)
					}
				}
			})
			b.Run(name+"/encodingjson", func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					if got := plainly(b, body, form == "content"); got != n {
						b.Fatalf("%d tokens", got)
					}
				}
			})
		}
	}
}

// plainly decodes a reply as a script would.
func plainly(b *testing.B, body []byte, content bool) int {
	type entry struct {
		Token    string   `json:"token"`
		Bytes    []int    `json:"bytes"`
		LogProb  *float64 `json:"logprob"`
		Sampling *float64 `json:"sampling_logprob"`
		ID       int      `json:"token_id"`
		Offset   int      `json:"text_offset"`
	}
	var w struct {
		Choices []struct {
			Text     string `json:"text"`
			LogProbs struct {
				Content  []entry    `json:"content"`
				Tokens   []string   `json:"tokens"`
				LogProbs []*float64 `json:"token_logprobs"`
				Offsets  []int      `json:"text_offset"`
			} `json:"logprobs"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(body, &w); err != nil {
		b.Fatal(err)
	}
	if l := w.Choices[0].LogProbs; content {
		return len(l.Content)
	} else {
		return len(l.Tokens)
	}
}
