package providers_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

// sources are the documents that the fields below come from.
var sources = map[string]string{
	"FW-SDK":    "Fireworks's Python SDK, types/completion_create_params.py and types/chat/completion_create_params.py",
	"FW-COOK":   "Fireworks's cookbook: training/utils/rl/igpo.py scores by echo with max_tokens 0",
	"FW-CACHE":  "Fireworks's documentation of prompt caching; the cookbook's verify_logprobs.py sets it for echo",
	"FW-ID":     "Fireworks's SDK, sampling_observability.py: one X-Request-Id for all attempts, echoed back",
	"OAI-SPEC":  "OpenAI's openapi.yaml, CreateChatCompletionRequest",
	"OAI-COMP":  "OpenAI's openapi.yaml, CreateCompletionRequest, which has no response_format",
	"VLLM-C":    "vLLM, entrypoints/openai/completion/protocol.py",
	"VLLM-S":    "vLLM, entrypoints/openai/completion/serving.py: echo with max_tokens 0",
	"VLLM-CH":   "vLLM, entrypoints/openai/chat_completion/protocol.py",
	"OAI-FILE":  "OpenAI's openapi.yaml, CreateFileRequest",
	"OAI-BATCH": "OpenAI's openapi.yaml, POST /batches",
	"OAI-LINE":  "OpenAI's openapi.yaml, BatchRequestInput",
	"SGL-P":     "SGLang, srt/entrypoints/openai/protocol.py",
	"SGL-S":     "SGLang's documentation of sampling_params, which the OpenAI endpoints take as extra fields",
	"LCPP":      "llama.cpp, tools/server/README.md: the options of /completion, which the OpenAI endpoints take too",
	"LCPY":      "llama-cpp-python, server/types.py",
	"TOG":       "Together's API reference of chat completions and completions",
	"HTTP":      "RFC 9110 and 6750",
}

// fields says that one source stands behind a list of fields.
func fields(source string, names ...string) map[string]string {
	m := map[string]string{}
	for _, list := range names {
		for _, n := range strings.Fields(list) {
			m[n] = source
		}
	}
	return m
}

func with(m map[string]string, more ...map[string]string) map[string]string {
	for _, other := range more {
		maps.Copy(m, other)
	}
	return m
}

// What every chat or completion may set.
const (
	chatFields       = "model messages[].role messages[].content temperature top_p seed logprobs top_logprobs"
	completionFields = "model prompt temperature top_p max_tokens seed logprobs"
	scoreFields      = "model prompt temperature top_p max_tokens logprobs echo"
	schemaFields     = "response_format.type response_format.json_schema.name response_format.json_schema.schema"
	strict           = "response_format.json_schema.strict"
)

// sentFields is every field of every request: what is sent, and who says that
// the service takes it. A dot steps into an object, [] into a list.
var sentFields = map[string]map[string]string{
	"fireworks chat": fields("FW-SDK", chatFields, schemaFields,
		"max_tokens top_k return_token_ids context_length_exceeded_behavior"),
	"fireworks completions": fields("FW-SDK", completionFields, schemaFields,
		"top_logprobs top_k return_token_ids context_length_exceeded_behavior"),
	"fireworks score": with(fields("FW-SDK", scoreFields, "echo_last top_k return_token_ids"),
		fields("FW-COOK", "max_tokens"), fields("FW-CACHE", "prompt_cache_max_len")),

	"openai chat":        fields("OAI-SPEC", chatFields, schemaFields, strict, "max_completion_tokens"),
	"openai completions": fields("OAI-COMP", completionFields),
	"openai upload":      fields("OAI-FILE", "purpose file"),
	"openai batch":       fields("OAI-BATCH", "input_file_id endpoint completion_window metadata.run"),
	"openai batch line": with(fields("OAI-LINE", "custom_id method url"),
		under("body", fields("OAI-SPEC", chatFields, "max_completion_tokens"))),

	// min_p and the penalties are sent because the model's generation_config,
	// or the server, would decide otherwise.
	"vllm chat": fields("VLLM-CH", chatFields, schemaFields, strict,
		"max_tokens top_k return_token_ids min_p repetition_penalty"),
	"vllm completions": fields("VLLM-C", completionFields, schemaFields, strict,
		"top_k return_token_ids add_special_tokens min_p repetition_penalty"),
	"vllm score": with(fields("VLLM-C", scoreFields, "top_k return_token_ids add_special_tokens"),
		fields("VLLM-S", "max_tokens")),

	"vllm score chat": fields("VLLM-CH", "model messages[].role messages[].content max_tokens temperature top_p "+
		"prompt_logprobs add_generation_prompt continue_final_message add_special_tokens return_token_ids "+
		"return_prompt_text"),

	"sglang chat": with(fields("SGL-P", chatFields, schemaFields, strict, "max_tokens return_token_ids"),
		fields("SGL-S", "top_k min_p repetition_penalty")),
	"sglang completions": with(fields("SGL-P", completionFields, schemaFields, strict, "return_token_ids"),
		fields("SGL-S", "top_k min_p repetition_penalty")),
	"sglang score": with(fields("SGL-P", scoreFields, "return_token_ids"), fields("SGL-S", "top_k")),

	"llamacpp chat":        fields("LCPP", chatFields, schemaFields, strict, "max_tokens top_k min_p repeat_penalty"),
	"llamacpp completions": fields("LCPP", completionFields, schemaFields, strict, "top_k min_p repeat_penalty"),

	"llamacpp-python chat": fields("LCPY", chatFields, schemaFields, strict,
		"max_tokens top_k min_p repeat_penalty"),
	"llamacpp-python completions": fields("LCPY", completionFields, schemaFields, strict, "top_k min_p repeat_penalty"),
	"llamacpp-python score":       fields("LCPY", scoreFields, "top_k"),

	"together chat":        fields("TOG", chatFields, schemaFields, strict, "max_tokens top_k min_p repetition_penalty"),
	"together completions": fields("TOG", completionFields, schemaFields, strict, "top_k min_p repetition_penalty"),
	"together score":       fields("TOG", scoreFields, "top_k"),
}

