package providers

import (
	"context"
	"maps"

	"github.com/reweigh/reweigh/teacherforce/temper"
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
	// Kind is what the server is. Models refuses one that shows itself to be of
	// another; empty and KindCompatible take any.
	Kind Kind
	// Echo: completions return the prompt's log-probs for echo with
	// max_tokens 0. Without it ScorePrompt is unsupported.
	Echo bool
	// TopK: the server takes top_k, with 0 for "keep every token". Without it
	// a request with another top_k than 0 is refused.
	TopK bool
	// TokenIDs: the server takes return_token_ids.
	TokenIDs bool
	// ChatScore: chat takes prompt_logprobs for a conversation that ends with the
	// assistant's message, with add_generation_prompt and continue_final_message.
	// Without it ScoreChat is unsupported.
	ChatScore bool
	// Renders: the server says at /tokenize, beside the API's version, which ids it makes of
	// a conversation. Without it RenderChat is unsupported.
	Renders bool
	// MaxTop is how many alternatives to a prompt's token the server gives at most; 0
	// asks for none.
	MaxTop int
	// Filters is the order in which the server applies temperature, top-k and top-p.
	Filters temper.Order
	// UUIDRequestIDs: the server refuses an X-Request-Id that is no UUID, so one
	// derived from RequestID is sent.
	UUIDRequestIDs bool
	// Completions is added to every body sent to completions.
	Completions map[string]any
	// Score is added to the body of every scoring, after Completions.
	Score map[string]any

	// Generate is added to the body of every generation, before Completions: the
	// neutral values of samplers that offpolicy.Sampling does not name and
	// that the server would set by itself.
	Generate map[string]any
	// NoEcho says why Echo is false, for the error of ScorePrompt.
	NoEcho string
	// TopKOff is what top_k 0, "keep every token", is sent as.
	TopKOff int
	// ScoreGenerates: the server refuses max_tokens 0, or reads it as "no
	// limit". Scoring then asks for one token and drops it; a reply that does
	// not tell the prompt's entries from the generated ones is an error.
	ScoreGenerates bool
	// PromptList: the prompt's log-probs come in a list "prompt" beside the
	// choices. Where it is missing, the choice is read.
	PromptList bool
	// EchoDropsBOS: the echo leaves out the BOS token, and is right only where
	// there is exactly one. Scoring checks that by the reply's usage.
	EchoDropsBOS bool
	// BOSInText is the text of the BOS token where EchoDropsBOS and the chat format
	// itself writes it, as <|im_start|> before each turn: the echo leaves it out
	// everywhere, and the result has it back, without a log-prob.
	BOSInText string
	// AddsBOS is the text of the BOS token, such as <|begin_of_text|>, where the
	// server puts that token before every text. A prompt that begins with the
	// text is sent without it, and has it in the result.
	AddsBOS string
	// FirstAbsurd: the first value of a list of log-probs may be a positive
	// number that is none. It is made NaN; a value up to 0 is kept.
	FirstAbsurd bool
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
	t.uuids = c.Quirks.UUIDRequestIDs
	q := c.Quirks
	q.Generate, q.Completions, q.Score = maps.Clone(q.Generate), maps.Clone(q.Completions), maps.Clone(q.Score)
	return &Compatible{newService(t, dialect{Quirks: q, chatMaxTokens: "max_tokens", strictSchema: true,
		learned: newLearned()})}, nil
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
