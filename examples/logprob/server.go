package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// makes are the values of -server; echo is any server that has echo, and whose
// ways are not known further.
var makes = []string{"echo", "vllm", "sglang", "llamacpp", "llama-cpp-python", "together", "fireworks"}

// newServer connects to a server of the given make. If the server puts the
// template's BOS token before every text by itself, it is told to the provider.
func newServer(kind, template string, c providers.HTTPConfig) (providers.Provider, error) {
	t, _ := chat.Lookup(template)
	quirks := providers.Quirks{Echo: true, TokenIDs: true}
	switch kind {
	case "echo":
	case "vllm":
		quirks = providers.VLLM()
	case "sglang":
		quirks = providers.SGLang()
		quirks.AddsBOS = t.BOS()
	case "llamacpp":
		quirks = providers.LlamaCpp()
	case "llama-cpp-python":
		quirks = providers.LlamaCppPython()
		quirks.AddsBOS = t.BOS()
	case "together":
		quirks = providers.Together()
	case "fireworks":
		return providers.NewFireworks(c)
	}
	if !slices.Contains(makes, kind) {
		return nil, usageError{fmt.Errorf("-server %q is not known: have %s", kind, strings.Join(makes, ", "))}
	}
	return providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: c, Name: kind, Quirks: quirks})
}
