package providers_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

// refusal is OpenAI's 400 for a parameter that a model does not take.
func refusal(code, param, message string) providertest.Reply {
	return providertest.Reply{Status: 400,
		Body: fmt.Sprintf(`{"error":{"message":%q,"type":"invalid_request_error","param":%q,"code":%q}}`, message, param,
			code)}
}

const (
	useNewName = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' " +
		"instead."
	useOldName = "Unsupported parameter: 'max_completion_tokens' is not supported with this model. Use 'max_tokens' " +
		"instead."
)

func compatible(t testing.TB, s *providertest.Server) *providers.Compatible {
	t.Helper()
	p, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: providers.HTTPConfig{BaseURL: s.URL() +
		"/v1", HTTP: s.Client()}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The name of the limit is learned once per model: the refused attempt stands
// in the ledger at no cost, and the next calls begin with the right name.
func TestLimitNameIsLearned(t *testing.T) {
	for _, c := range []struct {
		make     func(testing.TB, *providertest.Server) providers.Provider
		refusal  providertest.Reply
		from, to string
	}{
		{func(t testing.TB, s *providertest.Server) providers.Provider { return compatible(t, s) },
			refusal("unsupported_parameter", "max_tokens", useNewName), "max_tokens", "max_completion_tokens"},
		{func(t testing.TB, s *providertest.Server) providers.Provider { return openAI(t, s) },
			refusal("unsupported_parameter", "max_completion_tokens", useOldName), "max_completion_tokens", "max_tokens"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := providertest.NewPipeServer(t, c.refusal, providertest.Reply{Body: okChat})
			ledger := &providers.MemoryLedger{}
			client, err := providers.NewClient(c.make(t, s), providers.ClientConfig{Prices: prices, Ledger: ledger})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := client.Generate(t.Context(), chatRequest()); err != nil {
					t.Fatal(err)
				}
			}
			got := s.Requests()
			if len(got) != 3 || got[0].Body[c.from] != 10.0 || got[1].Body[c.to] != 10.0 || got[2].Body[c.to] != 10.0 ||
				got[2].Body[c.from] != nil {
				t.Errorf("%d requests: %v", len(got), got)
			}
			first := ledger.Entries()[0]
			if first.Outcome != string(providers.ClassAdapted) || first.Status != 400 || first.Cost != 0 || !first.UsageKnown {
				t.Errorf("the refused attempt in the ledger: %+v", first)
			}
		})
	}
}

