package providers_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
	"github.com/reweigh/reweigh/providers/sim"
)

const key = "fw_test_key_1234567890"

// prices makes costs easy to read: a prompt token is $1e-6, a completion token
// $2e-6, a cached one $0.5e-6.
var prices = providers.Prices{Date: "2026-11-22", Models: map[string]providers.Price{
	"m": {Input: 1, CachedInput: 0.5, Output: 2},
}}

var sampling = offpolicy.Sampling{Temperature: 1, TopP: 1, TopK: 0, MaxTokens: 10}

func chatRequest() providers.GenerateRequest {
	return providers.GenerateRequest{
		Tag: providers.Tag{Stage: "p0", Key: dataset.Key{PromptID: "q1", Policy: "p0"}}, Model: "m",
		Messages: []dataset.Message{{Role: "user", Content: "Hi <b>"}}, Sampling: sampling,
	}
}

func promptRequest() providers.GenerateRequest {
	r := chatRequest()
	r.Messages, r.Prompt = nil, "Hi"
	return r
}

func scoreRequest() providers.ScoreRequest {
	return providers.ScoreRequest{Tag: providers.Tag{Stage: "logprobs", Key: dataset.Key{PromptID: "q1", Policy: "p0"},
		Call: "joint"}, Model: "m", Prompt: "Hi there"}
}

const okChat = `{"model":"m-served","choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":8}}}`

func fireworks(t testing.TB, s *providertest.Server) *providers.Fireworks {
	t.Helper()
	p, err := providers.NewFireworks(providers.HTTPConfig{BaseURL: s.URL() + "/inference/v1",
		Key: providers.NewSecret(key), HTTP: s.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func openAI(t testing.TB, s *providertest.Server) *providers.OpenAI {
	t.Helper()
	p, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: s.URL() + "/v1/", Key: providers.NewSecret(key),
		HTTP: s.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// wantError demands an *Error of a class, without the key in its text.
func wantError(t testing.TB, err error, class providers.Class) *providers.Error {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v: want a *providers.Error", err)
	}
	if e.Class != class {
		t.Errorf("class %q, want %q: %v", e.Class, class, e)
	}
	if strings.Contains(e.Error(), key) {
		t.Errorf("the error shows the key: %v", e)
	}
	return e
}

func chatScoreRequest() providers.ChatScoreRequest {
	return providers.ChatScoreRequest{
		Tag: providers.Tag{Stage: "logprobs", Key: dataset.Key{PromptID: "q1", Policy: "p0"}, Call: "chat"}, Model: "m",
		Messages: []dataset.Message{{Role: "user", Content: "Hi"}, {Role: "assistant", Content: "there"}},
	}
}

func simPrices(t testing.TB) providers.Prices {
	t.Helper()
	p, err := providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "sim")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tripper is a function as a transport.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
