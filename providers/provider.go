package providers

import (
	"context"
	"net/http"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/teacherforce/temper"
)

// Provider makes single attempts against one service: no retry, no waiting, no
// accounting, all of which [Client] adds around any Provider. Its methods are
// safe for concurrent use. Package providertest checks what is listed here.
//
// A request is validated first ([GenerateRequest.Validate]) and is sent as it
// stands: every field of Sampling, zeros too. What a service cannot express is
// refused, not left out.
//
// Every failure is an [*Error], with the operation, the provider's name, the
// request's model and tag, and a [Class], which alone decides whether the call is
// tried again. Sent is true if the request may have reached the service, Usage is
// set where a failed answer states one: from both follows what the attempt is
// settled at. No message shows a key. A method that the service lacks sends
// nothing and returns an error that wraps [errors.ErrUnsupported]. A context that
// ended gives the class [ContextClass] of its error, and the error wraps it.
//
// What a reply does not say is missing: a log-prob is never 0 for want of one, a
// usage that is not stated is nil, not zero tokens. FinishReason says "stop" only
// of a response that ended by itself. A score covers the whole text, or is an
// error. What a service states that is not the text is in Hidden.
type Provider interface {
	// Name is the provider's short name in ledgers and errors: "fireworks".
	Name() string
	// Generate asks the model for one response.
	Generate(ctx context.Context, req GenerateRequest) (Generation, error)
	// ScorePrompt returns the log-prob of every token of a given text, and
	// generates nothing.
	ScorePrompt(ctx context.Context, req ScoreRequest) (PromptScore, error)
	// Models lists what the service says it serves. It costs nothing.
	Models(ctx context.Context) ([]Model, error)
}

// Tag says what a call is for. It travels to the ledger, names the record in
// errors, and decides the request id, so that a retried or resumed call is
// recognisable as the same one.
type Tag struct {
	Stage string      // "p0", "targets", "logprobs", …
	Key   dataset.Key // the record's; of a call that belongs to none, a name as PromptID or nothing
	Call  string      // tells the several calls of one record apart: "joint", "context"; may be empty
}

// record is the key as text, or the name of a call that belongs to no record.
func (t Tag) record() string {
	if t.Key.Policy == "" && t.Key.DrawIdx == 0 {
		return t.Key.PromptID
	}
	return t.Key.String()
}

// GenerateRequest asks for one response. Exactly one of Messages, Prompt and
// PromptIDs is set: Messages goes to the chat endpoint, the others to
// completions. Every field of Sampling is sent, zeros too.
type GenerateRequest struct {
	Tag       Tag
	Model     string
	Messages  []dataset.Message
	Prompt    string
	PromptIDs []int
	Sampling  offpolicy.Sampling
	// AnySampling says that the response is not a draw from a policy, as a judge's
	// is not: temperature and top_p may be left out for a model that refuses them.
	AnySampling bool
	// Seed, where not nil, asks for a reproducible draw.
	Seed *int64
	// LogProbs asks for the log-prob of every generated token; TopLogProbs for
	// that many alternatives at each position as well.
	LogProbs    bool
	TopLogProbs int
	// Schema, where not nil, asks for a JSON reply of that form.
	Schema *Schema
	// Extra is merged into the request body last, for what this struct lacks.
	Extra map[string]any
	// Raw keeps the answer's body in Meta.Raw.
	Raw bool
}

// ScoreRequest asks for the log-probs of a text that is given. Exactly one of
// Prompt and PromptIDs is set. In Prompt, special-token text such as
// <|eot|> stands for the token.
type ScoreRequest struct {
	Tag       Tag
	Model     string
	Prompt    string
	PromptIDs []int
	// Last, where positive, says that no more than the last so many tokens are
	// needed. A service that can leaves out the others and saves their
	// transfer; any other returns them all.
	Last int
	// Top asks for that many alternatives to every token, or as many as the
	// service has; PromptScore.Asked says how many that were. 0 asks for none, and
	// some may come all the same.
	Top   int
	Extra map[string]any
	// Raw keeps the answer's body in Meta.Raw.
	Raw bool
}

