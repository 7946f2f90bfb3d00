package providers

import "context"

const openAIURL = "https://api.openai.com/v1"

// OpenAI talks to OpenAI's chat completions, with strict structured output. No
// model of theirs returns log-probs of given text, so ScorePrompt is
// unsupported; there is no top_k, so a request with another than 0 is refused.
// Models differ in the parameters they accept: which, is learned from what the
// service says ([ClassAdapted]), and never guessed from a model's name.
type OpenAI struct{ service service }

// NewOpenAI returns a provider for OpenAI, or for what speaks its API at
// another BaseURL. A missing or malformed key or address is an [*Error].
func NewOpenAI(c HTTPConfig) (*OpenAI, error) { return newOpenAI("openai", c) }

func newOpenAI(name string, c HTTPConfig) (*OpenAI, error) {
	t, err := newTransport(name, "OPENAI_API_KEY", openAIURL, c)
	if err != nil {
		return nil, err
	}
	return &OpenAI{newService(t, dialect{Quirks: Quirks{Kind: KindOpenAI}, chatMaxTokens: "max_completion_tokens",
		strictSchema: true, learned: newLearned()})}, nil
}

// Name is "openai", or what [NewOfKind] was given.
func (o *OpenAI) Name() string { return o.service.provider }

// Generate makes one attempt at a response.
func (o *OpenAI) Generate(ctx context.Context, req GenerateRequest) (Generation, error) {
	return o.service.generateOnce(ctx, req)
}

// ScorePrompt returns an error that wraps [errors.ErrUnsupported]; nothing is
// sent.
func (o *OpenAI) ScorePrompt(ctx context.Context, req ScoreRequest) (PromptScore, error) {
	return o.service.scoreOnce(ctx, req)
}

// Models lists the models of the account, with their shutdown dates.
func (o *OpenAI) Models(ctx context.Context) ([]Model, error) { return o.service.modelsOnce(ctx) }
