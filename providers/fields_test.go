package providers_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

// sources are the documents that the fields below come from.
var sources = map[string]string{
	"FW-SDK":   "Fireworks's Python SDK, types/completion_create_params.py and types/chat/completion_create_params.py",
	"FW-COOK":  "Fireworks's cookbook: training/utils/rl/igpo.py scores by echo with max_tokens 0",
	"FW-CACHE": "Fireworks's documentation of prompt caching; the cookbook's verify_logprobs.py sets it for echo",
	"FW-ID":    "Fireworks's SDK, sampling_observability.py: one X-Request-Id for all attempts, echoed back",
	"OAI-SPEC": "OpenAI's openapi.yaml, CreateChatCompletionRequest",
	"OAI-COMP": "OpenAI's openapi.yaml, CreateCompletionRequest, which has no response_format",
	"VLLM-C":   "vLLM, entrypoints/openai/completion/protocol.py",
	"VLLM-S":   "vLLM, entrypoints/openai/completion/serving.py: echo with max_tokens 0",
	"VLLM-CH":  "vLLM, entrypoints/openai/chat_completion/protocol.py",
	"HTTP":     "RFC 9110 and 6750",
}

// sentFields is every field of every request: what is sent, and who says that
// the service takes it. A dot steps into an object, [] into a list.
var sentFields = map[string]map[string]string{
	"fireworks chat": {
		"model": "FW-SDK", "messages[].role": "FW-SDK", "messages[].content": "FW-SDK",
		"temperature": "FW-SDK", "top_p": "FW-SDK", "top_k": "FW-SDK", "max_tokens": "FW-SDK", "seed": "FW-SDK",
		"logprobs": "FW-SDK", "top_logprobs": "FW-SDK", "return_token_ids": "FW-SDK", "context_length_exceeded_behavior": "FW-SDK",
		"response_format.type": "FW-SDK", "response_format.json_schema.name": "FW-SDK", "response_format.json_schema.schema": "FW-SDK",
	},
	"fireworks completions": {
		"model": "FW-SDK", "prompt": "FW-SDK",
		"temperature": "FW-SDK", "top_p": "FW-SDK", "top_k": "FW-SDK", "max_tokens": "FW-SDK", "seed": "FW-SDK",
		"logprobs": "FW-SDK", "top_logprobs": "FW-SDK", "return_token_ids": "FW-SDK", "context_length_exceeded_behavior": "FW-SDK",
		"response_format.type": "FW-SDK", "response_format.json_schema.name": "FW-SDK", "response_format.json_schema.schema": "FW-SDK",
	},
	"fireworks score": {
		"model": "FW-SDK", "prompt": "FW-SDK", "echo": "FW-SDK", "logprobs": "FW-SDK", "max_tokens": "FW-COOK",
		"temperature": "FW-SDK", "top_p": "FW-SDK", "top_k": "FW-SDK", "return_token_ids": "FW-SDK", "prompt_cache_max_len": "FW-CACHE",
	},
	"openai chat": {
		"model": "OAI-SPEC", "messages[].role": "OAI-SPEC", "messages[].content": "OAI-SPEC",
		"temperature": "OAI-SPEC", "top_p": "OAI-SPEC", "max_completion_tokens": "OAI-SPEC", "seed": "OAI-SPEC",
		"logprobs": "OAI-SPEC", "top_logprobs": "OAI-SPEC",
		"response_format.type": "OAI-SPEC", "response_format.json_schema.name": "OAI-SPEC",
		"response_format.json_schema.schema": "OAI-SPEC", "response_format.json_schema.strict": "OAI-SPEC",
	},
	"openai completions": {
		"model": "OAI-COMP", "prompt": "OAI-COMP",
		"temperature": "OAI-COMP", "top_p": "OAI-COMP", "max_tokens": "OAI-COMP", "seed": "OAI-COMP", "logprobs": "OAI-COMP",
	},
	"vllm chat": {
		"min_p": "VLLM-CH", "repetition_penalty": "VLLM-CH", // else the model's generation_config decides
		"model": "VLLM-CH", "messages[].role": "VLLM-CH", "messages[].content": "VLLM-CH",
		"temperature": "VLLM-CH", "top_p": "VLLM-CH", "top_k": "VLLM-CH", "max_tokens": "VLLM-CH", "seed": "VLLM-CH",
		"logprobs": "VLLM-CH", "top_logprobs": "VLLM-CH", "return_token_ids": "VLLM-CH",
		"response_format.type": "VLLM-CH", "response_format.json_schema.name": "VLLM-CH",
		"response_format.json_schema.schema": "VLLM-CH", "response_format.json_schema.strict": "VLLM-CH",
	},
	"vllm completions": {
		"min_p": "VLLM-C", "repetition_penalty": "VLLM-C",
		"model": "VLLM-C", "prompt": "VLLM-C",
		"temperature": "VLLM-C", "top_p": "VLLM-C", "top_k": "VLLM-C", "max_tokens": "VLLM-C", "seed": "VLLM-C",
		"logprobs": "VLLM-C", "return_token_ids": "VLLM-C", "add_special_tokens": "VLLM-C",
		"response_format.type": "VLLM-C", "response_format.json_schema.name": "VLLM-C",
		"response_format.json_schema.schema": "VLLM-C", "response_format.json_schema.strict": "VLLM-C",
	},
	"vllm score": {
		"model": "VLLM-C", "prompt": "VLLM-C", "echo": "VLLM-C", "logprobs": "VLLM-C", "max_tokens": "VLLM-S",
		"temperature": "VLLM-C", "top_p": "VLLM-C", "top_k": "VLLM-C", "return_token_ids": "VLLM-C", "add_special_tokens": "VLLM-C",
	},
}

