package oracle

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/grading"
	"github.com/reweigh/reweigh/providers"
)

// DefaultRubric asks how likely a person would be satisfied after a careful
// check. {{min}} and {{max}} stand for the ends of the scale.
//
//go:embed rubric.txt
var DefaultRubric string

// Scale is the range of whole numbers that the model labels on. It is declared
// here, told to the model, and never guessed: Min maps to 0, Max to 1, and a
// value outside is an error. The zero Scale is 0 to 100.
type Scale struct{ Min, Max int }

// Config makes a [Labeler].
type Config struct {
	// Name is the first part of the identity. Required.
	Name string
	// Generator asks the model. Required.
	Generator Generator
	// Model is the model's name as the generator's provider spells it. Required.
	// It should be stronger than, and different from, judge and policies.
	Model string
	// Rubric is the system prompt, in which {{min}} and {{max}} stand for the
	// ends of the scale; empty means DefaultRubric. How material is marked and
	// what form the reply has is added to it.
	Rubric string
	// Scale is what the model labels on; zero means 0 to 100.
	Scale Scale
	// MaxTokens limits a reply; 0 means 200.
	MaxTokens int
	// MaxMaterial is the largest conversation and response, together and in
	// bytes, that is sent to the model; 0 means 100,000. What is longer is
	// unlabelled, and never cut.
	MaxMaterial int
}

// Labeler is an [Oracle] that asks a language model, once, at temperature 0.
type Labeler struct{ asker *grading.Asker }

// NewLabeler returns a Labeler. It is an error if a required field of c is
// missing or another is out of range.
func NewLabeler(c Config) (*Labeler, error) {
	if c.Rubric == "" {
		c.Rubric = DefaultRubric
	}
	if c.Generator == nil {
		return nil, fmt.Errorf("oracle: new labeler %q: no Generator to ask the model with", c.Name)
	}
	t, err := grading.Task{
		Kind: "oracle", Name: c.Name, Model: c.Model, Rubric: c.Rubric,
		Min: c.Scale.Min, Max: c.Scale.Max, Fields: []string{"label"}, MaxTokens: c.MaxTokens, Draws: 1, MaxMaterial: c.MaxMaterial,
	}.WithDefaults()
	if err != nil {
		return nil, fmt.Errorf("oracle: new labeler %q: %w", c.Name, err)
	}
	return &Labeler{grading.NewAsker(c.Generator, t)}, nil
}

// Identity implements [Oracle].
func (l *Labeler) Identity() string { return l.asker.Identity() }

// Label implements [Oracle] with one call. The key is used in errors only.
func (l *Labeler) Label(ctx context.Context, tag providers.Tag, key dataset.Key, prompt dataset.Prompt, response string) (float64, error) {
	return l.outcome(key)(l.asker.Ask(ctx, tag, nil, prompt, response))
}

// outcome turns what came of asking about a response into its label.
func (l *Labeler) outcome(key dataset.Key) func(grading.Answer, error) (float64, error) {
	return func(a grading.Answer, err error) (float64, error) {
		var failure *grading.Failure
		switch {
		case errors.As(err, &failure):
			return 0, &UnlabeledError{Oracle: l.Identity(), Key: key.String(), Reason: failure.Reason, Reply: failure.Reply, Err: failure.Err}
		case err != nil:
			return 0, fmt.Errorf("oracle: %s [%s]: %w", l.Identity(), key, err)
		}
		return a.Grades[0], nil
	}
}
