package providers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// wireHidden is what a chat message holds beside its text. The values are kept
// raw: services disagree on their types, and only presence matters here.
type wireHidden struct {
	ReasoningContent json.RawMessage `json:"reasoning_content"` // vLLM, SGLang, DeepSeek, Fireworks
	Reasoning        json.RawMessage `json:"reasoning"`         // newer vLLM, Together
	ToolCalls        json.RawMessage `json:"tool_calls"`
	FunctionCall     json.RawMessage `json:"function_call"`
}

// wireReasoning is where services count tokens of reasoning.
type wireReasoning struct {
	Counts *struct {
		ReasoningTokens *int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
	ReasoningTokens *int `json:"reasoning_tokens"` // SGLang
}

// reasoning is the count, 0 where there is none that makes sense.
func (w wireReasoning) reasoning(completion int) int {
	n := w.ReasoningTokens
	if w.Counts != nil && w.Counts.ReasoningTokens != nil {
		n = w.Counts.ReasoningTokens
	}
	if n == nil || *n < 0 || *n > completion {
		return 0
	}
	return *n
}

// hidden says why the text of a reply is not the whole action, or nothing. Only
// what a reply or its own request shows is counted, never a model's name.
func hidden(req GenerateRequest, d decoded) string {
	var why []string
	add := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	if d.usage != nil && d.usage.ReasoningTokens > 0 {
		add("%d of its %d tokens are reasoning that the text leaves out", d.usage.ReasoningTokens, d.usage.CompletionTokens)
	}
	if m := d.choice.Message; m != nil {
		switch {
		case len(why) > 0:
		case filled(m.ReasoningContent), filled(m.Reasoning):
			add("it reasoned, and the reply gives the reasoning apart from the text")
		}
		if filled(m.ToolCalls) || filled(m.FunctionCall) {
			add("it called a tool")
		}
	}
	if r := d.choice.FinishReason; len(why) == 0 && (r == "tool_calls" || r == "function_call") {
		add("it ended in a tool call")
	}
	for _, k := range []string{"stop", "stop_token_ids", "stop_regex"} {
		if given(req.Extra[k]) {
			add("the request sets %s, and the text does not show what it was cut at", k)
		}
	}
	return strings.Join(why, "; ")
}

// filled reports whether a field says something: it is there and neither null
// nor an empty string, list or object.
func filled(raw json.RawMessage) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", `""`, "[]", "{}", "false":
		return false
	}
	return true
}

func given(v any) bool {
	raw, err := json.Marshal(v)
	return err != nil || filled(raw)
}
