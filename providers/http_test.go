package providers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

// What each provider sends, byte for byte as JSON decodes it.
func TestRequestBodies(t *testing.T) {
	seed := int64(5)
	schema := &providers.Schema{Name: "score", Schema: map[string]any{"type": "object"}}
	withAll := func(r providers.GenerateRequest) providers.GenerateRequest {
		r.LogProbs, r.TopLogProbs, r.Seed, r.Schema = true, 3, &seed, schema
		r.Extra = map[string]any{"user": "u", "seed": 6} // Extra is merged last
		return r
	}
	type body = map[string]any
	messages := []any{body{"role": "user", "content": "Hi <b>"}}
	for _, c := range []struct {
		reason string
		make   func(*providertest.Server) providers.Provider
		req    any
		path   string
		want   body
	}{
		{"zeros are sent, and nothing is left to the service's defaults",
			func(s *providertest.Server) providers.Provider { return fireworks(t, s) }, chatRequest(),
			"/inference/v1/chat/completions",
			body{"model": "m", "messages": messages, "temperature": 1., "top_p": 1., "top_k": 0., "max_tokens": 10.,
				"return_token_ids": true, "context_length_exceeded_behavior": "error"}},
		{"a schema without strict, which Fireworks has refused",
			func(s *providertest.Server) providers.Provider { return fireworks(t, s) }, withAll(chatRequest()),
			"/inference/v1/chat/completions",
			body{"model": "m", "messages": messages, "temperature": 1., "top_p": 1., "top_k": 0., "max_tokens": 10.,
				"return_token_ids": true, "context_length_exceeded_behavior": "error", "logprobs": true, "top_logprobs": 3.,
				"seed": 6., "user": "u",
				"response_format": body{"type": "json_schema", "json_schema": body{"name": "score",
					"schema": body{"type": "object"}}}}},
		{"a rendered prompt goes to completions, log-probs in the new format",
			func(s *providertest.Server) providers.Provider { return fireworks(t, s) },
			func() any { r := promptRequest(); r.LogProbs = true; return r }(), "/inference/v1/completions",
			body{"model": "m", "prompt": "Hi", "temperature": 1., "top_p": 1., "top_k": 0., "max_tokens": 10.,
				"return_token_ids": true, "context_length_exceeded_behavior": "error", "logprobs": true}},
		{"scoring generates nothing and uses no cache",
			func(s *providertest.Server) providers.Provider { return fireworks(t, s) }, scoreRequest(),
			"/inference/v1/completions",
			body{"model": "m", "prompt": "Hi there", "max_tokens": 0., "echo": true, "logprobs": true, "temperature": 1.,
				"top_p": 1., "top_k": 0.,
				"prompt_cache_max_len": 0., "return_token_ids": true}},
		{"as many alternatives as Fireworks has",
			func(s *providertest.Server) providers.Provider { return fireworks(t, s) },
			func() any { r := scoreRequest(); r.Top = 20; return r }(), "/inference/v1/completions",
			body{"model": "m", "prompt": "Hi there", "max_tokens": 0., "echo": true, "logprobs": true, "top_logprobs": 5.,
				"temperature": 1., "top_p": 1., "top_k": 0.,
				"prompt_cache_max_len": 0., "return_token_ids": true}},
		{"ids are scored as ids",
			func(s *providertest.Server) providers.Provider { return fireworks(t, s) },
			providers.ScoreRequest{Tag: scoreRequest().Tag, Model: "m", PromptIDs: []int{1, 2}}, "/inference/v1/completions",
			body{"model": "m", "prompt": []any{1., 2.}, "max_tokens": 0., "echo": true, "logprobs": true, "temperature": 1.,
				"top_p": 1., "top_k": 0.,
				"prompt_cache_max_len": 0., "return_token_ids": true}},
		{"OpenAI: no top_k, the newer name of the limit, strict schemas",
			func(s *providertest.Server) providers.Provider { return openAI(t, s) }, withAll(chatRequest()),
			"/v1/chat/completions",
			body{"model": "m", "messages": messages, "temperature": 1., "top_p": 1., "max_completion_tokens": 10.,
				"logprobs": true, "top_logprobs": 3., "seed": 6., "user": "u",
				"response_format": body{"type": "json_schema", "json_schema": body{"name": "score", "strict": true,
					"schema": body{"type": "object"}}}}},
		{"vLLM: the template has put BOS there; log-probs by number",
			func(s *providertest.Server) providers.Provider { return vllm(t, s) }, scoreRequest(), "/v1/completions",
			body{"model": "m", "prompt": "Hi there", "max_tokens": 0., "echo": true, "logprobs": 1., "temperature": 1.,
				"top_p": 1., "top_k": 0.,
				"return_token_ids": true, "add_special_tokens": false}},
	} {
		s := providertest.NewServer(t, providertest.Reply{Body: `{}`})
		p := c.make(s)
		var tag providers.Tag
		switch r := c.req.(type) {
		case providers.GenerateRequest:
			p.Generate(t.Context(), r)
			tag = r.Tag
		case providers.ScoreRequest:
			p.ScorePrompt(t.Context(), r)
			tag = r.Tag
		}
		got := s.Requests()
		if len(got) != 1 {
			t.Errorf("%s: %d requests", c.reason, len(got))
			continue
		}
		if diff := cmp.Diff(c.want, got[0].Body); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
		h := got[0].Header
		if got[0].Path != c.path || h.Get("Authorization") != "Bearer "+key ||
			h.Get("X-Request-Id") != providers.RequestID(tag) || h.Get("Content-Type") != "application/json" {
			t.Errorf("%s: sent to %s with %v", c.reason, got[0].Path, h)
		}
		if strings.Contains(got[0].Raw, `\u003c`) {
			t.Errorf("%s: HTML escapes in %s", c.reason, got[0].Raw)
		}
	}
}