// Schema is a named JSON schema for structured output.
type Schema struct {
	Name   string // at most 64 of [A-Za-z0-9_-]
	Schema map[string]any
}

// Generation is one response.
type Generation struct {
	Text string
	// Tokens are the generated tokens, nil unless log-probs were asked for and
	// served. The end-of-turn token is among them where the response ended by
	// it and the server reports it.
	Tokens []Token
	// TokenIDs are the sampled ids without the end-of-turn token; nil where the server does not tell.
	TokenIDs []int
	// PromptIDs are the ids that the server made of the context, its own
	// additions included; nil where it does not tell.
	PromptIDs []int
	// FinishReason is how it ended: FinishStop, FinishLength,
	// FinishFiltered or "tool_calls", whatever the service calls it. A word
	// that is not known stands as it is, and Hidden says so.
	FinishReason string
	Refusal      string // the model's own refusal, where the service separates it
	// Hidden says why Text is not the whole of what the model did, empty where
	// nothing shows that: it reasoned out of sight, called a tool, or was cut at
	// a stop string. The log-prob of such a text is not that of the action.
	Hidden string
	// DefaultSampling says that the model refused temperature or top_p, and that the
	// request was sent without, as GenerateRequest.AnySampling allows.
	DefaultSampling bool
	Usage           *Usage // nil where the server reported none
	Meta            Meta
}

// Token is one scored token. What the server did not give is nil, -1 or NaN.
type Token struct {
	Text    string
	Bytes   []byte        // the token's exact bytes; nil where unknown
	ID      int           // -1 where unknown
	Offset  int           // where the token starts in the text, as the server counts; -1 where unknown
	LogProb dataset.Float // nats
	// Sampling is the log-prob under the tempered and filtered distribution
	// that the token was drawn from, where the server gives it.
	Sampling dataset.Float
	Top      []Alternative
}

// Alternative is a token that could have stood at a position.
type Alternative struct {
	Text    string
	Bytes   []byte
	LogProb dataset.Float // nats
	ID      int           // -1 where unknown; several of one ID are taken for unknown ones
}

// PromptScore is a scored text. Tokens[0].LogProb is missing or meaningless: nothing
// precedes it.
type PromptScore struct {
	Text   string // the text as the server echoes it
	Tokens []Token
	// Skipped is how many tokens of the text stand before Tokens[0], left out
	// for the sake of ScoreRequest.Last. Where it is not 0, Tokens[0] has a
	// log-prob like any other.
	Skipped int
	// Asked is how many alternatives to every token the service was asked for, 0
	// for none.
	Asked int
	// Filters is the order in which the service applies temperature, top-k and top-p
	// when it draws.
	Filters temper.Order
	Usage   *Usage
	Meta    Meta
}

// Meta is what is known of an attempt or, from a [Client], of the call.
type Meta struct {
	Status    int
	RequestID string // the server's
	Model     string // the model that answered, as the server names it, at most 256 bytes
	Tier      string // the service's tier that answered, as "default" or "priority"; empty where it says none
	// UsageDoubt says what does not fit together in the usage that the service
	// states, and how it was read; empty where everything fits.
	UsageDoubt string
	Header     http.Header // rate-limit and request-id headers only
	Latency    time.Duration
	Raw        []byte        // the answer's body, only where the request asks for it; without the key
	Attempts   int           // set by Client
	Waited     time.Duration // for its turn, for limits and between attempts, set by Client
}

// Model is one entry of a service's listing.
type Model struct {
	ID string
	// Context is how many tokens a request and its response may have together; 0
	// where the service does not say.
	Context int
	// Shutdown is the announced end of service, zero where none is.
	Shutdown time.Time
	// Serverless is false where the service says that the model cannot be
	// called without a deployment of one's own.
	Serverless bool
}