// sentHeaders are the headers of every POST; a GET lacks those of a body.
var sentHeaders = map[string]string{
	"Accept": "HTTP", "Accept-Encoding": "HTTP", "Authorization": "HTTP", "Content-Length": "HTTP", "Content-Type": "HTTP", "User-Agent": "HTTP",
	"X-Request-Id": "FW-ID",
}

// fieldsOf lists the fields of a body. What the caller wrote, a schema, counts
// as one value.
func fieldsOf(prefix string, v any, out map[string]bool) {
	if prefix == "response_format.json_schema.schema" {
		out[prefix] = true
		return
	}
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			fieldsOf(strings.TrimPrefix(prefix+"."+k, "."), inner, out)
		}
	case []any:
		for _, inner := range v {
			if m, ok := inner.(map[string]any); ok {
				fieldsOf(prefix+"[]", m, out)
				continue
			}
			out[prefix] = true
		}
	default:
		out[prefix] = true
	}
}

// TestEveryFieldHasASource lists what each provider sends over requests in
// which every option is set, one by one and together, and holds it to the
// table, both ways.
func TestEveryFieldHasASource(t *testing.T) {
	seed := int64(3)
	options := []func(*providers.GenerateRequest){
		func(r *providers.GenerateRequest) { r.Seed = &seed },
		func(r *providers.GenerateRequest) { r.LogProbs = true },
		func(r *providers.GenerateRequest) { r.LogProbs, r.TopLogProbs = true, 2 },
		func(r *providers.GenerateRequest) {
			r.Schema = &providers.Schema{Name: "s", Schema: map[string]any{"type": "object", "strict": true}}
		},
	}
	variants := func(base func() providers.GenerateRequest) []providers.GenerateRequest {
		out := []providers.GenerateRequest{base()}
		all := base()
		for _, set := range options {
			one := base()
			set(&one)
			set(&all)
			out = append(out, one)
		}
		return append(out, all)
	}
	ids := func() providers.GenerateRequest {
		r := promptRequest()
		r.Prompt, r.PromptIDs = "", []int{1, 2}
		return r
	}
	scores := []providers.ScoreRequest{scoreRequest(), {Tag: scoreRequest().Tag, Model: "m", PromptIDs: []int{1, 2}}}
	for name, make := range map[string]func(*providertest.Server) providers.Provider{
		"fireworks": func(s *providertest.Server) providers.Provider { return fireworks(t, s) },
		"openai":    func(s *providertest.Server) providers.Provider { return openAI(t, s) },
		"vllm":      func(s *providertest.Server) providers.Provider { return vllm(t, s) },
	} {
		calls := map[string]func(providers.Provider){
			"chat": func(p providers.Provider) {
				for _, r := range variants(chatRequest) {
					p.Generate(t.Context(), r)
				}
			},
		}
		calls["completions"] = func(p providers.Provider) {
			for _, r := range append(variants(promptRequest), variants(ids)...) {
				if name != "openai" || r.Schema == nil { // no model of theirs has both any more
					p.Generate(t.Context(), r)
				}
			}
		}
		if name != "openai" {
			calls["score"] = func(p providers.Provider) {
				for _, r := range scores {
					p.ScorePrompt(t.Context(), r)
				}
			}
		}
		for method, call := range calls {
			s := providertest.NewPipeServer(t, providertest.Reply{Body: `{}`})
			p := make(s)
			call(p)
			sent, headers := map[string]bool{}, map[string]bool{}
			for _, r := range s.Requests() {
				fieldsOf("", map[string]any(r.Body), sent)
				for h := range r.Header {
					headers[h] = true
				}
			}
			compare(t, name+" "+method, sent, sentFields[name+" "+method])
			compare(t, name+" "+method+" headers", headers, sentHeaders)
		}
		s := providertest.NewPipeServer(t, providertest.Reply{Body: `{"data":[]}`})
		make(s).Models(t.Context())
		if r := s.Requests(); len(r) != 1 || r[0].Method != "GET" || r[0].Raw != "" {
			t.Errorf("%s models: %+v: want one GET without a body", name, r)
		}
	}
}

func compare(t *testing.T, what string, sent map[string]bool, table map[string]string) {
	t.Helper()
	for _, f := range slices.Sorted(maps.Keys(sent)) {
		if table[f] == "" {
			t.Errorf("%s sends %q, and no source says that it may", what, f)
		}
	}
	for _, f := range slices.Sorted(maps.Keys(table)) {
		if !sent[f] {
			t.Errorf("%s: the table has %q, which is never sent", what, f)
		}
		if sources[table[f]] == "" {
			t.Errorf("%s: %q has the source %q, which is none", what, f, fmt.Sprint(table[f]))
		}
	}
}