func vllm(t testing.TB, s *providertest.Server) *providers.Compatible {
	t.Helper()
	p, err := providers.NewCompatible(providers.CompatibleConfig{
		HTTPConfig: providers.HTTPConfig{BaseURL: s.URL() + "/v1", Key: providers.NewSecret(key), HTTP: s.Client()},
		Name:       "vllm", Quirks: providers.VLLM(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestErrorReplies(t *testing.T) {
	for _, c := range []struct {
		reason  string
		status  int
		body    string
		class   providers.Class
		code    string
		message string
	}{
		{"OpenAI's nested form", 401, `{"error":{"message":"Incorrect API key provided: ` + key +
			`.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`,
			providers.ClassAuth, "invalid_api_key", "Incorrect API key provided: [redacted]."},
		{"Fireworks's nested form", 404,
			`{"error":{"message":"Model not found, inaccessible, and/or not deployed","param":"model","code":"NOT_FOUND","type":"error"},"request_id":"chatcmpl-1"}`,
			providers.ClassModelNotFound, "NOT_FOUND", "Model not found, inaccessible, and/or not deployed"},
		{"the flat form", 429,
			`{"object":"error","type":"invalid_request_error","code":"invalid_request_error","message":"slow down"}`,
			providers.ClassRateLimited, "invalid_request_error", "slow down"},
		{"an error that is a string", 429, `{"error":"Too Many Requests","message":"rate limit reached"}`,
			providers.ClassRateLimited, "Too Many Requests", "rate limit reached"},
		{"a string alone", 503, `{"error":"overloaded"}`, providers.ClassOverloaded, "", "overloaded"},
		{"FastAPI's 422", 422,
			`{"detail":[{"loc":["body","max_tokens"],"msg":"field required","type":"value_error.missing"},{"loc":[],"msg":"and more"}]}`,
			providers.ClassBadRequest, "", "body.max_tokens: field required; and more"},
		{"a detail that is a string: the route is missing, not the model", 404, `{"detail":"Not Found"}`,
			providers.ClassBadRequest, "", "Not Found"},
		{"a code that is a number", 400, `{"object":"error","message":"bad","type":"BadRequestError","code":400}`,
			providers.ClassBadRequest, "400", "bad"},
		{"a message that is a list", 400, `{"error":{"message":["a is wrong","b is wrong"],"code":null}}`,
			providers.ClassBadRequest, "", "a is wrong; b is wrong"},
		{"HTML from a proxy", 502, "<html>\n<body>Bad Gateway</body></html>", providers.ClassOverloaded, "",
			"<html> <body>Bad Gateway</body></html>"},
		{"escape sequences do not reach a terminal", 500, "\x1b[31mred\x00", providers.ClassOverloaded, "",
			`\x1b[31mred\x00`},
		{"nothing at all", 500, "", providers.ClassOverloaded, "", "internal server error"},
		{"an object of unknown form is quoted", 500, `{"oops":1}`, providers.ClassOverloaded, "", `{"oops":1}`},
		{"a nested object of unknown form is quoted", 500, `{"error":{"oops":1}}`, providers.ClassOverloaded, "",
			`{"error":{"oops":1}}`},

		{"no rights", 403, `{}`, providers.ClassAuth, "", "{}"},
		{"billing", 402, `{"error":{"message":"pay"}}`, providers.ClassQuota, "", "pay"},
		{"429 for want of money is not worth another attempt", 429,
			`{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`,
			providers.ClassQuota, "insufficient_quota",
			"You exceeded your current quota, please check your plan and billing details."},
		{"the same under its newer code", 429,
			`{"error":{"message":"no credit","type":"x","code":"credit_balance_exhausted"}}`, providers.ClassQuota,
			"credit_balance_exhausted", "no credit"},
		{"ramp too fast", 429, `{"error":{"message":"slow down","type":"rate_limit_error","code":"slow_down"}}`,
			providers.ClassRateLimited, "slow_down", "slow down"},
		{"account suspended", 412, `{"error":{"message":"Account x is suspended"}}`, providers.ClassQuota, "",
			"Account x is suspended"},
		{"a LoRA did not load", 412, `{"error":{"message":"LoRA failed to load"}}`, providers.ClassBadRequest, "",
			"LoRA failed to load"},
		{"unknown model by code, whatever the status", 400, `{"error":{"message":"no","code":"model_not_found"}}`,
			providers.ClassModelNotFound, "model_not_found", "no"},
		{"too long by code", 400, `{"error":{"message":"no","code":"context_length_exceeded"}}`, providers.ClassTooLong,
			"context_length_exceeded", "no"},
		{"too long by words", 400, `{"error":{"message":"This model's maximum context length is 8192 tokens"}}`,
			providers.ClassTooLong, "", "This model's maximum context length is 8192 tokens"},
		{"content filter", 400, `{"error":{"message":"no","code":"content_filter"}}`, providers.ClassFiltered,
			"content_filter", "no"},
		{"request timeout", 408, `{}`, providers.ClassTimeout, "", "{}"},
		{"a deployment that is not ready passes", 425, `{}`, providers.ClassOverloaded, "", "{}"},
		{"Fireworks's own 583", 583, `{}`, providers.ClassOverloaded, "", "{}"},
		{"other refusals", 418, `{"error":{"message":"too big"}}`, providers.ClassBadRequest, "", "too big"},
		{"a redirect is an answer", 307, ``, providers.ClassBadRequest, "", "temporary redirect"},
		{"an error with status 200", 200, `{"error":{"message":"upstream failed","code":"x"}}`, providers.ClassBrokenReply,
			"x", "upstream failed"},
		{"a quota error with status 200", 200, `{"error":{"message":"no","code":"insufficient_quota"}}`,
			providers.ClassQuota, "insufficient_quota", "no"},
	} {
		s := providertest.NewServer(t, providertest.Reply{Status: c.status, Body: c.body, Header: map[string]string{
			"x-request-id": "srv-1", "x-ratelimit-remaining-requests": "0", "Set-Cookie": "session=1",
		}})
		_, err := openAI(t, s).Generate(t.Context(), chatRequest())
		e := wantError(t, err, c.class)
		if e.Code != c.code || e.Message != c.message || e.Status != c.status || !e.Sent {
			t.Errorf("%s: status %d, sent %v, code %q, message %q: want %d, true, %q, %q", c.reason, e.Status, e.Sent, e.Code,
				e.Message, c.status, c.code, c.message)
		}
		if e.Op != "generate" || e.Provider != "openai" || e.Model != "m" || e.Tag != chatRequest().Tag {
			t.Errorf("%s: the error does not name its call: %+v", c.reason, e)
		}
		want := http.Header{"X-Request-Id": {"srv-1"}, "X-Ratelimit-Remaining-Requests": {"0"}}
		if diff := cmp.Diff(want, e.Meta.Header); diff != "" || e.Meta.RequestID != "srv-1" {
			t.Errorf("%s: request id %q, header (-want +got):\n%s", c.reason, e.Meta.RequestID, diff)
		}
	}
}

func TestLongErrorsAreCut(t *testing.T) {
	// The key stands across the cut: half of it must not survive.
	body := strings.Repeat("é", 505) + key + strings.Repeat("x", 5000)
	s := providertest.NewServer(t, providertest.Reply{Status: 500, Body: body})
	_, err := openAI(t, s).Generate(t.Context(), chatRequest())
	e := wantError(t, err, providers.ClassOverloaded)
	if len(e.Message) > 1024 || strings.Contains(e.Message, key[:6]) {
		t.Errorf("message of %d bytes: %q", len(e.Message), e.Message)
	}
}

func TestRetryAfterForms(t *testing.T) {
	date := time.Now().UTC()
	for _, c := range []struct {
		reason string
		header map[string]string
		want   time.Duration
	}{
		{"none", nil, 0},
		{"seconds", map[string]string{"Retry-After": "7"}, 7 * time.Second},
		{"a fraction", map[string]string{"Retry-After": "0.25"}, 250 * time.Millisecond},
		{"milliseconds go first", map[string]string{"Retry-After": "7", "Retry-After-Ms": "120"}, 120 * time.Millisecond},
		{"milliseconds under Azure's name", map[string]string{"X-Ms-Retry-After-Ms": "120"}, 120 * time.Millisecond},
		{"a date, by the server's clock and not ours", map[string]string{
			"Retry-After": date.Add(1 * time.Hour).Format(http.TimeFormat),
			"Date":        date.Add(time.Hour - 30*time.Second).Format(http.TimeFormat)}, 30 * time.Second},
		{"a date that is past", map[string]string{"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0},
		{"negative", map[string]string{"Retry-After": "-3"}, 0},
		{"nonsense", map[string]string{"Retry-After": "soon"}, 0},
		{"not a number is no wish", map[string]string{"Retry-After": "NaN"}, 0},
		{"a date in another form", map[string]string{"Retry-After": date.Add(time.Hour).Format(time.RFC3339),
			"Date": date.Add(time.Hour - 30*time.Second).Format(http.TimeFormat)}, 30 * time.Second},
		{"a duration", map[string]string{"Retry-After": "1m2.5s"}, 62500 * time.Millisecond},
		{"a duration in words", map[string]string{"Retry-After": "30 seconds"}, 30 * time.Second},
		{"a duration by the clock", map[string]string{"Retry-After": "00:01:30"}, 90 * time.Second},
		{"a date with its zone in digits", map[string]string{"Retry-After": date.Add(time.Hour).Format(time.RFC1123Z),
			"Date": date.Add(time.Hour - 30*time.Second).Format(http.TimeFormat)}, 30 * time.Second},
		{"seconds since 1970", map[string]string{"Retry-After": fmt.Sprint(date.Unix()),
			"Date": date.Add(-30 * time.Second).Format(http.TimeFormat)}, 30 * time.Second},
		{"milliseconds since 1970", map[string]string{"Retry-After": fmt.Sprintf("%d000", date.Unix()),
			"Date": date.Add(-30 * time.Second).Format(http.TimeFormat)}, 30 * time.Second},
		{"which are past", map[string]string{"Retry-After": "1771404540"}, 0},
		{"a day is no date", map[string]string{"Retry-After": "86400"}, 24 * time.Hour},
		{"too large for a duration", map[string]string{"Retry-After": "1e300"}, 1 << 62},
	} {
		s := providertest.NewServer(t, providertest.Reply{Status: 429, Body: `{}`, Header: c.header})
		_, err := openAI(t, s).Generate(t.Context(), chatRequest())
		if e := wantError(t, err, providers.ClassRateLimited); e.RetryAfter != c.want {
			t.Errorf("%s: %v, want %v", c.reason, e.RetryAfter, c.want)
		}
	}
}

func TestTransportFailures(t *testing.T) {
	for _, c := range []struct {
		reason string
		reply  providertest.Reply
		class  providers.Class
		status int
		cause  error
	}{
		{"the connection breaks before an answer", providertest.Reply{Reset: true}, providers.ClassNetwork, 0, io.EOF},
		{"the body breaks off", providertest.Reply{Body: okChat, Cut: true}, providers.ClassBrokenReply, 200,
			io.ErrUnexpectedEOF},
		{"a refusal that breaks off is still that refusal", providertest.Reply{Status: 429,
			Body: `{"error":{"message":"slow down"}}`, Cut: true}, providers.ClassRateLimited, 429, nil},
		{"not JSON", providertest.Reply{Body: "<html>hello</html>"}, providers.ClassBrokenReply, 200, nil},
		{"JSON that ends too soon", providertest.Reply{Body: okChat[:60]}, providers.ClassBrokenReply, 200, nil},
		{"no choices", providertest.Reply{Body: `{"choices":[]}`}, providers.ClassBrokenReply, 200, nil},
		{"no text", providertest.Reply{Body: `{"choices":[{"finish_reason":"stop"}]}`}, providers.ClassBrokenReply, 200,
			nil},
		{"the server failed while generating",
			providertest.Reply{Body: `{"choices":[{"message":{"content":"Hel"},"finish_reason":"error"}]}`},
			providers.ClassBrokenReply, 200, nil},
	} {
		s := providertest.NewServer(t, c.reply)
		_, err := openAI(t, s).Generate(t.Context(), chatRequest())
		e := wantError(t, err, c.class)
		if e.Status != c.status || !e.Sent || c.cause != nil && !errors.Is(e, c.cause) {
			t.Errorf("%s: status %d, sent %v, cause %v", c.reason, e.Status, e.Sent, e.Err)
		}
	}
}

func TestUnreachableServerWasSentNothing(t *testing.T) {
	s := providertest.NewServer(t)
	p, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: "http://127.0.0.1:1/v1", Key: providers.NewSecret(key)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Generate(t.Context(), chatRequest())
	if e := wantError(t, err, providers.ClassNetwork); e.Sent || !strings.Contains(e.Hint, "127.0.0.1:1") {
		t.Errorf("sent %v, hint %q: want false and the address", e.Sent, e.Hint)
	}
	// A transport that reports no connections is not trusted to have sent nothing.
	p, err = providers.NewOpenAI(providers.HTTPConfig{BaseURL: s.URL(), Key: providers.NewSecret(key),
		HTTP: &http.Client{Transport: brokenTransport{}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Generate(t.Context(), chatRequest())
	if e := wantError(t, err, providers.ClassNetwork); !e.Sent {
		t.Error("taken for unsent")
	}
}

type brokenTransport struct{}

func (brokenTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("wires crossed")
}

func TestContextEndsAnAttempt(t *testing.T) {
	s := providertest.NewServer(t, providertest.Reply{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for len(s.Requests()) == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := openAI(t, s).Generate(ctx, chatRequest())
	if e := wantError(t, err, providers.ClassCanceled); !errors.Is(e, context.Canceled) || !e.Sent {
		t.Errorf("sent %v, %v: want true and context.Canceled", e.Sent, e)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = openAI(t, s).Generate(ctx, chatRequest())
	if e := wantError(t, err, providers.ClassTimeout); !errors.Is(e, context.DeadlineExceeded) {
		t.Errorf("%v: want context.DeadlineExceeded", e)
	}
}

func TestGenerationFields(t *testing.T) {
	s := providertest.NewServer(t, providertest.Reply{Header: map[string]string{"Content-Type": "text/plain"},
		Body: okChat})
	g, err := fireworks(t, s).Generate(t.Context(), chatRequest())
	if err != nil {
		t.Fatal(err)
	}
	want := providers.Generation{
		Text: "Hello.", FinishReason: "stop",
		Usage: &providers.Usage{PromptTokens: 20, CompletionTokens: 3, CachedTokens: 8},
		Meta:  providers.Meta{Status: 200, Model: "m-served", Header: http.Header{}},
	}
	if diff := cmp.Diff(want, g, cmpopts.IgnoreFields(providers.Meta{}, "Latency")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMissingContent(t *testing.T) {
	for _, c := range []struct {
		reason, body  string
		text, refusal string
		class         providers.Class
	}{
		{"a refusal is not the response",
			`{"choices":[{"message":{"content":null,"refusal":"I cannot."},"finish_reason":"stop"}]}`, "", "I cannot.", ""},
		{"every token went into reasoning", `{"choices":[{"message":{"content":null},"finish_reason":"length"}]}`, "", "",
			""},
		{"an empty response is one", `{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}`, "", "", ""},
		{"filtered away: not an empty response",
			`{"choices":[{"message":{"content":null},"finish_reason":"content_filter"}]}`, "", "", providers.ClassFiltered},
		{"no message at all", `{"choices":[{"finish_reason":"stop"}]}`, "", "", providers.ClassBrokenReply},
	} {
		s := providertest.NewServer(t, providertest.Reply{Body: c.body})
		g, err := openAI(t, s).Generate(t.Context(), chatRequest())
		if c.class != "" {
			wantError(t, err, c.class)
			continue
		}
		if err != nil || g.Text != c.text || g.Refusal != c.refusal || g.Usage != nil {
			t.Errorf("%s: %+v, %v", c.reason, g, err)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		reason, usage string
		want          *providers.Usage
	}{
		{"none", `null`, nil},
		{"a missing count is not 0", `{"prompt_tokens":5}`, nil},
		{"the total tells the missing count", `{"prompt_tokens":5,"total_tokens":8}`, &providers.Usage{PromptTokens: 5,
			CompletionTokens: 3}},
		{"null is missing", `{"prompt_tokens":null,"completion_tokens":3}`, nil},
		{"negative is nonsense", `{"prompt_tokens":-1,"completion_tokens":3}`, nil},
		{"more cached than there are: they stand beside",
			`{"prompt_tokens":5,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":6}}`,
			&providers.Usage{PromptTokens: 11, CachedTokens: 6, CompletionTokens: 3}},
	} {
		s := providertest.NewServer(t,
			providertest.Reply{Body: `{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":` + c.usage +
				`}`})
		g, err := openAI(t, s).Generate(t.Context(), chatRequest())
		if err != nil {
			t.Errorf("%s: %v", c.reason, err)
		}
		if diff := cmp.Diff(c.want, g.Usage); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

func TestInvalidRequestsAreNotSent(t *testing.T) {
	s := providertest.NewServer(t, providertest.Reply{Body: okChat})
	for reason, spoil := range map[string]func(*providers.GenerateRequest){
		"no model":                       func(r *providers.GenerateRequest) { r.Model = "" },
		"no context":                     func(r *providers.GenerateRequest) { r.Messages = nil },
		"two contexts":                   func(r *providers.GenerateRequest) { r.PromptIDs = []int{1} },
		"a message without a role":       func(r *providers.GenerateRequest) { r.Messages[0].Role = "" },
		"max_tokens 0 is no limit":       func(r *providers.GenerateRequest) { r.Sampling.MaxTokens = 0 },
		"top_p 0 is a forgotten field":   func(r *providers.GenerateRequest) { r.Sampling.TopP = 0 },
		"temperature NaN":                func(r *providers.GenerateRequest) { r.Sampling.Temperature = math.NaN() },
		"OpenAI has no top_k":            func(r *providers.GenerateRequest) { r.Sampling.TopK = 40 },
		"JSON cannot carry these bytes":  func(r *providers.GenerateRequest) { r.Messages[0].Content = "a\xff" },
		"alternatives without log-probs": func(r *providers.GenerateRequest) { r.TopLogProbs = 1 },
		"another model behind the price": func(r *providers.GenerateRequest) { r.Extra = map[string]any{"model": "dear"} },
		"a stream cannot be decoded":     func(r *providers.GenerateRequest) { r.Extra = map[string]any{"stream": true} },
		"what JSON cannot express":       func(r *providers.GenerateRequest) { r.Extra = map[string]any{"x": math.Inf(1)} },
		"a negative token id":            func(r *providers.GenerateRequest) { r.Messages, r.PromptIDs = nil, []int{-1} },
		"a schema without a name": func(r *providers.GenerateRequest) {
			r.Schema = &providers.Schema{Schema: map[string]any{}}
		},
		"a negative number of log-probs": func(r *providers.GenerateRequest) { r.LogProbs, r.TopLogProbs = true, -1 },
	} {
		req := chatRequest()
		spoil(&req)
		_, err := openAI(t, s).Generate(t.Context(), req)
		if e := wantError(t, err, providers.ClassBadRequest); e.Sent || e.Error() == "" {
			t.Errorf("%s: sent", reason)
		}
	}
	_, err := fireworks(t, s).ScorePrompt(t.Context(), providers.ScoreRequest{Model: "m"})
	wantError(t, err, providers.ClassBadRequest)
	_, err = openAI(t, s).ScorePrompt(t.Context(), scoreRequest())
	if e := wantError(t, err, providers.ClassBadRequest); !errors.Is(e, errors.ErrUnsupported) || e.Sent {
		t.Errorf("%v: want errors.ErrUnsupported", e)
	}
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestModels(t *testing.T) {
	s := providertest.NewServer(t, providertest.Reply{Body: `{"object":"list","data":[
		{"id":"a","shutdown_date":"2027-01-14"},{"id":"b","shutdown_date":null,"supportsServerless":false},
		{"id":"c","supports_serverless":true},{"id":"d","supports_serverless":false}]}`})
	got, err := openAI(t, s).Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []providers.Model{
		{ID: "a", Shutdown: time.Date(2027, 1, 14, 0, 0, 0, 0, time.UTC), Serverless: true},
		{ID: "b"}, {ID: "c", Serverless: true}, {ID: "d"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r := s.Requests()[0]; r.Method != "GET" || r.Path != "/v1/models" || r.Header.Get("Authorization") == "" {
		t.Errorf("sent %s %s", r.Method, r.Path)
	}
	for reason, body := range map[string]string{
		"no list": `{}`, "not JSON": `x`, "a nameless model": `{"data":[{}]}`,
		"a date that cannot be read may be tomorrow": `{"data":[{"id":"a","shutdown_date":"soon"}]}`,
	} {
		s := providertest.NewServer(t, providertest.Reply{Body: body})
		_, err := openAI(t, s).Models(t.Context())
		if err == nil {
			t.Errorf("%s: accepted", reason)
			continue
		}
		wantError(t, err, providers.ClassBrokenReply)
	}
	s = providertest.NewServer(t, providertest.Reply{Status: 404, Body: `404 page not found`})
	_, err = openAI(t, s).Models(t.Context())
	if e := wantError(t, err, providers.ClassBadRequest); !strings.Contains(e.Hint, "base URL") {
		t.Errorf("hint %q: want the base URL in it", e.Hint)
	}
}

func TestErrorText(t *testing.T) {
	s := providertest.NewServer(t, providertest.Reply{Status: 401, Body: `{"error":{"message":"no"}}`})
	_, err := fireworks(t, s).Generate(t.Context(), chatRequest())
	want := "providers: fireworks generate m [p0 q1/p0/0]: auth (HTTP 401): no (check that FIREWORKS_API_KEY is set, " +
		"current, and allowed to use this model)"
	if fmt.Sprint(err) != want {
		t.Errorf("got  %v\nwant %v", err, want)
	}
}

// The package's own client: one connection per call in flight and no more, and
// no redirect followed.
func TestOwnHTTPClient(t *testing.T) {
	const workers, rounds = 8, 10
	var opened, redirected atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/chat/completions", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, okChat) })
	mux.HandleFunc("/old/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) { redirected.Add(1) })
	ts := httptest.NewUnstartedServer(mux)
	ts.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	ts.Start()
	defer ts.Close()

	p, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: ts.URL + "/v1", Key: providers.NewSecret(key),
		Concurrency: workers})
	if err != nil {
		t.Fatal(err)
	}
	for range rounds {
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				if _, err := p.Generate(t.Context(), chatRequest()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	// The standard pool of two would open about six anew in each round. One
	// more than there are workers may be dialled while another comes free.
	if n := opened.Load(); n > 2*workers {
		t.Errorf("%d connections for %d workers", n, workers)
	}

	old, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: ts.URL + "/old", Key: providers.NewSecret(key)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = old.Generate(t.Context(), chatRequest())
	if e := wantError(t, err, providers.ClassBadRequest); e.Status != 307 || redirected.Load() != 0 ||
		!strings.Contains(e.Hint, "redirects") {
		t.Errorf("followed %d times, hint %q", redirected.Load(), e.Hint)
	}
}
