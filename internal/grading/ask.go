package grading

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// Generator is the one method a grader needs; *providers.Client has it.
type Generator interface {
	Generate(context.Context, providers.GenerateRequest) (providers.Generation, error)
}

// Asker asks one task's question. It is safe for concurrent use.
type Asker struct {
	Task
	generator Generator
	id        string
	form      atomic.Int32
	only      atomic.Pointer[float64] // the one temperature that the model takes
}

// The forms in which a reply is asked for, the strictest first. What a reply
// must say is the same in all three, and so is the prompt: the form is what the
// server can hold a model to, and not part of the grader's identity.
const (
	formSchema   = iota // a JSON schema
	formJSON            // a JSON object
	formUnforced        // only the prompt says so
)

// NewAsker returns an Asker of t, which [Task.WithDefaults] made complete.
func NewAsker(g Generator, t Task) *Asker {
	return &Asker{Task: t, generator: g, id: t.identity()}
}

// Identity is that of the task.
func (a *Asker) Identity() string { return a.id }

// Answer is a reply that holds grades.
type Answer struct {
	Grades      []float64 // one for each of Fields, mapped from the scale to [0, 1]
	Repaired    bool      // the reply was not exactly what was asked for, and still clear
	Temperature float64   // at which it was sampled
	Reply       providers.Generation
	at          []span // where in the reply each grade stands; nil if that is not known
}

// Ask asks about one response. A server that refuses a JSON schema is asked for
// a JSON object from then on, and one that refuses that too for no form at all. A
// model that takes one temperature only is asked at that one. The error is a
// [*Failure] if there is no grade though nothing went wrong with the call, and
// the call's own otherwise.
func (a *Asker) Ask(ctx context.Context, tag providers.Tag, seed *int64, prompt dataset.Prompt,
	response string) (Answer, error) {
	if err := a.Fits(prompt, response); err != nil {
		return Answer{}, err
	}
	for {
		req := a.Request(tag, prompt, response)
		req.Seed = seed
		form := a.form.Load()
		switch form {
		case formJSON:
			req.Schema, req.Extra = nil, map[string]any{"response_format": map[string]any{"type": "json_object"}}
			req.Tag.Call = within(req.Tag.Call, "json")
		case formUnforced:
			req.Schema = nil
			req.Tag.Call = within(req.Tag.Call, "text")
		}
		if only := a.only.Load(); only != nil && *only != req.Sampling.Temperature {
			req.Sampling.Temperature = *only
			req.Tag.Call = within(req.Tag.Call, "temperature")
		}
		gen, err := a.generator.Generate(ctx, req)
		if form < formUnforced && refusesForm(err) {
			a.form.CompareAndSwap(form, form+1)
			continue
		}
		if only, ok := onlyTemperature(err); ok && only != req.Sampling.Temperature {
			a.only.Store(&only)
			continue
		}
		answer, err := a.Read(prompt, response, gen, err)
		answer.Temperature = req.Sampling.Temperature
		return answer, err
	}
}

// within names a part of a call.
func within(call, part string) string { return strings.TrimPrefix(call+"/"+part, "/") }

// Fits returns a [*Failure] if conversation and response are too long to be
// graded.
func (t Task) Fits(prompt dataset.Prompt, response string) error {
	if n := t.material(prompt, response); n > t.MaxMaterial {
		return &Failure{Reason: TooLong, Err: fmt.Errorf("conversation and response have %d bytes, the limit is %d", n,
			t.MaxMaterial)}
	}
	return nil
}

// refusesForm reports whether a server rejected a request for the form of the
// reply that it asked for.
func refusesForm(err error) bool {
	e, text := rejection(err)
	if e == nil {
		return false
	}
	for _, word := range []string{"response_format", "json_schema", "json_object", "structured output",
		"structured_output", "guided"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// defaultOnly is OpenAI's refusal of a temperature: "Unsupported value:
// 'temperature' does not support 0 with this model. Only the default (1) value
// is supported."
var defaultOnly = regexp.MustCompile(`only the default \((-?[0-9]+(?:\.[0-9]+)?)\)`)

// onlyTemperature returns the one temperature that a model takes, if a server
// rejected a request for another one.
func onlyTemperature(err error) (float64, bool) {
	e, text := rejection(err)
	if e == nil || !strings.Contains(text, "temperature") {
		return 0, false
	}
	m := defaultOnly.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	v, err := strconv.ParseFloat(m[1], 64)
	return v, err == nil
}

// rejection is a server's refusal of a request, and what it says, in lower case;
// nil for any other error.
func rejection(err error) (*providers.Error, string) {
	var e *providers.Error
	if !errors.As(err, &e) || e.Class != providers.ClassBadRequest || e.Status == 0 {
		return nil, "" // it was not the server that refused
	}
	return e, strings.ToLower(e.Param + " " + e.Message)
}
