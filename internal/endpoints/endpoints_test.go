package endpoints

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		in     string
		want   Spec
		fails  string
		reason string
	}{
		{"e=vllm:http://127.0.0.1:8000/v1", Spec{"e", "vllm", "http://127.0.0.1:8000/v1", ""}, "", "the usual form"},
		{"e=vLLM:http://127.0.0.1:8000/v1", Spec{"e", "vllm", "http://127.0.0.1:8000/v1", ""}, "", "its own spelling"},
		{"o=openai", Spec{"o", "openai", "", ""}, "", "a service has a public address"},
		{"o=openai,key-env=K", Spec{"o", "openai", "", "K"}, "", "and a key"},
		{"e=compatible:https://h/v1,key-env=K", Spec{"e", "compatible", "https://h/v1", "K"}, "", "both"},
		{"e=vllm", Spec{}, "public address", "an engine has none"},
		{"e=tgi:http://h/v1", Spec{}, "llama-cpp-python", "the kinds are listed"},
		{"vllm:http://h/v1", Spec{}, Form, "there is no name"},
		{"=vllm:http://h/v1", Spec{}, Form, "nor here"},
		{"e=vllm:http://h/v1,key=K", Spec{}, "key-env", "a misspelt option would leave the key out"},
		{"e=vllm:http://h/v1,key-env=", Spec{}, "key-env", "no variable"},
		{"e=vllm:http://h/v1,key-env=A,key-env=B", Spec{}, "key-env", "two"},
	}
	for _, tt := range tests {
		got, err := parse(tt.in)
		if tt.fails == "" && (err != nil || got != tt.want) ||
			tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)) {
			t.Errorf("%s: %+v, %v (%s)", tt.in, got, err, tt.reason)
		}
	}
}

func TestOpen(t *testing.T) {
	env := func(name string) string { return map[string]string{"K": "secret", "OPENAI_API_KEY": "other"}[name] }
	tests := []struct {
		spec   string
		bos    []string
		free   bool
		fails  string
		reason string
	}{
		{"e=vllm:http://localhost:8000/v1", nil, true, "", "no key on this machine"},
		{"e=fireworks:http://127.0.0.1:1/v1", nil, true, "", "whatever the kind"},
		{"e=vllm:http://127.0.0.1:1/v1,key-env=NONE", nil, true, "NONE", "a key that is named must be there"},
		{"e=vllm:http://10.0.0.1/v1", nil, false, "", "an engine elsewhere may have no key, and is not free"},
		{"o=openai", nil, false, "", "its own variable"},
		{"f=fireworks", nil, false, "FIREWORKS_API_KEY", "which is not set"},
		{"f=fireworks,key-env=K", nil, false, "", "another one"},
		{"e=sglang:http://127.0.0.1:1/v1", []string{"<s>", "<|bos|>"}, true, "<|bos|>", "it adds one of the two itself"},
		{"e=vllm:http://127.0.0.1:1/v1", []string{"<s>", "<|bos|>"}, true, "", "it adds none"},
	}
	for _, tt := range tests {
		spec, err := parse(tt.spec)
		if err != nil {
			t.Fatal(err)
		}
		got, err := spec.Open(tt.bos, env)
		if tt.fails == "" && (err != nil || got.Provider.Name() != spec.Name) || got.Free != tt.free ||
			tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)) {
			t.Errorf("%s: free %v, %v (%s)", tt.spec, got.Free, err, tt.reason)
		}
	}
}