// One model's rules are not another's.
func TestRulesAreTheModelsOwn(t *testing.T) {
	s := providertest.NewServer(t, refusal("unsupported_parameter", "max_tokens", useNewName),
		providertest.Reply{Body: okChat})
	p := compatible(t, s)
	_, err := p.Generate(t.Context(), chatRequest())
	if e := wantError(t, err, providers.ClassAdapted); e.Param != "max_tokens" ||
		!strings.Contains(e.Hint, "max_completion_tokens in place of max_tokens") {
		t.Errorf("%+v", e)
	}
	other := chatRequest()
	other.Model = "o3-like-name"
	if _, err := p.Generate(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if b := s.Requests()[1].Body; b["max_tokens"] != 10.0 {
		t.Errorf("another model was sent %v", b)
	}
}

// Many calls are refused at once, some of them after another has learned: each
// is tried again once, and succeeds.
func TestLearningIsConcurrent(t *testing.T) {
	var refused atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		json.NewDecoder(r.Body).Decode(&body)
		if _, old := body["max_tokens"]; old {
			refused.Add(1)
			w.WriteHeader(400)
			io.WriteString(w, refusal("unsupported_parameter", "max_tokens", useNewName).Body)
			return
		}
		io.WriteString(w, okChat)
	}))
	defer s.Close()
	p, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: providers.HTTPConfig{BaseURL: s.URL + "/v1",
		HTTP: s.Client()}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := providers.NewClient(p, providers.ClientConfig{Prices: prices, Concurrency: 16,
		Retry: providers.Retry{Base: time.Millisecond, Attempts: 2}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := client.Generate(t.Context(), chatRequest()); err != nil {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	if n := refused.Load(); n < 1 || n > 16 {
		t.Errorf("%d attempts were refused", n)
	}
}

// A server that refuses both names is not asked for ever.
func TestLearningEnds(t *testing.T) {
	s := providertest.NewServer(t, refusal("unsupported_parameter", "max_tokens", useNewName),
		refusal("unsupported_parameter", "max_completion_tokens", useOldName))
	p := compatible(t, s)
	_, err := p.Generate(t.Context(), chatRequest())
	wantError(t, err, providers.ClassAdapted)
	for range 2 {
		_, err = p.Generate(t.Context(), chatRequest())
		wantError(t, err, providers.ClassBadRequest)
	}
}

// Temperature and top_p are the policy. Whatever the server says, they are not
// dropped, unless the value asked for is the only one that there is.
func TestPolicyIsNotChangedBehindItsBack(t *testing.T) {
	const onlyOne = "Unsupported value: '%s' does not support %v with this model. Only the default (1) value is " +
		"supported."
	for _, c := range []struct {
		reason      string
		temperature float64
		reply       providertest.Reply
		class       providers.Class
		hint        string
	}{
		{"another value", 0.7, refusal("unsupported_value", "temperature", fmt.Sprintf(onlyOne, "temperature", 0.7)),
			providers.ClassBadRequest, "does not accept temperature 0.7"},
		{"the only value", 1, refusal("unsupported_value", "temperature", fmt.Sprintf(onlyOne, "temperature", 1)),
			providers.ClassAdapted, "leave it out"},
		{"no temperature, and no word of what it is then", 1, refusal("unsupported_parameter", "temperature",
			"Unsupported parameter: 'temperature' is not supported with this model."), providers.ClassBadRequest,
			"does not accept temperature 1"},
		{"top_p", 1, refusal("unsupported_parameter", "top_p",
			"Unsupported parameter: 'top_p' is not supported with this model."), providers.ClassBadRequest,
			"does not accept top_p 1"},
		{"log-probs", 1, refusal("unsupported_parameter", "logprobs",
			"Unsupported parameter: 'logprobs' is not supported with this model."), providers.ClassBadRequest,
			"gives no log-probs"},
		{"a limit without another name", 1, refusal("unsupported_parameter", "max_tokens",
			"Unsupported parameter: 'max_tokens' is not supported with this model."), providers.ClassBadRequest, ""},
		{"the other name is only part of a word", 1, refusal("unsupported_parameter", "max_tokens",
			"Unsupported parameter: 'max_tokens'. See my_max_completion_tokens."), providers.ClassBadRequest, ""},
		{"a field that was not sent", 1, refusal("unsupported_value", "reasoning.effort",
			"Unsupported value: 'reasoning.effort' does not support 'none'."), providers.ClassBadRequest, ""},
		{"the parameter is named in the message alone", 0.7, providertest.Reply{Status: 400,
			Body: `{"error":{"message":"Unsupported value: 'temperature' does not support 0.7 with this model."}}`},
			providers.ClassBadRequest, "does not accept temperature 0.7"},
		{"another complaint about temperature", 0.7, refusal("invalid_value", "temperature",
			"Invalid 'temperature': must be a number."), providers.ClassBadRequest, ""},
	} {
		s := providertest.NewServer(t, c.reply)
		p := compatible(t, s)
		req := chatRequest()
		req.Sampling.Temperature, req.LogProbs = c.temperature, true
		_, err := p.Generate(t.Context(), req)
		if e := wantError(t, err, c.class); !strings.Contains(e.Hint, c.hint) || c.hint == "" && e.Hint != "" {
			t.Errorf("%s: hint %q, want %q", c.reason, e.Hint, c.hint)
		}
		p.Generate(t.Context(), req)
		req.Sampling.Temperature = 0.5
		p.Generate(t.Context(), req)
		got := s.Requests()
		_, again := got[1].Body["temperature"]
		if omitted := c.class == providers.ClassAdapted; again == omitted {
			t.Errorf("%s: the second request says temperature %v", c.reason, got[1].Body["temperature"])
		}
		if got[2].Body["temperature"] != 0.5 {
			t.Errorf("%s: another temperature is sent as it is, not %v", c.reason, got[2].Body["temperature"])
		}
		if got[1].Body["top_p"] != 1.0 || got[1].Body["logprobs"] != true {
			t.Errorf("%s: the second request lost a field: %v", c.reason, got[1].Body)
		}
	}
}

// What comes from Extra is the caller's to change.
func TestExtraIsNotLearnedAbout(t *testing.T) {
	s := providertest.NewServer(t, refusal("unsupported_parameter", "max_tokens", useNewName))
	req := chatRequest()
	req.Extra = map[string]any{"max_tokens": 5}
	_, err := compatible(t, s).Generate(t.Context(), req)
	if e := wantError(t, err, providers.ClassBadRequest); !strings.Contains(e.Hint, "Extra") {
		t.Errorf("hint %q", e.Hint)
	}
}
