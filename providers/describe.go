package providers

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/reweigh/reweigh/dataset"
)

// describer is a [Provider] that can be asked about one model. A listing is for
// people to choose from; whether a certain model can be called is not always in it.
// If a service cannot be asked about a model the error wraps
// [errors.ErrUnsupported]; a model that it does not know is [ClassModelNotFound].
type describer interface {
	Provider
	// Describe returns what the service says about one model. It costs nothing.
	Describe(ctx context.Context, model string) (Model, error)
}

var _ describer = (*Fireworks)(nil)

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
	var d description
	got, e := t.json(ctx, a, func(r *reader) { d = r.description() })
	if e != nil {
		if e.Status == http.StatusNotFound {
			e.Class, e.Hint = ClassModelNotFound, t.hint(ClassModelNotFound)
		}
		return Model{}, e
	}
	if d.name != model {
		return Model{}, t.broken(a, got.meta, got.head, errors.New("the description is of another model, or of none"))
	}
	// What does not say is taken to be served, as in a listing: a refusal of
	// the first call costs nothing, a field that is renamed would stop everybody.
	m := Model{ID: model, Serverless: !d.deployed, Context: d.context}
	var err error
	if m.Shutdown, err = d.shutdown.time(); err != nil {
		return Model{}, t.broken(a, got.meta, nil, err)
	}
	return m, nil
}

// description is a model resource as it was read.
type description struct {
	name     string
	deployed bool // it says that it is not served without a deployment
	shutdown calendarDate
	context  int
}

func (r *reader) description() (d description) {
	var seen uint32
	for ok := r.enter('{'); ok; ok = r.more('}') {
		switch string(r.key()) {
		case "name":
			r.once(&seen, 0, "name")
			d.name = r.word(maxMessage)
		case "supportsServerless":
			r.once(&seen, 1, "supportsServerless")
			d.deployed = r.kind() == 'f'
			r.skip()
		case "deprecationDate":
			r.once(&seen, 2, "deprecationDate")
			d.shutdown = r.calendarDate()
		case "contextLength":
			d.context = max(0, r.count())
		default:
			r.skip()
		}
	}
	return d
}

// calendarDate is a day in either form in which services write one,
// "2027-01-14" or {"year": 2027, "month": 1, "day": 14}; null is none.
type calendarDate struct {
	text             string
	year, month, day int
	set              bool // the second form
	other            bool // neither
}

func (r *reader) calendarDate() (d calendarDate) {
	switch r.kind() {
	case '"':
		d.text = r.word(maxName)
	case 'n':
		r.skip()
	case '{':
		d.set = true
		for ok := r.enter('{'); ok; ok = r.more('}') {
			switch string(r.key()) {
			case "year":
				d.year = r.count()
			case "month":
				d.month = r.count()
			case "day":
				d.day = r.count()
			default:
				r.skip()
			}
		}
	default:
		r.skip()
		d.other = true
	}
	return d
}

// time is the day, zero where none is named. What cannot be read is an error,
// because it may be tomorrow.
func (d calendarDate) time() (time.Time, error) {
	switch {
	case d.text != "":
		t, err := parseDate(d.text)
		if err != nil {
			return time.Time{}, errors.New("the date of its shutdown is not YYYY-MM-DD")
		}
		return t, nil
	case d.other, d.set && (d.year < 1 || d.year > 9999 || d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31):
		return time.Time{}, errors.New("the date of its shutdown has neither of the forms that are known")
	case d.set:
		return time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, time.UTC), nil
	}
	return time.Time{}, nil
}

func describeTag(model string) Tag {
	return Tag{Stage: modelsTag.Stage, Key: dataset.Key{PromptID: model}, Call: "describe"}
}

// Describe asks the service about one model, if the provider has a method
//
//	Describe(ctx context.Context, model string) (Model, error)
//
// as [Fireworks] has. If it has none, or the service cannot be asked about that
// model, the error wraps [errors.ErrUnsupported]; a model that the service does not
// know is [ClassModelNotFound]. The attempts stand in the ledger under stage
// "preflight", at no cost.
func (c *Client) Describe(ctx context.Context, model string) (Model, error) {
	k := Call{Op: opDescribe, Tag: describeTag(model), Endpoint: pathModels[1:]}
	d, ok := c.provider.(describer)
	if !ok {
		e := c.Fail(k, ClassBadRequest, errors.ErrUnsupported)
		e.Model = model
		return Model{}, e
	}
	m, err := Free(ctx, c, k, func(ctx context.Context) (Model, error) { return d.Describe(ctx, model) })
	c.learn(m)
	return m, err
}
