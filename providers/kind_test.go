package providers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy"
)

// listingServer answers a model listing, in memory.
type listingServer struct {
	body   string
	header map[string]string
	calls  int
	sent   []byte // the last body
}

func (s *listingServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.calls++
	if r.Body != nil {
		s.sent, _ = io.ReadAll(r.Body)
	}
	h := http.Header{"Content-Type": {"application/json"}}
	for k, v := range s.header {
		h.Set(k, v)
	}
	return &http.Response{StatusCode: 200, Header: h, Body: io.NopCloser(strings.NewReader(s.body)), Request: r}, nil
}

// TestKindIsChecked: a server that shows its make in its listing must be of the kind
// that was said. The listings are of the form that each server writes.
func TestKindIsChecked(t *testing.T) {
	const (
		vllm = `{"object":"list","data":[{"id":"Qwen/Qwen3-8B","object":"model","created":1,"owned_by":"vllm",` +
			`"root":"Qwen/Qwen3-8B","parent":null,"max_model_len":40960,"permission":[{"id":"modelperm-1"}]}]}`
		sglang = `{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"sglang","root":"m",` +
			`"max_model_len":8192}]}`
		llamacpp = `{"models":[{"name":"m.gguf"}],"object":"list","data":[{"id":"m.gguf","object":"model","created":1,` +
			`"owned_by":"llamacpp","meta":{"n_ctx_train":32768}}]}`
		python = `{"object":"list","data":[{"id":"/models/m.gguf","object":"model","owned_by":"me","permissions":[]}]}`
		ollama = `{"object":"list","data":[{"id":"llama3.2:latest","object":"model","created":1,"owned_by":"library"}]}`
		hub    = `{"object":"list","data":[{"id":"hf.co/someone/M-GGUF:Q4_K_M","object":"model","created":1,` +
			`"owned_by":"someone"}]}`
		studio   = `{"data":[{"id":"some-7b","object":"model","owned_by":"organization_owner"}],"object":"list"}`
		untagged = `{"object":"list","data":[{"id":"qwen3","object":"model","created":0,"owned_by":"library"}]}`
		both     = `{"object":"list","data":[{"id":"llama3.2:3b","owned_by":"library"},` +
			`{"id":"milkey/M:q8","owned_by":"milkey"}]}`
		embedder = `{"data":[{"id":"qwen/qwen3-4b","object":"model","owned_by":"organization_owner"},` +
			`{"id":"text-embedding-nomic-embed-text-v1.5","object":"model","owned_by":"organization_owner"}],"object":"list"}`
		tgi = `{"object":"list","data":[{"id":"HuggingFaceTB/SmolLM2-135M","object":"model","created":0,` +
			`"owned_by":"HuggingFaceTB/SmolLM2-135M"}]}`
		dated  = `{"data":[{"id":"a","object":"model","created":1700000000,"owned_by":"a"}]}`
		router = `{"object":"list","data":[{"id":"a","owned_by":"llamacpp","status":{"value":"unloaded"}},` +
			`{"id":"b","owned_by":"llamacpp","status":{"value":"loaded"}}]}`
		adapter = `{"data":[{"id":"base","owned_by":"vllm","root":"base"},` +
			`{"id":"tuned","owned_by":"vllm","root":"/adapters/tuned","parent":"base"}]}`
		local = `{"object":"list","data":[{"id":"m","object":"model"}]}`
		// A gateway over several makes, and one that names whose models they are.
		mixed   = `{"data":[{"id":"a","owned_by":"vllm"},{"id":"b","owned_by":"openai"}]}`
		gateway = `{"data":[{"id":"a","owned_by":"openai"}]}`
		bare    = `[{"id":"meta-llama/Llama-3-8b","object":"model","organization":"Meta","context_length":8192}]`
		null    = `{"data":[{"id":"a","owned_by":null},{"id":"b","owned_by":7}]}`
	)
	header := func(k, v string) map[string]string { return map[string]string{k: v} }
	tests := []struct {
		name, body string
		header     map[string]string
		said       Kind
		wrong      string // what the refusal names; empty if there is none
		scores     bool
		reason     string
	}{
		{"vLLM", vllm, nil, KindVLLM, "", true, "it is what was said"},
		{"vLLM as Fireworks", vllm, nil, KindFireworks, "vllm", true, "no min_p would be sent, and the model's own decide"},
		{"vLLM as OpenAI", vllm, nil, KindOpenAI, "vllm", false, "other names of fields"},
		{"vLLM as SGLang", vllm, nil, KindSGLang, "vllm", true, "no second BOS there"},
		{"vLLM as compatible", vllm, nil, KindCompatible, "", true, "any server is that"},
		{"SGLang as vLLM", sglang, nil, KindVLLM, "sglang", true, "it puts a BOS token there"},
		{"llama-cpp-python as vLLM", python, nil, KindVLLM, "llama-cpp-python", true, "its echo drops the BOS"},
		{"llama-cpp-python", python, nil, KindLlamaCppPython, "", true, "it is what was said"},
		{"llama.cpp as llama-cpp-python", llamacpp, nil, KindLlamaCppPython, "llama.cpp", false, "two servers, one engine"},
		{"llama.cpp as compatible", llamacpp, nil, KindCompatible, "", false, "it may judge"},
		{"llama.cpp by its header", gateway, header("Server", "llama.cpp"), KindCompatible, "", false, "whatever it lists"},
		{"Ollama as vLLM", ollama, nil, KindVLLM, "ollama", false, "its echo has no log-probs"},
		{"Ollama as compatible", ollama, nil, KindCompatible, "", false, "it may judge"},
		{"Ollama with a model of the hub", hub, nil, KindCompatible, "", false, "the namespace stands as the owner"},
		{"LM Studio as compatible", studio, nil, KindCompatible, "", false, "it may judge"},
		{"Ollama without a tag", untagged, nil, KindCompatible, "", false, "older versions"},
		{"Ollama with models of two", both, nil, KindVLLM, "ollama", false, "of its library and of a person"},
		{"LM Studio as vLLM", embedder, nil, KindVLLM, "lm-studio", false, "an embedder is listed, too"},
		{"LM Studio behind Express", studio, header("X-Powered-By", "Express"), KindCompatible, "", false, "by its server"},
		{"Text Generation Inference", tgi, nil, KindCompatible, "", false, "it may judge"},
		{"Text Generation Inference as vLLM", tgi, nil, KindVLLM, "tgi", false, "its completions have no echo"},
		{"a model that owns itself", dated, nil, KindVLLM, "", true, "with a date it is not that server"},
		{"several models of llama.cpp", router, nil, KindVLLM, "llama.cpp", false, "loaded or not"},
		{"vLLM with an adapter", adapter, nil, KindSGLang, "vllm", true, "both are its own"},
		{"no owner", local, nil, KindVLLM, "", true, "nothing is shown, as by mlx_lm"},
		{"vLLM behind uvicorn", vllm, header("Server", "uvicorn"), KindSGLang, "vllm", true, "a header of many servers"},
		{"OpenAI as compatible", gateway, header("Openai-Version", "2020-10-01"), KindVLLM, "openai", true, "by its header"},
		{"a gateway over several", mixed, nil, KindSGLang, "", true, "it shows no make"},
		{"a gateway to OpenAI's models", gateway, nil, KindVLLM, "", true, "the owner of a model is not the server's make"},
		{"a bare list", bare, nil, KindTogether, "", true, "Together has no data around it"},
		{"owners that are no text", null, nil, KindVLLM, "", true, "they show nothing"},
	}
	for _, tt := range tests {
		server := &listingServer{body: tt.body, header: tt.header}
		p, err := NewOfKind(tt.said, "e", "", HTTPConfig{BaseURL: "http://127.0.0.1:1/v1",
			HTTP: &http.Client{Transport: server}})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		models, err := p.Models(context.Background())
		switch {
		case tt.wrong == "" && (err != nil || len(models) == 0):
			t.Errorf("%s: %v (%s)", tt.name, err, tt.reason)
		case tt.wrong != "" && (!errors.Is(err, ErrWrongKind) || !strings.Contains(err.Error(), "of kind "+tt.wrong+",")):
			t.Errorf("%s: %v, want that it is a server of kind %s (%s)", tt.name, err, tt.wrong, tt.reason)
		}
		if got := ScoresPrompts(p, "m"); (got == nil) != tt.scores {
			t.Errorf("%s: scores prompts: %v, want that it may: %v", tt.name, got, tt.scores)
		}
		shown, said := ShownKind(p, "m")
		if want := tt.name == "vLLM as compatible"; (shown == KindVLLM) != want || !want && shown != "" ||
			said != (tt.said != KindCompatible) {
			t.Errorf("%s: shown is %q, and a kind was said: %v", tt.name, shown, said)
		}
		if server.calls != 1 {
			t.Errorf("%s: %d requests, want the listing alone", tt.name, server.calls)
		}
	}
}

