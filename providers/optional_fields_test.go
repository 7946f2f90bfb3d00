package providers_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/reweigh/reweigh/providers"
)

// optional are the fields that nothing rests on, by the object that they stand in.
var optional = map[string][]string{
	"reply": {"id", "object", "created", "model", "system_fingerprint", "service_tier", "provider", "timings", "x_groq",
		"prompt_filter_results", "kv_transfer_params", "metadata", "request_id", "citations", "warnings", "usage",
		"usageMetadata", "prompt_token_ids", "prompt", "prompt_text", "prompt_logprobs", "nvext", "note"},
	"choice": {"index", "stop_reason", "matched_stop", "content_filter_results", "native_finish_reason", "seed", "delta",
		"token_ids", "prompt_token_ids", "prompt_logprobs", "usage", "hidden_states", "note"},
	"message": {"role", "annotations", "audio", "name", "function_call", "tool_calls", "reasoning_content", "reasoning",
		"reasoning_details", "thinking_blocks", "provider_specific_fields", "images", "note"},
	"usage": {"total_tokens", "prompt_tokens_details", "completion_tokens_details", "cost", "cached_tokens",
		"prompt_cache_hit_tokens", "queue_time", "num_search_queries", "is_byok", "note"},
	"arrays": {"text_offset", "top_logprobs", "token_ids", "content_logprobs", "note"},
	"token":  {"bytes", "top_logprobs", "token_id", "id", "text_offset", "rank", "extra_logprobs", "note"},
}

var oddValues = []string{`null`, `true`, `7`, `-7`, `1e400`, `12.5`, `"12"`, `""`, `"odd"`, `"\ud83d"`, `"\u0000"`, `[]`, `{}`,
	`[null]`, `[{}]`, `{"a":{"a":[[]]}}`, `[-1,"x",null,1e99]`, `{"code":0,"message":null}`, `[1.5,2]`, `"NaN"`,
	`{"a":1,"a":2}`, `{"cached_tokens":"many","reasoning_tokens":[]}`}

// oddReply is a whole answer to a call, of whose optional fields one holds what
// it should not, or stands twice. how says which.
func oddReply(r *rand.Rand, call string) (body, how string) {
	where := map[string][]string{"chat": {"reply", "choice", "message", "usage", "token"},
		"completion": {"reply", "choice", "usage", "arrays"}, "score": {"reply", "choice", "usage", "arrays"},
		"score content": {"reply", "choice", "usage", "token"}}[call]
	object := where[r.IntN(len(where))]
	field := optional[object][r.IntN(len(optional[object]))]
	value := oddValues[r.IntN(len(oddValues))]
	odd := fmt.Sprintf(`,%q:%s`, field, value)
	if r.IntN(8) == 0 {
		odd += odd
	}
	at := func(o string) string {
		if o == object {
			return odd
		}
		return ""
	}
	content := fmt.Sprintf(`{"content":[{"token":"Hi","logprob":-0.5%s},{"token":" there","logprob":-1.25}]}`, at("token"))
	logprobs := content
	if call == "completion" || call == "score" {
		logprobs = fmt.Sprintf(`{"tokens":["Hi"," there"],"token_logprobs":[null,-1.25]%s}`, at("arrays"))
	}
	said := `"text":"Hi there"`
	if call == "chat" {
		said = fmt.Sprintf(`"message":{"content":"Hi there"%s}`, at("message"))
	}
	generated := 2
	if strings.HasPrefix(call, "score") {
		generated = 0
	}
	usage := fmt.Sprintf(`,"usage":{"prompt_tokens":2,"completion_tokens":%d%s}`, generated, at("usage"))
	if object == "reply" && field == "usage" {
		usage = ""
	}
	return fmt.Sprintf(`{"choices":[{%s,"finish_reason":"stop","logprobs":%s%s}]%s%s}`, said, logprobs, at("choice"), usage,
		at("reply")), fmt.Sprintf("%s: %s%s", call, object, odd)
}

// No answer that was paid for is bought twice for the sake of a field that is not
// needed: of whole answers with one odd field, none is asked for again, and each
// gives its text and its log-probs.
func TestOddOptionalFieldsCostNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(20, 26))
	var body string
	answer := tripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)),
			Request: req}, nil
	})
	p, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: providers.HTTPConfig{
		BaseURL: "http://h.invalid/v1", Key: providers.NewSecret(key), HTTP: &http.Client{Transport: answer}},
		Quirks: providers.VLLM()})
	if err != nil {
		t.Fatal(err)
	}
	c, err := providers.NewClient(p, providers.ClientConfig{Prices: prices,
		Retry: providers.Retry{Attempts: 3, Base: time.Microsecond, Max: time.Microsecond}})
	if err != nil {
		t.Fatal(err)
	}
	calls := []string{"chat", "completion", "score", "score content"}
	for i := range drillCalls() {
		call := calls[i%len(calls)]
		var how string
		body, how = oddReply(r, call)
		var tokens []providers.Token
		var text string
		var meta providers.Meta
		var err error
		switch call {
		case "chat", "completion":
			req := chatRequest()
			if call == "completion" {
				req = promptRequest()
			}
			req.LogProbs = true
			var g providers.Generation
			g, err = c.Generate(t.Context(), req)
			tokens, text, meta = g.Tokens, g.Text, g.Meta
		default:
			var s providers.PromptScore
			s, err = c.ScorePrompt(t.Context(), scoreRequest())
			tokens, text, meta = s.Tokens, s.Text, s.Meta
		}
		if err != nil || meta.Attempts > 1 {
			t.Errorf("%s: %d attempts, %v\n%s", how, meta.Attempts, err, body)
			continue
		}
		var spelled bytes.Buffer
		for _, tok := range tokens {
			spelled.WriteString(tok.Text)
		}
		if spelled.String() != "Hi there" || text != "Hi there" || tokens[1].LogProb.OrNaN() != -1.25 {
			t.Errorf("%s: %q, %+v\n%s", how, text, tokens, body)
		}
	}
}
