package providers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Endpoint is one server of a [Router].
type Endpoint struct {
	// Name is what models are called by before their first slash: letters, digits
	// and ._- alone.
	Name     string
	Provider Provider
	// Free: a model without a price of its own costs nothing here, as on a server of
	// one's own.
	Free bool
}

// Router is a [Provider] over several servers. A model named "ENDPOINT/MODEL" is
// MODEL of that endpoint, if the part before the first slash is an endpoint's name;
// any other is a model of the first endpoint, whole, because model names hold slashes.
//
// Errors, answers and listings name a model as it was asked for.
type Router struct {
	byName map[string]Endpoint
	names  []string // in the order given; the first is the default
}

var (
	_ ChatScorer = (*Router)(nil)
	_ describer  = (*Router)(nil)
	_ looked     = (*Router)(nil)
	_ batching   = (*Router)(nil)
	_ named      = (*Router)(nil)
)

var endpointName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// NewRouter returns a provider for the endpoints, the first of which serves the models
// that name none. It is an error if there are none, or if two have one name.
func NewRouter(endpoints ...Endpoint) (*Router, error) {
	r := &Router{byName: map[string]Endpoint{}}
	for _, e := range endpoints {
		switch _, twice := r.byName[e.Name]; {
		case !endpointName.MatchString(e.Name):
			return nil, fmt.Errorf("providers: endpoint name %q: want letters, digits, and ._- behind the first", e.Name)
		case twice:
			return nil, fmt.Errorf("providers: two endpoints are named %q", e.Name)
		case e.Provider == nil:
			panic("providers: NewRouter: endpoint " + e.Name + " has no Provider")
		}
		r.byName[e.Name], r.names = e, append(r.names, e.Name)
	}
	if len(r.names) == 0 {
		return nil, errors.New("providers: a router needs an endpoint")
	}
	return r, nil
}

// Route says which endpoint serves a model, and what the model is called there.
func (r *Router) Route(model string) (Endpoint, string) {
	if name, rest, ok := strings.Cut(model, "/"); ok && rest != "" {
		if e, ok := r.byName[name]; ok {
			return e, rest
		}
	}
	return r.byName[r.names[0]], model
}

// Prices is a table with a price for every model that has one: under its own name,
// under its name at its endpoint, or 0 where the endpoint is free.
func (r *Router) Prices(p Prices, models ...string) Prices {
	out := Prices{Date: p.Date, Models: maps.Clone(p.Models)}
	if out.Models == nil {
		out.Models = map[string]Price{}
	}
	for _, m := range models {
		if _, ok := out.Models[m]; ok {
			continue
		}
		e, local := r.Route(m)
		if price, ok := p.Models[local]; ok {
			out.Models[m] = price
		} else if e.Free {
			out.Models[m] = Price{Source: "free: no price is given for a model of endpoint " + e.Name}
		}
	}
	return out
}

// Name is the endpoint's where there is one, else "router".
func (r *Router) Name() string {
	if len(r.names) == 1 {
		return r.names[0]
	}
	return "router"
}

// NameOf is the name of the endpoint that serves a model.
func (r *Router) NameOf(model string) string {
	if model == "" {
		return r.Name()
	}
	e, _ := r.Route(model)
	return e.Name
}

// named is a [Provider] that stands for several, each with a name of its own.
type named interface {
	Provider
	// NameOf is the name in ledgers and errors of what serves a model.
	NameOf(model string) string
}

// nameOf is p's name for a model.
func nameOf(p Provider, model string) string {
	if n, ok := p.(named); ok {
		return n.NameOf(model)
	}
	return p.Name()
}

// routed gives an error the name that a model was asked for by.
func routed(err error, model string) error {
	var e *Error
	if err == nil || !errors.As(err, &e) || e.Model == "" {
		return err
	}
	out := *e
	out.Model = model
	return &out
}

// answered names the model of an answer as its endpoint's, if the request did.
func answered(m *Meta, asked, local string) {
	if m.Model != "" {
		m.Model = strings.TrimSuffix(asked, local) + m.Model
	}
}