func under(prefix string, m map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[prefix+"."+k] = v
	}
	return out
}

// sentHeaders are the headers of every POST; a GET lacks those of a body.
var sentHeaders = map[string]string{
	"Accept": "HTTP", "Accept-Encoding": "HTTP", "Authorization": "HTTP", "Content-Length": "HTTP",
	"Content-Type": "HTTP", "User-Agent": "HTTP",
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
	scores := []providers.ScoreRequest{scoreRequest(), {Tag: scoreRequest().Tag, Model: "m", PromptIDs: []int{1, 2}},
		{Tag: scoreRequest().Tag, Model: "m", Prompt: "Hi", Last: 1}}
	own := func(q providers.Quirks) func(*providertest.Server) providers.Provider {
		return func(s *providertest.Server) providers.Provider {
			p, err := providers.NewCompatible(providers.CompatibleConfig{
				HTTPConfig: providers.HTTPConfig{BaseURL: s.URL() + "/v1", Key: providers.NewSecret(key), HTTP: s.Client()},
				Quirks:     q,
			})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	for name, make := range map[string]func(*providertest.Server) providers.Provider{
		"fireworks":       func(s *providertest.Server) providers.Provider { return fireworks(t, s) },
		"openai":          func(s *providertest.Server) providers.Provider { return openAI(t, s) },
		"vllm":            own(providers.VLLM()),
		"sglang":          own(providers.SGLang()),
		"llamacpp":        own(providers.LlamaCpp()),
		"llamacpp-python": own(providers.LlamaCppPython()),
		"together":        own(providers.Together()),
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
		if name != "openai" && name != "llamacpp" { // they score no given text
			calls["score"] = func(p providers.Provider) {
				for _, r := range scores {
					p.ScorePrompt(t.Context(), r)
				}
			}
		}
		if name == "vllm" {
			calls["score chat"] = func(p providers.Provider) {
				for _, open := range []bool{true, false} {
					req := chatScoreRequest()
					req.Open = open
					p.(providers.ChatScorer).ScoreChat(t.Context(), req)
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

// TestEveryBatchFieldHasASource is the same for batches.
func TestEveryBatchFieldHasASource(t *testing.T) {
	s := providertest.NewPipeServer(t, providertest.Reply{Body: `{"id":"x","status":"validating"}`})
	p := openAI(t, s)
	req := chatRequest()
	seed := int64(3)
	req.Seed, req.LogProbs, req.TopLogProbs = &seed, true, 2
	endpoint, line, err := p.BatchLine(req)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(line, &body); err != nil {
		t.Fatal(err)
	}
	sent := map[string]bool{}
	fieldsOf("", body, sent)
	compare(t, "a line", sent, sentFields["openai batch line"])

	if _, err := p.CreateBatch(t.Context(), providers.Tag{}, providers.BatchSubmission{FileID: "f", Endpoint: endpoint,
		Metadata: map[string]string{"run": "r"}}); err != nil {
		t.Fatal(err)
	}
	clear(sent)
	fieldsOf("", s.Requests()[0].Body, sent)
	compare(t, "a batch", sent, sentFields["openai batch"])

	var form map[string]bool
	upload := tripper(func(r *http.Request) (*http.Response, error) {
		if err := r.ParseMultipartForm(1 << 20); err != nil {
			return nil, err
		}
		form = map[string]bool{}
		for k := range r.MultipartForm.Value {
			form[k] = true
		}
		for k := range r.MultipartForm.File {
			form[k] = true
		}
		return &http.Response{StatusCode: 200, Header: http.Header{},
			Body: io.NopCloser(strings.NewReader(`{"id":"file-1"}`)), Request: r}, nil
	})
	p, err = providers.NewOpenAI(providers.HTTPConfig{Key: providers.NewSecret(key),
		HTTP: &http.Client{Transport: upload}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UploadBatch(t.Context(), providers.Tag{}, line); err != nil {
		t.Fatal(err)
	}
	compare(t, "an upload", form, sentFields["openai upload"])
}
