package judge

import (
	_ "embed"
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/internal/grading"
)

// defaultRubric grades overall quality. {{min}} and {{max}} stand for the ends
// of the scale.
//
//go:embed rubric.txt
var defaultRubric string

// Scale is the range of whole numbers that a model grades on. It is declared
// here, stated to the model, and never guessed: Min maps to 0, Max to 1, and a
// value outside is an error. The zero Scale is 0 to 100.
type Scale struct{ Min, Max int }

// Config says which model grades, and how. Judges and oracles are made of it.
type Config struct {
	// Name is the first part of the identity. Required.
	Name string
	// Generator asks the model. Required.
	Generator Generator
	// Model is the model's name as the generator's provider spells it. Required.
	// A judge of the logging policy's own model prefers its own answers; an
	// oracle's model should be stronger than the judge's.
	Model string
	// Rubric is the system prompt, in which {{min}} and {{max}} stand for the
	// ends of the scale. Empty means overall quality for a judge; for an oracle,
	// how likely the person who asked would be satisfied after a careful check.
	// How material is marked and what form the reply has is added to it.
	Rubric string
	// Scale is what the model grades on; zero means 0 to 100, and 0 to 9 for
	// NewTokens.
	Scale Scale
	// MaxTokens limits a reply; 0 means 200. A model that reasons before it
	// answers spends them on that too, and may need several thousand.
	MaxTokens int
	// MaxMaterial is the largest conversation and response, together and in
	// bytes, that is sent to the model; 0 means 100,000. What is longer is
	// unscored, and never cut.
	MaxMaterial int
}

// task returns what a judge of a kind asks.
func (c Config) task(kind Source, fields ...string) (grading.Task, error) {
	fail := func(err error) (grading.Task, error) {
		return grading.Task{}, fmt.Errorf("judge: new %s judge %q: %w", kind, c.Name, err)
	}
	if c.Generator == nil {
		return fail(errors.New("no Generator to ask the model with"))
	}
	if c.Rubric == "" {
		c.Rubric = defaultRubric
	}
	t, err := grading.Task{
		Kind: string(kind) + " judge", Name: c.Name, Model: c.Model, Rubric: c.Rubric, Fields: fields,
		Min: c.Scale.Min, Max: c.Scale.Max, MaxTokens: c.MaxTokens, MaxMaterial: c.MaxMaterial, Draws: 1,
	}.WithDefaults()
	if err != nil {
		return fail(err)
	}
	return t, nil
}
