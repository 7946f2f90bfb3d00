package providers

import (
	"context"
	"maps"
)

// CompatibleConfig describes a server of one's own that speaks OpenAI's API.
type CompatibleConfig struct {
	HTTPConfig        // BaseURL is required; Key may be empty
	Name       string // in ledgers and errors; "compatible" where empty
	Quirks     Quirks
}

// Quirks says what a server has beyond chat and plain completions. The zero
// value assumes nothing.
type Quirks struct {
	// Echo: completions return the prompt's log-probs for echo with
	// max_tokens 0. Without it ScorePrompt is unsupported.
	Echo bool
	// TopK: the server takes top_k, with 0 for "keep every token". Without it
	// a request with another top_k than 0 is refused.
	TopK bool
	// TokenIDs: the server takes return_token_ids.
	TokenIDs bool
	// Completions is added to every body sent to completions.
	Completions map[string]any
	// Score is added to the body of every scoring, after Completions: for a
	// server that refuses max_tokens 0, {"max_tokens": 1}.
	Score map[string]any
}

// VLLM returns the quirks of a vLLM server. add_special_tokens is off because
// the chat template that rendered the prompt has put its BOS token there, and
// a second one would change every probability.
func VLLM() Quirks {
	return Quirks{Echo: true, TopK: true, TokenIDs: true, Completions: map[string]any{"add_special_tokens": false}}
}

// Compatible talks to a server that speaks OpenAI's API: vLLM, SGLang and the
// like.
type Compatible struct{ service service }

// NewCompatible returns a provider for the server at c.BaseURL.
func NewCompatible(c CompatibleConfig) (*Compatible, error) {
	name := c.Name
	if name == "" {
		name = "compatible"
	}
	t, err := newTransport(name, "the server's API key", "", c.HTTPConfig)
	if err != nil {
		return nil, err
	}
	return &Compatible{service{t, dialect{
		topK: c.Quirks.TopK, tokenIDs: c.Quirks.TokenIDs, chatMaxTokens: "max_tokens", echo: c.Quirks.Echo, strictSchema: true,
		addCompletions: maps.Clone(c.Quirks.Completions), addScore: maps.Clone(c.Quirks.Score),
	}}}, nil
}

// Name is the configured name.
func (c *Compatible) Name() string { return c.service.provider }

// Generate makes one attempt at a response.
func (c *Compatible) Generate(ctx context.Context, req GenerateRequest) (Generation, error) {
	return c.service.generateOnce(ctx, req)
}

// ScorePrompt makes one attempt at the log-probs of a given text, where the
// server has echo.
func (c *Compatible) ScorePrompt(ctx context.Context, req ScoreRequest) (PromptScore, error) {
	return c.service.scoreOnce(ctx, req)
}

// Models lists what the server serves.
func (c *Compatible) Models(ctx context.Context) ([]Model, error) { return c.service.modelsOnce(ctx) }