func TestLoopback(t *testing.T) {
	for url, want := range map[string]bool{
		"http://127.0.0.1:8000/v1": true, "http://127.9.9.9/v1": true, "http://[::1]:8000/v1": true,
		"http://localhost:11434/v1": true, "http://LOCALHOST/v1": true, "http://a.localhost/v1": true,
		"http://10.0.0.1/v1": false, "https://api.openai.com/v1": false, "http://localhost.example.com/v1": false,
		"http://127.0.0.1.example.com/v1": false, "http://0.0.0.0:8000/v1": false, "": false, "http://[::1": false,
	} {
		if got := Loopback(url); got != want {
			t.Errorf("Loopback(%q) = %v", url, got)
		}
	}
}

// TestLoopbackNeedsNoKey: a server on this machine has none, whatever its kind.
func TestLoopbackNeedsNoKey(t *testing.T) {
	for _, k := range Kinds() {
		if _, err := NewOfKind(k, "e", "", HTTPConfig{BaseURL: "http://127.0.0.1:1/v1"}); err != nil {
			t.Errorf("%s on loopback: %v", k, err)
		}
	}
	for _, k := range []Kind{KindFireworks, KindOpenAI} {
		if _, err := NewOfKind(k, "e", "", HTTPConfig{}); err == nil {
			t.Errorf("%s at its public address was taken without a key", k)
		}
	}
	if _, err := NewOfKind("tgi", "e", "", HTTPConfig{BaseURL: "http://127.0.0.1:1/v1"}); err == nil {
		t.Error("a kind that is not known was taken")
	}
}