// Generate has the model's endpoint generate.
func (r *Router) Generate(ctx context.Context, req GenerateRequest) (Generation, error) {
	asked := req.Model
	e, local := r.Route(asked)
	req.Model = local
	g, err := e.Provider.Generate(ctx, req)
	answered(&g.Meta, asked, local)
	return g, routed(err, asked)
}

// ScorePrompt has the model's endpoint score.
func (r *Router) ScorePrompt(ctx context.Context, req ScoreRequest) (PromptScore, error) {
	asked := req.Model
	e, local := r.Route(asked)
	req.Model = local
	s, err := e.Provider.ScorePrompt(ctx, req)
	answered(&s.Meta, asked, local)
	return s, routed(err, asked)
}

// ScoreChat has the model's endpoint score a conversation, if it does that. Asked of no
// model, it says whether any endpoint does.
func (r *Router) ScoreChat(ctx context.Context, req ChatScoreRequest) (PromptScore, error) {
	asked := req.Model
	e, local := r.Route(asked)
	if asked == "" {
		for _, name := range r.names {
			if ScoresChats(r.byName[name].Provider) {
				e = r.byName[name]
			}
		}
	}
	c, ok := e.Provider.(ChatScorer)
	if !ok {
		return PromptScore{}, errors.ErrUnsupported
	}
	req.Model = local
	s, err := c.ScoreChat(ctx, req)
	answered(&s.Meta, asked, local)
	return s, routed(err, asked)
}

// Models lists what the endpoints serve, each model under its endpoint's name, and
// those of the first under their own as well.
func (r *Router) Models(ctx context.Context) ([]Model, error) {
	var out []Model
	for i, name := range r.names {
		listed, err := r.byName[name].Provider.Models(ctx)
		if err != nil {
			return nil, fmt.Errorf("endpoint %s: %w", name, err)
		}
		if i == 0 {
			out = append(out, listed...)
		}
		for _, m := range listed {
			m.ID = name + "/" + m.ID
			out = append(out, m)
		}
	}
	return out, nil
}

// Describe asks the model's endpoint about it.
func (r *Router) Describe(ctx context.Context, model string) (Model, error) {
	e, local := r.Route(model)
	d, ok := e.Provider.(describer)
	if !ok {
		return Model{}, &Error{Op: opDescribe, Provider: e.Name, Model: model, Class: ClassBadRequest,
			Err: errors.ErrUnsupported}
	}
	m, err := d.Describe(ctx, local)
	if err == nil {
		m.ID = model
	}
	return m, routed(err, model)
}

// Endpoints lists the endpoints that the models are served by, in the order given.
func (r *Router) Endpoints(models ...string) []string {
	return slices.DeleteFunc(slices.Clone(r.names), func(name string) bool {
		return !slices.ContainsFunc(models, func(m string) bool { return r.NameOf(m) == name })
	})
}

// BatcherOf returns what takes batches for a model at its endpoint; see [Batches].
func (r *Router) BatcherOf(model string) (Batcher, bool) {
	if model == "" {
		for _, name := range r.names {
			if b, ok := Batches(r.byName[name].Provider, ""); ok {
				return b, true
			}
		}
		return nil, false
	}
	e, local := r.Route(model)
	b, ok := Batches(e.Provider, local)
	return routedBatcher{b, r}, ok
}

// routedBatcher takes batches of one endpoint's models, named as they are asked for.
type routedBatcher struct {
	Batcher
	r *Router
}

func (b routedBatcher) BatchLine(req GenerateRequest) (string, []byte, error) {
	asked := req.Model
	_, req.Model = b.r.Route(asked)
	endpoint, line, err := b.Batcher.BatchLine(req)
	return endpoint, line, routed(err, asked)
}

func (b routedBatcher) BatchReply(req GenerateRequest, a BatchOutput) (Generation, error) {
	asked := req.Model
	_, req.Model = b.r.Route(asked)
	g, err := b.Batcher.BatchReply(req, a)
	answered(&g.Meta, asked, req.Model)
	return g, routed(err, asked)
}
