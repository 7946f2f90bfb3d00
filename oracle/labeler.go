package oracle

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/grading"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/providers"
)

// defaultRubric asks how likely a person would be satisfied after a careful
// check. {{min}} and {{max}} stand for the ends of the scale.
//
//go:embed rubric.txt
var defaultRubric string

// Labeler is an [Oracle] that asks a language model, once, at temperature 0.
type Labeler struct{ asker *grading.Asker }

// NewLabeler returns a Labeler. It is an error if a required field of c is
// missing or another is out of range.
func NewLabeler(c judge.Config) (*Labeler, error) {
	fail := func(err error) (*Labeler, error) { return nil, fmt.Errorf("oracle: new labeler %q: %w", c.Name, err) }
	if c.Generator == nil {
		return fail(errors.New("no Generator to ask the model with"))
	}
	if c.Rubric == "" {
		c.Rubric = defaultRubric
	}
	t, err := grading.Task{
		Kind: "oracle", Name: c.Name, Model: c.Model, Rubric: c.Rubric, Fields: []string{"label"},
		Min: c.Scale.Min, Max: c.Scale.Max, MaxTokens: c.MaxTokens, MaxMaterial: c.MaxMaterial, Draws: 1,
	}.WithDefaults()
	if err != nil {
		return fail(err)
	}
	return &Labeler{grading.NewAsker(c.Generator, t)}, nil
}

// Identity implements [Oracle].
func (l *Labeler) Identity() string { return l.asker.Identity() }

// Label implements [Oracle] with one call.
func (l *Labeler) Label(ctx context.Context, tag providers.Tag, prompt dataset.Prompt,
	response string) (float64, error) {
	a, err := l.asker.Ask(ctx, tag, nil, prompt, response)
	return l.label(tag.Key, a, err)
}

// label turns what came of asking about a response into its label.
func (l *Labeler) label(key dataset.Key, a grading.Answer, err error) (float64, error) {
	var failure *grading.Failure
	switch {
	case errors.As(err, &failure):
		return 0, fmt.Errorf("oracle: %w", &judge.UnscoredError{
			Grader: l.Identity(), Key: key,
			Reason: judge.Reason(failure.Reason), Reply: failure.Reply, Err: failure.Err,
		})
	case err != nil:
		return 0, fmt.Errorf("oracle: %s [%s]: %w", l.Identity(), key, err)
	}
	return a.Grades[0], nil
}
