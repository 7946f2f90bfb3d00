package grading

import (
	"context"
	"errors"
	"fmt"
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
	t.common = t.inCommon()
	return &Asker{Task: t, generator: g, id: t.common.identity}
}

// Identity is that of the task.
func (a *Asker) Identity() string { return a.id }

// Answer is a reply that holds grades.
type Answer struct {
	Grades   []float64 // one for each of Fields, mapped from the scale to [0, 1]
	Repaired bool      // the reply was not exactly what was asked for, and still clear
	Reply    providers.Generation
	at       []span // where in the reply each grade stands; nil if that is not known
}

// Ask asks about one response. A server that refuses a JSON schema is asked for
// a JSON object from then on, and one that refuses that too for no form at all. The
// error is a [*Failure] if there is no grade though nothing went wrong with the
// call, and the call's own otherwise.
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
		gen, err := a.generator.Generate(ctx, req)
		if form < formUnforced && refusesForm(err) {
			a.form.CompareAndSwap(form, form+1)
			continue
		}
		return a.Read(prompt, response, gen, err)
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
	var e *providers.Error
	if !errors.As(err, &e) || e.Class != providers.ClassBadRequest || e.Status == 0 {
		return false // it was not the server that refused
	}
	text := strings.ToLower(e.Param + " " + e.Message)
	for _, word := range []string{"response_format", "json_schema", "json_object", "structured output",
		"structured_output", "guided"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
