package providers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// wireReply is an answer of chat/completions or completions: one struct for
// both and for all services, because they differ in what they leave out.
type wireReply struct {
	Model          string          `json:"model"`
	Choices        []wireChoice    `json:"choices"`
	Usage          *wireUsage      `json:"usage"`
	PromptTokenIDs wireIDs         `json:"prompt_token_ids"` // Fireworks chat
	Prompt         json.RawMessage `json:"prompt"`           // Together: the echoed prompt
	PromptLogProbs json.RawMessage `json:"prompt_logprobs"`  // vLLM chat
	PromptText     json.RawMessage `json:"prompt_text"`      // vLLM chat: the rendered conversation
	Error          json.RawMessage `json:"error"`
}

type wireChoice struct {
	Text           *string       `json:"text"`
	Message        *wireMessage  `json:"message"`
	FinishReason   string        `json:"finish_reason"`
	LogProbs       *wireLogProbs `json:"logprobs"`
	PromptTokenIDs wireIDs       `json:"prompt_token_ids"`
	TokenIDs       wireIDs       `json:"token_ids"`
}

type wireMessage struct {
	Content *string `json:"content"`
	Refusal string  `json:"refusal"`
	wireHidden
}

type wireUsage struct {
	PromptTokens     *int `json:"prompt_tokens"`
	CompletionTokens *int `json:"completion_tokens"`
	TotalTokens      *int `json:"total_tokens"`
	Details          *struct {
		CachedTokens *int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	wireReasoning
}

// maxCount is more tokens than one answer can have. A count past it would be
// settled at thousands of dollars, and no later call would fit any budget.
const maxCount = 1_000_000_000

// usage is nil where the server reports none that makes sense: a count that is
// absent or negative is not 0.
func (w *wireUsage) usage() *Usage {
	if w == nil || w.PromptTokens == nil {
		return nil
	}
	u := Usage{PromptTokens: *w.PromptTokens}
	switch {
	case w.CompletionTokens != nil:
		u.CompletionTokens = *w.CompletionTokens
	case w.TotalTokens != nil:
		u.CompletionTokens = *w.TotalTokens - u.PromptTokens
	default:
		return nil
	}
	if u.PromptTokens < 0 || u.CompletionTokens < 0 || u.PromptTokens > maxCount || u.CompletionTokens > maxCount {
		return nil
	}
	// More cached than there are is ignored: the uncached price is the dearer.
	if d := w.Details; d != nil && d.CachedTokens != nil && *d.CachedTokens >= 0 && *d.CachedTokens <= u.PromptTokens {
		u.CachedTokens = *d.CachedTokens
	}
	u.ReasoningTokens = w.reasoning(u.CompletionTokens)
	return &u
}

// decoded is a reply with one choice, and what every kind of call takes from it.
type decoded struct {
	choice    wireChoice
	tokens    []Token
	promptIDs []int
	prompt    json.RawMessage // of the reply, where the server echoes it there
	// promptLogProbs and promptText are of a conversation that the server
	// rendered itself.
	promptLogProbs json.RawMessage
	promptText     string
	usage          *Usage
	meta           Meta
}

// decode reads a 2xx answer. The content decides what it is, not its content
// type: proxies send JSON as text/plain, and error objects with status 200.
func (t *transport) decode(a attempt, r reply) (decoded, *Error) {
	var w wireReply
	d := decoded{meta: r.meta}
	broken := func(err error) (decoded, *Error) {
		e := t.broken(a, d.meta, r.body, err)
		e.Usage = d.usage
		return decoded{}, e
	}
	if err := json.Unmarshal(r.body, &w); err != nil {
		return broken(fmt.Errorf("the reply is not the JSON expected: %w", err))
	}
	if key, twice := duplicateKey(r.body); twice {
		return broken(fmt.Errorf("the reply states %q twice in one object", t.clean(key)))
	}
	d.meta.Model, d.usage = t.key.redact(w.Model, minKeyInData), w.Usage.usage()
	if len(w.Choices) == 0 {
		e := t.broken(a, d.meta, r.body, errors.New("the reply has no choices"))
		if s := parseErrorBody(r.body); isObject(w.Error) || s.code != "" {
			e.Class, e.Code, e.Message = classify(r.meta.Status, s), t.clean(s.code), t.clean(s.message)
			e.Hint = t.hint(e.Class)
		}
		e.Usage = d.usage
		return decoded{}, e
	}
	d.choice, d.prompt, d.promptLogProbs = w.Choices[0], w.Prompt, w.PromptLogProbs
	_ = json.Unmarshal(w.PromptText, &d.promptText) // whatever else stands there is no text
	d.promptIDs = d.choice.PromptTokenIDs
	if len(d.promptIDs) == 0 {
		d.promptIDs = w.PromptTokenIDs
	}
	if len(d.promptIDs) == 0 { // no prompt has no tokens: the server does not tell
		d.promptIDs = nil
	}
	d.choice.FinishReason = t.key.redact(d.choice.FinishReason, minKeyInData)
	var err error
	if d.tokens, err = d.choice.LogProbs.tokens(); err != nil {
		return broken(fmt.Errorf("log-probs: %w", err))
	}
	if t.repeatsKey(d) {
		return broken(errKeyRepeated)
	}
	if d.choice.FinishReason == "error" { // Fireworks: the server failed while generating
		return broken(errors.New("the server ended the generation with an error"))
	}
	return d, nil
}

// repeatsKey recognises a server that answers with the key that it was sent.
// Text is recorded as it is, so it cannot be redacted, only refused.
func (t *transport) repeatsKey(d decoded) bool {
	if s := d.choice.Text; s != nil && t.key.repeats(*s) {
		return true
	}
	if m := d.choice.Message; m != nil && (t.key.repeats(m.Refusal) || m.Content != nil && t.key.repeats(*m.Content)) {
		return true
	}
	for _, tok := range d.tokens {
		for _, a := range tok.Top {
			if t.key.repeats(a.Text) {
				return true
			}
		}
	}
	return t.key.repeats(string(spell(d.tokens)))
}

var errKeyRepeated = errors.New("the server repeats the API key in its answer")

// generation reads the answer to a GenerateRequest.
func (t *transport) generation(a attempt, req GenerateRequest, r reply) (Generation, *Error) {
	d, e := t.decode(a, r)
	if e != nil {
		return Generation{}, e
	}
	fail := func(class Class, err error) (Generation, *Error) {
		e := t.broken(a, d.meta, r.body, err)
		e.Class, e.Hint, e.Usage = class, t.hint(class), d.usage
		return Generation{}, e
	}
	g := Generation{
		FinishReason: d.choice.FinishReason, TokenIDs: d.choice.TokenIDs, PromptIDs: d.promptIDs,
		Usage: d.usage, Meta: d.meta,
	}
	switch m := d.choice.Message; {
	case len(req.Messages) == 0 && d.choice.Text != nil:
		g.Text = *d.choice.Text
	case len(req.Messages) > 0 && m != nil && m.Content != nil:
		g.Text, g.Refusal = *m.Content, m.Refusal
	case len(req.Messages) > 0 && m != nil && g.FinishReason == "content_filter":
		return fail(ClassFiltered, errors.New("the service's content filter withheld the response"))
	case len(req.Messages) > 0 && m != nil:
		g.Refusal = m.Refusal // null content: nothing was said, or only a refusal
	default:
		return fail(ClassBrokenReply, errors.New("the choice has no text"))
	}
	if req.LogProbs {
		g.Tokens = d.tokens
		if err := fillIDs(g.Tokens, g.TokenIDs); err != nil {
			return fail(ClassBrokenReply, err)
		}
	}
	g.TokenIDs = withoutEnd(g)
	g.Hidden = hidden(req, d)
	a.dialect.mendFirst(g.Tokens)
	return g, nil
}

// withoutEnd drops the end-of-turn token's id where the server lists it: the
// last of the tokens, adding nothing to the text of a response that stopped.
func withoutEnd(g Generation) []int {
	n := len(g.Tokens)
	if g.FinishReason == "stop" && n > 0 && len(g.TokenIDs) == n && string(spell(g.Tokens[:n-1])) == g.Text {
		return g.TokenIDs[:n-1]
	}
	return g.TokenIDs
}

// score reads the answer to a ScoreRequest and checks that it is one. Servers
// are known to accept echo and return nothing for the prompt, or the generated
// tokens alone; every text would score 0.0 then, certain, without an error.
func (t *transport) score(a attempt, req ScoreRequest, r reply) (PromptScore, *Error) {
	d, e := t.decode(a, r)
	if e != nil {
		return PromptScore{}, e
	}
	unusable := func(format string, args ...any) (PromptScore, *Error) {
		e := t.broken(a, d.meta, nil, fmt.Errorf(format+": %w", append(args, errors.ErrUnsupported)...))
		e.Class, e.Usage = ClassBadRequest, d.usage
		e.Hint = unusableHint(e.Err)
		return PromptScore{}, e
	}
	ids := d.promptIDs
	if ids == nil {
		ids = req.PromptIDs
	}
	if a.scored != "" {
		req.Prompt = a.scored
	}
	tokens, skipped := d.tokens, 0
	listed, text, err := a.dialect.promptListed(d)
	if err != nil {
		return unusable("%w", err)
	}
	if listed != nil {
		tokens = listed
	}
	switch {
	case len(tokens) == 0:
		return unusable("the reply has no log-probs")
	case len(req.PromptIDs) > 0 && d.promptIDs != nil && !endsWith(d.promptIDs, req.PromptIDs):
		return unusable("the server scored other token ids than those sent")
	case len(req.PromptIDs) > 0 && d.promptIDs == nil && d.usage != nil && d.usage.PromptTokens != len(req.PromptIDs):
		return unusable("the server counts %d tokens in a prompt of %d ids", d.usage.PromptTokens, len(req.PromptIDs))
	case a.last > 0:
		if tokens, skipped, err = lastOf(tokens, ids, req.Prompt, a.last, d.usage); err != nil {
			return unusable("%w", err)
		}
	case a.dialect.EchoDropsBOS:
		if tokens, err = echoWithoutBOS(tokens, req.Prompt, a.dialect.BOSInText, d.usage); err != nil {
			return unusable("%w", err)
		}
	case ids != nil && len(tokens) < len(ids):
		return unusable("%d log-prob entries for a prompt of %d tokens", len(tokens), len(ids))
	case ids != nil:
		tokens = tokens[:len(ids)] // what follows was generated
		if err := fillIDs(tokens, ids); err != nil {
			return unusable("%w", err)
		}
	case !covers(tokens, req.Prompt):
		return unusable("the log-prob entries spell another text than the prompt")
	case listed == nil:
		if tokens, err = withoutGenerated(tokens, req.Prompt, d, asInt(a.body["max_tokens"]) > 0); err != nil {
			return unusable("%w", err)
		}
	}
	if !anyScored(tokens) || skipped > 0 && !slices.ContainsFunc(tokens, scored) {
		return unusable("every log-prob of the prompt is null")
	}
	s := PromptScore{Tokens: tokens, Skipped: skipped, Usage: d.usage, Meta: d.meta}
	switch {
	case listed != nil:
		s.Text = text
	case d.choice.Text != nil:
		s.Text = *d.choice.Text
	}
	if s.Tokens, err = a.dialect.restoreBOS(s.Tokens, a.stripped); err != nil {
		return unusable("%w", err)
	}
	s.Text = a.stripped + s.Text
	a.dialect.mendFirst(s.Tokens)
	return s, nil
}

// endsWith allows for a BOS token that the server puts in front.
func endsWith(ids, tail []int) bool {
	if len(ids) < len(tail) {
		return false
	}
	for i, id := range tail {
		if ids[len(ids)-len(tail)+i] != id {
			return false
		}
	}
	return true
}

// anyScored ignores the first token, which nothing precedes.
func anyScored(tokens []Token) bool {
	return slices.ContainsFunc(tokens[1:], scored) || len(tokens) == 1
}

func scored(t Token) bool { return t.LogProb.Valid() }

// models reads a listing. An entry that does not say whether it is served
// without a deployment of one's own is taken to be.
func (t *transport) models(a attempt, r reply) ([]Model, *Error) {
	var w struct {
		Data *[]struct {
			ID       string  `json:"id"`
			Shutdown *string `json:"shutdown_date"`
			Camel    *bool   `json:"supportsServerless"`
			Snake    *bool   `json:"supports_serverless"`
		} `json:"data"`
	}
	if err := json.Unmarshal(r.body, &w); err != nil {
		return nil, t.broken(a, r.meta, r.body, fmt.Errorf("the listing is not the JSON expected: %w", err))
	}
	if w.Data == nil {
		return nil, t.broken(a, r.meta, r.body, errors.New("the listing has no data"))
	}
	out := make([]Model, 0, len(*w.Data))
	for i, m := range *w.Data {
		if m.ID == "" {
			return nil, t.broken(a, r.meta, nil, fmt.Errorf("model %d of the listing has no id", i))
		}
		if t.key.repeats(m.ID) {
			return nil, t.broken(a, r.meta, nil, errKeyRepeated)
		}
		model := Model{ID: m.ID, Serverless: true}
		for _, v := range []*bool{m.Camel, m.Snake} {
			if v != nil {
				model.Serverless = *v
			}
		}
		if m.Shutdown != nil && *m.Shutdown != "" {
			var err error
			if model.Shutdown, err = parseDate(*m.Shutdown); err != nil {
				return nil, t.broken(a, r.meta, nil, fmt.Errorf("model %s: shutdown_date %q: want YYYY-MM-DD", m.ID, cut(t.clean(*m.Shutdown), 40)))
			}
		}
		out = append(out, model)
	}
	return out, nil
}

func parseDate(s string) (time.Time, error) {
	if day, _, ok := bytes.Cut([]byte(s), []byte("T")); ok {
		s = string(day)
	}
	return time.Parse(time.DateOnly, s)
}
