package providers

import "context"

const fireworksURL = "https://api.fireworks.ai/inference/v1"

// Fireworks talks to Fireworks AI: chat, completions, and the log-probs of
// given text through echo.
//
// Requests carry what keeps the service from deciding for itself: all sampling
// settings (it would fall back to the model's own), and
// context_length_exceeded_behavior "error" (it would lower max_tokens in
// silence). Scoring turns the prompt cache off.
type Fireworks struct{ service service }

// NewFireworks returns a provider for Fireworks AI, or for what speaks its API
// at another BaseURL. A missing or malformed key or address is an [*Error].
func NewFireworks(c HTTPConfig) (*Fireworks, error) { return newFireworks("fireworks", c) }

func newFireworks(name string, c HTTPConfig) (*Fireworks, error) {
	t, err := newTransport(name, "FIREWORKS_API_KEY", fireworksURL, c)
	if err != nil {
		return nil, err
	}
	return &Fireworks{newService(t, dialect{
		Quirks: Quirks{
			Kind: KindFireworks,
			Echo: true, TopK: true, TokenIDs: true, MaxTop: 5,
			Generate: map[string]any{"context_length_exceeded_behavior": "error"},
			Score:    map[string]any{"prompt_cache_max_len": 0},
		},
		chatMaxTokens: "max_tokens", boolLogProbs: true, echoLast: true, learned: newLearned(),
	})}, nil
}

// Name is "fireworks", or what [NewOfKind] was given.
func (f *Fireworks) Name() string { return f.service.provider }

// Generate makes one attempt at a response.
func (f *Fireworks) Generate(ctx context.Context, req GenerateRequest) (Generation, error) {
	return f.service.generateOnce(ctx, req)
}

// ScorePrompt makes one attempt at the log-probs of a given text. A reply that
// does not score the whole text is an error that wraps
// [errors.ErrUnsupported]; single tokens may still be NaN.
func (f *Fireworks) ScorePrompt(ctx context.Context, req ScoreRequest) (PromptScore, error) {
	return f.service.scoreOnce(ctx, req)
}

// Models lists what the service says it serves. It has been seen to list
// models that it then answers with 404.
func (f *Fireworks) Models(ctx context.Context) ([]Model, error) { return f.service.modelsOnce(ctx) }
