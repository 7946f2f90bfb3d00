package providers

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/reweigh/reweigh/dataset"
)

// Validate reports what keeps r from being sent. Every provider of this
// package and every [Client] calls it first.
func (r GenerateRequest) Validate() error {
	set := 0
	for _, is := range []bool{len(r.Messages) > 0, r.Prompt != "", len(r.PromptIDs) > 0} {
		if is {
			set++
		}
	}
	switch {
	case r.Model == "":
		return errors.New("model is empty")
	case set != 1:
		return fmt.Errorf("%d of Messages, Prompt and PromptIDs are set: want exactly one", set)
	case r.TopLogProbs < 0:
		return fmt.Errorf("%d top log-probs asked for", r.TopLogProbs)
	case r.TopLogProbs > 0 && !r.LogProbs:
		return errors.New("top log-probs asked for without log-probs: set LogProbs")
	case r.Schema != nil && (r.Schema.Name == "" || r.Schema.Schema == nil):
		return errors.New("the schema has no name or is empty")
	}
	if err := validMessages(r.Messages); err != nil {
		return err
	}
	if err := r.Sampling.Validate(); err != nil {
		return err
	}
	return validPrompt(r.Prompt, r.PromptIDs, r.Extra)
}

// Validate reports what keeps r from being sent.
func (r ScoreRequest) Validate() error {
	switch {
	case r.Model == "":
		return errors.New("model is empty")
	case (r.Prompt == "") == (len(r.PromptIDs) == 0):
		return errors.New("want exactly one of Prompt and PromptIDs, and that not empty")
	case r.Top < 0:
		return fmt.Errorf("%d alternatives are asked for", r.Top)
	case r.Last < 0:
		return fmt.Errorf("the last %d tokens are asked for", r.Last)
	}
	return validPrompt(r.Prompt, r.PromptIDs, r.Extra)
}

func validMessages(msgs []dataset.Message) error {
	for i, m := range msgs {
		if m.Role == "" {
			return fmt.Errorf("message %d has no role", i)
		}
		if err := validText(m.Content); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	return nil
}

func validPrompt(text string, ids []int, extra map[string]any) error {
	for i, id := range ids {
		if id < 0 {
			return fmt.Errorf("prompt id %d is %d", i, id)
		}
	}
	// Extra adds what the request lacks. It may not change what is priced,
	// reserved and recorded under other names, nor the form of the reply.
	for _, k := range []string{"model", "messages", "prompt", "stream"} {
		if _, ok := extra[k]; ok {
			return fmt.Errorf("extra field %q: it has its own place in the request, or cannot be asked for", k)
		}
	}
	return validText(text)
}

// validText refuses what JSON cannot carry: encoding/json would replace the
// bytes by U+FFFD in silence, and another text than the given one would be
// answered or scored.
func validText(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("the text is not valid UTF-8, which JSON cannot carry: send token ids instead")
	}
	return nil
}

// Allowances for what a server adds to the text it is given: a template's
// framing around each message, and the default system block or BOS token that
// some templates put in front.
const (
	perMessageTokens = 32
	perContextTokens = 128
	perPromptTokens  = 16
)

// Bound is the most that an attempt can consume: a reservation, not an
// estimate. No tokenizer here makes more tokens than bytes, so the bytes bound
// the prompt; a completion is bounded by the token limit.
func (r GenerateRequest) Bound() Usage {
	prompt := len(r.Prompt) + len(r.PromptIDs) + perPromptTokens
	if len(r.Messages) > 0 {
		prompt = messagesBound(r.Messages)
	}
	if r.Schema != nil {
		b, _ := json.Marshal(r.Schema.Schema) // what does not marshal is not sent
		prompt += len(b)
	}
	return Usage{PromptTokens: prompt, CompletionTokens: completionBound(r.Sampling.MaxTokens, r.Extra)}
}

func messagesBound(msgs []dataset.Message) int {
	n := perContextTokens
	for _, m := range msgs {
		n += len(m.Role) + len(m.Content) + perMessageTokens
	}
	return n
}

// worst is the most that an attempt can consume. One completion token is
// included, because some servers generate and drop one.
func (r ScoreRequest) worst() Usage {
	return Usage{
		PromptTokens:     len(r.Prompt) + len(r.PromptIDs) + perPromptTokens,
		CompletionTokens: completionBound(1, r.Extra),
	}
}

// completionBound honours the fields of Extra that multiply what is generated.
func completionBound(tokens int, extra map[string]any) int {
	for _, k := range []string{"max_tokens", "max_completion_tokens"} {
		tokens = max(tokens, asInt(extra[k]))
	}
	return tokens * max(1, asInt(extra["n"]), asInt(extra["best_of"]))
}

func asInt(v any) int {
	switch n := v.(type) {
	case int:
		return n
	case int64:
		return int(n)
	case float64:
		return int(n)
	}
	return 0
}
