package providers

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/reweigh/reweigh/dataset"
)

// ChatScorer is a [Provider] whose service scores a conversation in the chat
// template that it applies itself, so that what it says does not rest on
// anybody's idea of that template. Where it does not, the error wraps
// [errors.ErrUnsupported].
type ChatScorer interface {
	Provider
	// ScoreChat returns the log-prob of every token that the service makes of a
	// conversation. A request that is not valid is refused, unsent; that the
	// service lacks the method is said first.
	ScoreChat(ctx context.Context, req ChatScoreRequest) (PromptScore, error)
}

var _ ChatScorer = (*Compatible)(nil)

// ScoresChats reports whether p's service scores conversations, as far as p
// knows. Nothing is sent.
func ScoresChats(p Provider) bool {
	c, ok := p.(ChatScorer)
	if !ok {
		return false
	}
	_, err := c.ScoreChat(context.Background(), ChatScoreRequest{})
	return !errors.Is(err, errors.ErrUnsupported)
}

// ChatScoreRequest asks for the log-probs of a conversation that is given, as
// the service renders it.
type ChatScoreRequest struct {
	Tag   Tag
	Model string
	// Messages are the conversation; the last is the assistant's.
	Messages []dataset.Message
	// Open says that the last message has not ended: nothing is put behind it.
	// Otherwise the template closes the turn, and the end-of-turn token is among
	// those that are scored.
	Open  bool
	Extra map[string]any
	// Raw keeps the answer's body in Meta.Raw.
	Raw bool
}

// Validate reports what keeps r from being sent.
func (r ChatScoreRequest) Validate() error {
	switch {
	case r.Model == "":
		return errors.New("model is empty")
	case len(r.Messages) == 0 || r.Messages[len(r.Messages)-1].Role != "assistant":
		return errors.New("the last message is not the assistant's: there is no response to score")
	}
	if err := validMessages(r.Messages); err != nil {
		return err
	}
	return validPrompt("", nil, r.Extra)
}

// worst is the most that an attempt can consume: the conversation, and a token
// that is generated and dropped.
func (r ChatScoreRequest) worst() Usage {
	return Usage{PromptTokens: messagesBound(r.Messages), CompletionTokens: completionBound(1, r.Extra)}
}

const (
	opScoreChat = "score chat"
	noChatScore = "the service has no log-probs of a conversation that it is given"
)

// ScoreChat makes one attempt at the log-probs of a given conversation, where
// the server has them ([Quirks.ChatScore]). Which of the tokens are the
// response's is not in the reply; compare their ids with those of the rendered
// context.
func (c *Compatible) ScoreChat(ctx context.Context, req ChatScoreRequest) (PromptScore, error) {
	return c.service.scoreChatOnce(ctx, req)
}

func (s *service) scoreChatOnce(ctx context.Context, req ChatScoreRequest) (PromptScore, error) {
	a := attempt{op: opScoreChat, model: req.Model, tag: req.Tag, path: pathChat, raw: req.Raw, dialect: s.dialect}
	if !s.ChatScore {
		e := s.invalid(a, errors.ErrUnsupported)
		e.Message = noChatScore
		e.Hint = "score with a server that does, such as vLLM, or by echo"
		return PromptScore{}, e
	}
	if err := req.Validate(); err != nil {
		return PromptScore{}, s.invalid(a, err)
	}
	body := map[string]any{
		"model":       req.Model,
		"messages":    req.Messages,
		"max_tokens":  1, // the engine refuses 0
		"temperature": 1,
		"top_p":       1,
		// As many alternatives as an echo is asked for: vLLM's values have been
		// seen to change with the number (issue 44319).
		"prompt_logprobs":        1,
		"add_generation_prompt":  false,
		"continue_final_message": req.Open,
		"add_special_tokens":     false, // the template has its BOS token
		"return_prompt_text":     true,
	}
	if s.TokenIDs {
		body["return_token_ids"] = true
	}
	maps.Copy(body, req.Extra)
	a.body = body
	d, e := s.receive(ctx, a, req.wanted())
	if e != nil {
		return PromptScore{}, e
	}
	score, e := s.transport.scoreChat(a, d)
	if e != nil {
		return PromptScore{}, e
	}
	return score, nil
}

// wanted is what the reply has to give.
func (r ChatScoreRequest) wanted() want {
	b := r.worst()
	return want{positions: true, top: 4, most: b.PromptTokens + b.CompletionTokens}
}

// scoreChat makes a scored conversation of the answer to a ChatScoreRequest and
// checks that it is one.
func (t *transport) scoreChat(a attempt, d decoded) (PromptScore, *Error) {
	unusable := func(err error) (PromptScore, *Error) {
		e := t.broken(a, d.meta, nil, fmt.Errorf("%w: %w", err, errors.ErrUnsupported))
		e.Class, e.Usage = ClassBadRequest, d.usage
		e.Hint = "the endpoint accepted prompt_logprobs and returned none that can be used; score by echo"
		return PromptScore{}, e
	}
	tokens, err := standing(d.positions, d.promptIDs)
	switch {
	case err != nil:
		return unusable(err)
	case len(tokens) == 0:
		return unusable(errors.New("the reply has no prompt_logprobs"))
	case d.promptIDs == nil && d.usage != nil && d.usage.PromptTokens != len(tokens):
		return unusable(fmt.Errorf("%d entries of prompt_logprobs for a prompt of %d tokens", len(tokens),
			d.usage.PromptTokens))
	case !anyScored(tokens):
		return unusable(errors.New("every log-prob of the conversation is null"))
	case t.key.repeats(string(spell(tokens))) || t.key.repeats(d.promptText):
		return PromptScore{}, t.brokenAt(a, d, errKeyRepeated)
	}
	return PromptScore{Text: d.promptText, Tokens: tokens, Usage: d.usage, Meta: d.meta}, nil
}

// ScoreChat returns the log-probs of a given conversation, where the provider is
// a [ChatScorer]; where it is not, or its service has none, the error wraps
// [errors.ErrUnsupported]. Errors are as for [Client.Generate].
func (c *Client) ScoreChat(ctx context.Context, req ChatScoreRequest) (PromptScore, error) {
	k := call{Call: Call{opScoreChat, req.Tag, req.Model, pathChat[1:]}, bound: req.worst(), invalid: req.Validate()}
	p, ok := c.provider.(ChatScorer)
	if !ok {
		e := c.Fail(k.Call, ClassBadRequest, errors.ErrUnsupported)
		e.Message = noChatScore
		return PromptScore{}, e
	}
	s, usage, meta, err := do(ctx, c, k, func(ctx context.Context) (PromptScore, *Usage, Meta, error) {
		s, err := p.ScoreChat(ctx, req)
		return s, s.Usage, s.Meta, err
	})
	s.Usage, s.Meta = usage, meta
	return s, err
}