// TestFoundKindSendsNeutralSettings: a server that was declared as no kind, and shows one, is
// sent what keeps the model's generation_config out, top_k too.
func TestFoundKindSendsNeutralSettings(t *testing.T) {
	for owner, want := range map[string]map[string]any{
		"vllm":     {"top_k": 0., "min_p": 0., "repetition_penalty": 1.},
		"sglang":   {"top_k": -1., "min_p": 0., "repetition_penalty": 1.},
		"me":       {"top_k": 0., "min_p": 0., "repeat_penalty": 1.},
		"llamacpp": {"top_k": 0., "min_p": 0., "repeat_penalty": 1.},
		"somebody": {},
	} {
		server := &listingServer{body: `{"data":[{"id":"m","owned_by":"` + owner + `"}]}`}
		p, err := NewOfKind(KindCompatible, "e", "", HTTPConfig{BaseURL: "http://127.0.0.1:1/v1",
			HTTP: &http.Client{Transport: server}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Models(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, _ = p.Generate(t.Context(), GenerateRequest{Model: "m", Prompt: "x",
			Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 1}})
		var sent map[string]any
		if err := json.Unmarshal(server.sent, &sent); err != nil {
			t.Fatal(err)
		}
		if len(want) > 0 { // a top_k that is asked for stands
			p := &Compatible{newService(nil, dialect{Quirks: Quirks{TopK: true}})}
			p.service.found.Store(kindOfOwner(owner, "m"))
			a, err := p.service.generateAttempt(GenerateRequest{Model: "m", Prompt: "x",
				Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, TopK: 7, MaxTokens: 1}})
			if err != nil || a.body["top_k"] != 7 {
				t.Errorf("%s: top_k 7 is sent as %v, %v", owner, a.body["top_k"], err)
			}
		}
		for _, name := range []string{"top_k", "min_p", "repetition_penalty", "repeat_penalty"} {
			if sent[name] != want[name] {
				t.Errorf("%s: %s is sent as %v, want %v", owner, name, sent[name], want[name])
			}
		}
	}
}
