package providers

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// tooLong recognises what servers say of a context that does not fit, where no
// code does.
func tooLong(status int, text string) bool {
	switch status {
	case 400, 403, 413, 422: // 403: Together
		return saysAny(text, []string{
			"context length", "context window", "maximum context", "prompt is too long", "max_model_len", "too many tokens",
			"available context size",                                                                // llama.cpp
			"max_new_tokens` must be <=", "max_new_tokens must be <=", "inputs must have less than", // Together, TGI
			"max_seq_len",                            // SiliconFlow
			"input token count", "input is too long", // Gemini, Bedrock
			"contextwindowexceeded", "prompt too long", // LiteLLM
			"maximum prompt length", "exceed context limit", "total tokens limit", // xAI, Anthropic, watsonx
		})
	}
	return false
}

// contextLimits and contextSizes find the two numbers of such a message, in
// lower case: what the model takes and what was asked of it. The groups of a
// contextSize are parts of one sum.
var (
	contextLimits = patterns(
		`maximum context length(?: is|:| of) ?(\d+)`, // OpenAI, vLLM, Fireworks, SGLang
		`context (?:length|size) \(?(\d+)`,           // SGLang, vLLM's engine, llama.cpp
		`context window of (\d+)`,                    // llama-cpp-python
		`must be <= (\d+)`,                           // Together
		`number of tokens allowed \((\d+)\)`,         // Gemini
	)
	contextSizes = patterns(
		`is too large: (\d+).*request has (\d+) input tokens`,          // vLLM
		`given: (\d+) \W?inputs\W? tokens and (\d+) \W?max_new_tokens`, // Together
		`requested(?: a total of)? (\d+) tokens`,                       // OpenAI, vLLM, SGLang
		`resulted in (\d+) tokens`,                                     // OpenAI
		`requested tokens \((\d+)\)`,                                   // llama-cpp-python
		`(?:input|request|total length) \(?(\d+)(?: tokens)?\)`,        // SGLang, llama.cpp, vLLM's engine
		`prompt is too long: (\d+)`,                                    // Fireworks
		`input token count \((\d+)\)`,                                  // Gemini
	)
)

func patterns(list ...string) []*regexp.Regexp {
	out := make([]*regexp.Regexp, len(list))
	for i, p := range list {
		out[i] = regexp.MustCompile(p)
	}
	return out
}

// contextNumbers reads how many tokens a model takes and how many a request
// came to, prompt and max_tokens together where the server counts both. A
// number that the message does not give is 0.
func contextNumbers(message string) (limit, size int) {
	text := strings.ToLower(cut(message, 4<<10))
	read := func(list []*regexp.Regexp) int {
		for _, re := range list {
			m := re.FindStringSubmatch(text)
			if m == nil {
				continue
			}
			sum := 0
			for _, s := range m[1:] {
				n, err := strconv.Atoi(s)
				if err != nil || n > 1<<40 {
					return 0
				}
				sum += n
			}
			return sum
		}
		return 0
	}
	return read(contextLimits), read(contextSizes)
}

func tooLongHint(message, general string) string {
	switch limit, size := contextNumbers(message); {
	case limit > 0 && size > limit:
		return fmt.Sprintf("the model takes %d tokens and the request comes to %d: shorten the context or lower "+
			"max_tokens, by %d together", limit, size, size-limit)
	case limit > 0:
		return fmt.Sprintf("the model takes %d tokens: %s", limit, general)
	}
	return general
}
