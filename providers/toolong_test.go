package providers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

// What servers say of a context that does not fit, and the two numbers in it.
// The words of vLLM are from reports of its users, llama-cpp-python's from its
// source; the others are as commonly met.
func TestContextTooLong(t *testing.T) {
	for _, c := range []struct {
		server, message, body string
		limit, size           int // 0: the message does not say
	}{
		{server: "OpenAI, prompt", message: "This model's maximum context length is 8192 tokens. However, your messages " +
			"resulted in 10000 tokens. Please reduce the length of the messages.", limit: 8192, size: 10000},
		{server: "OpenAI and vLLM, both", message: "This model's maximum context length is 16384 tokens. However, you " +
			"requested 122946 tokens (112946 in the messages, 10000 in the completion). Please reduce the length of the " +
			"messages or completion.", limit: 16384, size: 122946},
		{server: "vLLM, 2025", message: "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's " +
			"maximum context length is 4096 tokens and your request has 10 input tokens (5000 > 4096 - 10).", limit: 4096,
			size: 5010},
		{server: "vLLM's engine", message: "The prompt (total length 25938) is too long to fit into the model (context " +
			"length 4096). Make sure that `max_model_len` is no smaller than the number of text tokens.", limit: 4096,
			size: 25938},
		{server: "Fireworks", message: "The prompt is too long: 140000, model maximum context length: 131071", limit: 131071,
			size: 140000},
		{server: "SGLang, prompt", message: "The input (5000 tokens) is longer than the model's context length (4096 " +
			"tokens).", limit: 4096, size: 5000},
		{server: "SGLang, both", message: "Requested token count exceeds the model's maximum context length of 4096 " +
			"tokens. You requested a total of 5000 tokens: 4000 tokens from the input messages and 1000 tokens for the " +
			"completion.", limit: 4096, size: 5000},
		{server: "llama.cpp", message: "request (9000 tokens) exceeds the available context size (4096 tokens), try " +
			"increasing it", limit: 4096, size: 9000},
		{server: "llama.cpp by type",
			body: `{"error":{"code":400,"message":"the request is too big","type":"exceed_context_size_error"}}`},
		{server: "llama-cpp-python", message: "Requested tokens (5000) exceed context window of 4096", limit: 4096,
			size: 5000},
		{server: "Together", message: "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. " +
			"Given: 4000 `inputs` tokens and 1000 `max_new_tokens`", limit: 4097, size: 5000},
		{server: "no numbers", message: "the prompt is too long"},
		{server: "numbers that contradict the refusal are not worked with",
			message: "maximum context length is 8192 tokens, you requested 10 tokens", limit: 8192},
		{server: "a number beyond all sense", message: "maximum context length is 99999999999999999999 tokens"},
	} {
		body := c.body
		if body == "" {
			body = fmt.Sprintf(`{"error":{"message":%q,"type":"invalid_request_error"}}`, c.message)
		}
		s := providertest.NewServer(t, providertest.Reply{Status: 400, Body: body})
		_, err := openAI(t, s).Generate(t.Context(), chatRequest())
		e := wantError(t, err, providers.ClassTooLong)
		want := "shorten the context or lower max_tokens"
		switch {
		case c.size > 0:
			want = fmt.Sprintf("takes %d tokens and the request comes to %d: shorten the context or lower max_tokens, by %d "+
				"together", c.limit, c.size, c.size-c.limit)
		case c.limit > 0:
			want = fmt.Sprintf("the model takes %d tokens: ", c.limit) + want
		}
		if !strings.HasSuffix(e.Hint, want) {
			t.Errorf("%s: hint %q, want %q", c.server, e.Hint, want)
		}
	}
}
