package providers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/reweigh/reweigh/dataset"
)

// Describer is a [Provider] that can be asked about one model. A listing is
// for people to choose from; whether a certain model can be called is not
// always in it. Where a service cannot be asked about a model the error wraps
// [errors.ErrUnsupported]; a model that it does not know is
// [ClassModelNotFound].
type Describer interface {
	Provider
	// Describe says what the service tells of one model. It costs nothing.
	Describe(ctx context.Context, model string) (Model, error)
}

var _ Describer = (*Fireworks)(nil)

// Describe asks the service's model resource, which knows whether a model is
// served without a deployment of one's own and until when. The inference API's
// listing was seen to hold models whose calls are answered with 404.
//
// Only models named accounts/<account>/models/<model>, at a base URL that ends
// in /inference/v1, have such a resource. A deployment of one's own, which is
// accounts/<account>/deployments/<deployment> or has a # in its name, is in no
// listing and taken to be there: nothing is asked, the first call shows it.
//
// Source: Fireworks' API reference, Get Model (supportsServerless,
// deprecationDate); read and not tried against the service.
func (f *Fireworks) Describe(ctx context.Context, model string) (Model, error) {
	m, e := f.service.describeFireworks(ctx, model)
	if e != nil {
		return Model{}, e
	}
	return m, nil
}

const opDescribe = "describe model"

func (t *transport) describeFireworks(ctx context.Context, model string) (Model, *Error) {
	a := attempt{op: opDescribe, tag: describeTag(model), model: model}
	root, at := strings.CutSuffix(t.base, "/inference/v1")
	parts := strings.Split(model, "/")
	if strings.Contains(model, "#") || len(parts) == 4 && parts[2] == "deployments" {
		return Model{ID: model, Serverless: true}, nil
	}
	if !at || len(parts) != 4 || parts[0] != "accounts" || parts[2] != "models" {
		e := t.fail(a, ClassBadRequest, errors.ErrUnsupported)
		e.Hint = ""
		return Model{}, e
	}
	a.root = root + "/v1"
	a.path = "/accounts/" + url.PathEscape(parts[1]) + "/models/" + url.PathEscape(parts[3])
	r, e := t.send(ctx, a)
	if e != nil {
		if e.Status == http.StatusNotFound {
			e.Class, e.Hint = ClassModelNotFound, t.hint(ClassModelNotFound)
		}
		return Model{}, e
	}
	var w struct {
		Name       string          `json:"name"`
		Serverless *bool           `json:"supportsServerless"`
		Shutdown   json.RawMessage `json:"deprecationDate"`
	}
	if err := json.Unmarshal(r.body, &w); err != nil {
		return Model{}, t.broken(a, r.meta, r.body, fmt.Errorf("the model's description is not the JSON expected: %w", err))
	}
	if w.Name != model {
		return Model{}, t.broken(a, r.meta, r.body, errors.New("the description is of another model, or of none"))
	}
	// What does not say is taken to be served, as in a listing: a refusal of
	// the first call costs nothing, a field that is renamed would stop everybody.
	m := Model{ID: model, Serverless: w.Serverless == nil || *w.Serverless}
	var err error
	if m.Shutdown, err = calendarDate(w.Shutdown); err != nil {
		return Model{}, t.broken(a, r.meta, nil, err)
	}
	return m, nil
}

// calendarDate reads a day in either form in which services write one,
// "2027-01-14" or {"year": 2027, "month": 1, "day": 14}; null is none. What
// cannot be read is an error, because it may be tomorrow.
func calendarDate(raw json.RawMessage) (time.Time, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return time.Time{}, nil
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		if s == "" {
			return time.Time{}, nil
		}
		d, err := parseDate(s)
		if err != nil {
			return time.Time{}, errors.New("the date of its shutdown is not YYYY-MM-DD")
		}
		return d, nil
	}
	var d struct{ Year, Month, Day int }
	if err := json.Unmarshal(raw, &d); err != nil || d.Year < 1 || d.Month < 1 || d.Month > 12 || d.Day < 1 || d.Day > 31 {
		return time.Time{}, errors.New("the date of its shutdown has neither of the forms that are known")
	}
	return time.Date(d.Year, time.Month(d.Month), d.Day, 0, 0, 0, 0, time.UTC), nil
}

func describeTag(model string) Tag {
	return Tag{Stage: modelsTag.Stage, Key: dataset.Key{PromptID: model}, Call: "describe"}
}

// Describe asks the service about one model, where the provider is a
// [Describer]; where it is not, or the service cannot be asked about that model,
// the error wraps [errors.ErrUnsupported]. The attempts stand in the ledger
// under stage "preflight", at no cost.
func (c *Client) Describe(ctx context.Context, model string) (Model, error) {
	k := Call{Op: opDescribe, Tag: describeTag(model), Endpoint: pathModels[1:]}
	d, ok := c.provider.(Describer)
	if !ok {
		e := c.Fail(k, ClassBadRequest, errors.ErrUnsupported)
		e.Model = model
		return Model{}, e
	}
	return Free(ctx, c, k, func(ctx context.Context) (Model, error) { return d.Describe(ctx, model) })
}
