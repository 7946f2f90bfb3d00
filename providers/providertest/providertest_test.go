package providertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

// service is a small honest one: each byte is a token, its id the byte, its
// log-prob a function of it and of the byte before.
func service(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/models") {
		fmt.Fprint(w, `{"data":[{"id":"m"}]}`)
		return
	}
	var req struct {
		Model         string
		Prompt        any
		Messages      []struct{ Content string }
		MaxTokens     int  `json:"max_tokens"`
		MaxCompletion int  `json:"max_completion_tokens"`
		Echo          bool `json:"echo"`
		LogProbs      any  `json:"logprobs"`
		Temperature   float64
		Seed          int
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if req.Model != "m" {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":{"message":"no such model","code":"model_not_found"}}`)
		return
	}
	var prompt []byte
	switch p := req.Prompt.(type) {
	case string:
		prompt = []byte(p)
	case []any:
		for _, id := range p {
			prompt = append(prompt, byte(id.(float64)))
		}
	default:
		for _, m := range req.Messages {
			prompt = append(prompt, m.Content...)
		}
	}
	answer := []byte("red, blue and yellow")
	if req.Temperature > 0 && req.Seed%2 == 1 {
		answer = []byte("blue, yellow and red")
	}
	answer = answer[:min(len(answer), req.MaxTokens+req.MaxCompletion)]
	if req.Echo {
		answer = nil
	}
	all := append(append([]byte{}, prompt...), answer...)
	var entries []map[string]any
	for i, b := range all {
		lp := -1.0
		if i > 0 {
			lp = -float64(int(b)+int(all[i-1])) / 100
		}
		entries = append(entries, map[string]any{"token": string(b), "bytes": []int{int(b)}, "token_id": b, "text_offset": i,
			"logprob": lp})
	}
	ids := func(b []byte) []int {
		out := make([]int, len(b))
		for i := range b {
			out[i] = int(b[i])
		}
		return out
	}
	choice := map[string]any{"finish_reason": "length", "prompt_token_ids": ids(prompt), "token_ids": ids(answer)}
	if req.Messages != nil {
		choice["message"] = map[string]any{"content": string(answer)}
	} else if choice["text"] = string(answer); req.Echo {
		choice["text"] = string(all)
	}
	if req.LogProbs != nil {
		if !req.Echo {
			entries = entries[len(prompt):]
		}
		choice["logprobs"] = map[string]any{"content": entries}
	}
	json.NewEncoder(w).Encode(map[string]any{"model": "m", "choices": []any{choice},
		"usage": map[string]int{"prompt_tokens": len(prompt), "completion_tokens": len(answer)}})
}

func config(t testing.TB) providers.HTTPConfig {
	ts := httptest.NewServer(http.HandlerFunc(service))
	t.Cleanup(ts.Close)
	return providers.HTTPConfig{BaseURL: ts.URL + "/v1", Key: providers.NewSecret("test-key"), HTTP: ts.Client()}
}

func TestProvidersConform(t *testing.T) {
	t.Run("fireworks", func(t *testing.T) {
		providertest.Run(t, func(t *testing.T) providers.Provider {
			p, err := providers.NewFireworks(config(t))
			if err != nil {
				t.Fatal(err)
			}
			return p
		}, providertest.Options{Model: "m", LogProbs: true, Score: true, Seeded: true})
	})
	t.Run("openai", func(t *testing.T) {
		providertest.Run(t, func(t *testing.T) providers.Provider {
			p, err := providers.NewOpenAI(config(t))
			if err != nil {
				t.Fatal(err)
			}
			return p
		}, providertest.Options{Model: "m", LogProbs: true, ChatOnly: true, Seeded: true})
	})
	t.Run("compatible", func(t *testing.T) {
		providertest.Run(t, func(t *testing.T) providers.Provider {
			p, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: config(t), Quirks: providers.VLLM()})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}, providertest.Options{Model: "m", LogProbs: true, Score: true, Seeded: true})
	})
}

func TestServerPlaysItsScript(t *testing.T) {
	for name, server := range map[string]func(testing.TB, ...providertest.Reply) *providertest.Server{
		"loopback": providertest.NewServer, "pipe": providertest.NewPipeServer,
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, providertest.Reply{Status: 503, Body: "a"}, providertest.Reply{Reset: true},
				providertest.Reply{Body: "b"})
			get := func() string {
				resp, err := s.Client().Post(s.URL()+"/x", "application/json", strings.NewReader(`{"n":1}`))
				if err != nil {
					return "error"
				}
				defer resp.Body.Close()
				return resp.Status
			}
			var got []string
			for range 4 {
				got = append(got, get())
			}
			if want := "[503 Service Unavailable error 200 OK 200 OK]"; fmt.Sprint(got) != want {
				t.Errorf("got %v, want %s: the last reply repeats", got, want)
			}
			if r := s.Requests(); len(r) != 4 || r[0].Path != "/x" || r[0].Body["n"] != 1.0 {
				t.Errorf("requests: %+v", r)
			}
		})
	}
}

func TestPipeServerOnAFakeClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := providertest.NewPipeServer(t, providertest.Reply{Delay: time.Hour})
		start := time.Now()
		resp, err := s.Client().Get(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := time.Since(start); got != time.Hour {
			t.Errorf("took %v", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, "GET", s.URL(), nil)
		if _, err := s.Client().Do(req); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a cancelled request: %v", err)
		}
	})
}

func TestFuncWithoutFunctions(t *testing.T) {
	var f providertest.Func
	_, e1 := f.Generate(t.Context(), providers.GenerateRequest{})
	_, e2 := f.ScorePrompt(t.Context(), providers.ScoreRequest{})
	_, e3 := f.Models(t.Context())
	for _, err := range []error{e1, e2, e3} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v: want errors.ErrUnsupported", err)
		}
	}
}

// Run takes a *testing.T; this is how a test of one's own provider calls it.
func ExampleRun() {
	_ = func(t *testing.T) {
		providertest.Run(t, func(t *testing.T) providers.Provider {
			config := providers.HTTPConfig{BaseURL: "http://127.0.0.1:8000/v1"}
			p, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: config})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}, providertest.Options{Model: "my-model", ChatOnly: true})
	}
	fmt.Println("in a test file")
	// Output: in a test file
}

// A provider made of functions, for tests of what stands above.
func ExampleFunc() {
	p := providertest.Func{OnScore: func(_ context.Context, req providers.ScoreRequest) (providers.PromptScore, error) {
		return providers.PromptScore{Text: req.Prompt}, nil
	}}
	s, _ := p.ScorePrompt(context.Background(), providers.ScoreRequest{Prompt: "Hi"})
	_, err := p.Models(context.Background())
	fmt.Println(s.Text, errors.Is(err, errors.ErrUnsupported))
	// Output: Hi true
}
