package judge_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/providers"
)

// reasoner is a server of the ways of OpenAI's reasoning models: it refuses
// max_tokens, top_p and any temperature but 1, and thinks for 600 tokens, out of
// the limit of the reply.
type reasoner struct{ refused, answered int }

func (s *reasoner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	refuse := func(code, param, message string) {
		s.refused++
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"type": "invalid_request_error", "code": code,
			"param": param, "message": message}})
	}
	limit, ok := body["max_completion_tokens"].(float64)
	switch {
	case !ok:
		refuse("unsupported_parameter", "max_tokens",
			"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.")
		return
	case body["temperature"] != nil && body["temperature"] != 1.0:
		refuse("unsupported_value", "temperature", "Unsupported value: 'temperature' does not support 0 with this model. "+
			"Only the default (1) value is supported.")
		return
	case body["top_p"] != nil:
		refuse("unsupported_parameter", "top_p", "Unsupported parameter: 'top_p' is not supported with this model.")
		return
	}
	s.answered++
	content, finish, used := `{"reason":"clear","score":64}`, "stop", 620
	if limit < 620 {
		content, finish, used = "", "length", int(limit)
	}
	fmt.Fprintf(w, `{"model":"r","choices":[{"message":{"content":%q},"finish_reason":%q}],"usage":{"prompt_tokens":300,`+
		`"completion_tokens":%d,"completion_tokens_details":{"reasoning_tokens":%d}}}`, content, finish, used,
		min(used, 600))
}

func TestReasoningModelAsJudge(t *testing.T) {
	for _, c := range []struct {
		limit int
		want  string // in the error
	}{
		{0, "200 of its 200 tokens went into reasoning; raise MaxTokens"},
		{2000, ""},
	} {
		s := &reasoner{}
		server := httptest.NewServer(s)
		defer server.Close()
		p, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: server.URL, Key: providers.NewSecret("k")})
		if err != nil {
			t.Fatal(err)
		}
		client, err := providers.NewClient(p, providers.ClientConfig{
			Prices: providers.Prices{Models: map[string]providers.Price{"r": {}}}})
		if err != nil {
			t.Fatal(err)
		}
		j, err := judge.NewDeterministic(judge.Config{Name: "j", Generator: client, Model: "r", MaxTokens: c.limit})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			score, err := j.Score(t.Context(), tag, prompt, "Paris.")
			var unscored *judge.UnscoredError
			switch {
			case c.want == "":
				if err != nil || score.Mean.OrNaN() != 0.64 || score.Variance.Valid() {
					t.Errorf("%+v, %v: want 0.64, and no variance of readings that differ", score, err)
				}
			case !errors.As(err, &unscored) || unscored.Reason != judge.ReasonTruncated ||
				!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "policy"):
				t.Errorf("%v: want an error that says %q", err, c.want)
			}
		}
		if s.answered != 2 || s.refused > 3 {
			t.Errorf("%d answers after %d refusals: want two, and each refusal once", s.answered, s.refused)
		}
	}
}
