package providers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/reweigh/reweigh/dataset"
)

// ChatRenderer is a [Provider] whose service says which token ids it makes of a
// conversation, in the chat template that it applies itself. It generates nothing and
// costs nothing. Where it does not, the error wraps [errors.ErrUnsupported].
type ChatRenderer interface {
	Provider
	// RenderChat returns the token ids of the context that the model answers in. A
	// request that is not valid is refused, unsent; that the service lacks the method is
	// said first.
	RenderChat(ctx context.Context, req RenderRequest) ([]int, error)
}

var (
	_ ChatRenderer = (*Compatible)(nil)
	_ ChatRenderer = (*Router)(nil)
)

// RenderRequest asks for the token ids of a conversation up to the header of the answer.
type RenderRequest struct {
	Tag      Tag
	Model    string
	Messages []dataset.Message
	// Kwargs are variables of the model's template, such as enable_thinking.
	Kwargs map[string]any
}

func (r RenderRequest) validate() error {
	switch {
	case r.Model == "":
		return errors.New("model is empty")
	case len(r.Messages) == 0:
		return errors.New("there is no message to render")
	}
	return validMessages(r.Messages)
}

// TemplateKwargs is the field by which a chat request hands variables to the model's
// template, as [GenerateRequest].Extra takes it.
const TemplateKwargs = "chat_template_kwargs"

const (
	opRender     = "render chat"
	pathTokenize = "/tokenize"
	noRender     = "the service does not say which token ids it makes of a conversation"
)

// RendersChats reports whether p's service renders conversations of a model, as far as p
// knows. Nothing is sent.
func RendersChats(p Provider, model string) bool {
	r, ok := p.(ChatRenderer)
	if !ok {
		return false
	}
	_, err := r.RenderChat(context.Background(), RenderRequest{Model: model})
	return !errors.Is(err, errors.ErrUnsupported)
}

// RenderChat makes one attempt at the token ids of a conversation, where the server has
// them ([Quirks.Renders]).
func (c *Compatible) RenderChat(ctx context.Context, req RenderRequest) ([]int, error) {
	return c.service.renderOnce(ctx, req)
}

func (s *service) renderOnce(ctx context.Context, req RenderRequest) ([]int, error) {
	// The path is beside the API's version, as both servers that have it serve it.
	a := attempt{op: opRender, model: req.Model, tag: req.Tag, path: pathTokenize,
		root: strings.TrimSuffix(s.base, "/v1"), dialect: s.dialect}
	if !s.Renders {
		e := s.invalid(a, errors.ErrUnsupported)
		e.Message, e.Hint = noRender, "name the chat template of the model's family, or serve it with vLLM or SGLang"
		return nil, e
	}
	if err := req.validate(); err != nil {
		return nil, s.invalid(a, err)
	}
	a.body = map[string]any{
		"model":                 req.Model,
		"messages":              req.Messages,
		"add_generation_prompt": true,
		"add_special_tokens":    false, // the template has its BOS token
	}
	if len(req.Kwargs) > 0 {
		a.body[TemplateKwargs] = req.Kwargs
	}
	w := want{tokens: true, most: messagesBound(req.Messages)}
	a.limit = w.replyBytes()
	var ids []int
	count := -1
	d, e := s.json(ctx, a, func(r *reader) { ids, count = r.rendered(w) })
	switch {
	case e != nil:
		return nil, e
	case len(ids) == 0:
		return nil, s.broken(a, d.meta, nil, errors.New("the reply has no token ids"))
	case count >= 0 && count != len(ids):
		return nil, s.broken(a, d.meta, nil, fmt.Errorf("the reply counts %d tokens and lists %d", count, len(ids)))
	}
	return ids, nil
}

// rendered reads the reply of tokenize: ids under "tokens", and how many under "count".
func (r *reader) rendered(w want) (ids []int, count int) {
	var seen, others uint32
	count = -1
	for ok := r.enter('{'); ok; ok = r.more('}') {
		switch key := string(cutBytes(r.key(), maxName)); key {
		case "tokens":
			ids = r.ids(w, &seen, 0)
		case "count":
			r.once(&others, 0, key)
			count = r.count()
		default:
			r.skip()
		}
	}
	return ids, count
}

// RenderChat has the model's endpoint render a conversation, if it does that.
func (r *Router) RenderChat(ctx context.Context, req RenderRequest) ([]int, error) {
	asked := req.Model
	e, local := r.Route(asked)
	c, ok := e.Provider.(ChatRenderer)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	req.Model = local
	ids, err := c.RenderChat(ctx, req)
	return ids, routed(err, asked)
}

// RenderChat returns the token ids that the service makes of a conversation, where the
// provider is a [ChatRenderer]; where it is not, or its service does not say, the error
// wraps [errors.ErrUnsupported]. It costs nothing, and is tried again as other calls are.
func (c *Client) RenderChat(ctx context.Context, req RenderRequest) ([]int, error) {
	k := Call{Op: opRender, Tag: req.Tag, Model: req.Model, Endpoint: pathTokenize[1:]}
	p, ok := c.provider.(ChatRenderer)
	if !ok {
		e := c.Fail(k, ClassBadRequest, errors.ErrUnsupported)
		e.Message = noRender
		return nil, e
	}
	return Free(ctx, c, k, func(ctx context.Context) ([]int, error) { return p.RenderChat(ctx, req) })
}
