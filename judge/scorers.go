package judge

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/grading"
	"github.com/reweigh/reweigh/providers"
)

// reader asks one task's question.
type reader struct{ asker *grading.Asker }

func newReader(c Config, t grading.Task) reader { return reader{grading.NewAsker(c.Generator, t)} }

// Identity returns the judge's name and the hash of its configuration.
func (r reader) Identity() string { return r.asker.Identity() }

// read returns the fields of one reply, each in [0, 1].
func (r reader) read(ctx context.Context, tag providers.Tag, seed *int64, prompt dataset.Prompt,
	response string) (grading.Answer, error) {
	a, err := r.asker.Ask(ctx, tag, seed, prompt, response)
	var failure *grading.Failure
	switch {
	case errors.As(err, &failure):
		return a, r.unscored(tag, Reason(failure.Reason), failure.Reply, failure.Err)
	case err != nil:
		return a, fmt.Errorf("judge: %s [%s]: %w", r.Identity(), tag.Key, err)
	}
	return a, nil
}

func (r reader) unscored(tag providers.Tag, reason Reason, reply string, err error) error {
	return fmt.Errorf("judge: %w", &UnscoredError{Grader: r.Identity(), Key: tag.Key, Reason: reason,
		Reply: reply, Err: err})
}

// NewDeterministic returns a judge that reads a response once, at temperature 0.
// The variance of its scores is 0, which is that of reading again and says
// nothing about error. With a model that refuses the temperature it is missing,
// because one reading cannot show it.
//
// It is an error if a required field of c is missing or another is out of range.
func NewDeterministic(c Config) (Scorer, error) {
	t, err := c.task(SourceDeterministic, "score")
	if err != nil {
		return nil, err
	}
	return deterministicJudge{newReader(c, t)}, nil
}

type deterministicJudge struct{ reader }

func (d deterministicJudge) Score(ctx context.Context, tag providers.Tag, prompt dataset.Prompt,
	response string) (Score, error) {
	a, err := d.read(ctx, tag, nil, prompt, response)
	if err != nil {
		return Score{}, err
	}
	s := Score{Mean: dataset.Known(a.Grades[0]), Source: SourceDeterministic, Repaired: a.Repaired}
	if !a.Reply.DefaultSampling {
		s.Variance = dataset.Known(0)
	}
	return s, nil
}

//go:embed interval.txt
var intervalRubric string

// NewInterval returns a judge that reads a response once, at temperature 0, and
// asks the model for an interval [l, u] that it is 95% sure of. On the scale of
// [0, 1],
//
//	Variance = ((u - l) / 3.92)²
//
// as if the opinion were normal. Models are overconfident: this is what the model
// stated, and [Uncertainty] takes it as a feature whose worth the oracle's labels
// decide. A reply is unparsable if the ends of its interval are reversed or do
// not enclose the score; the interval is never widened.
//
// It is an error if a required field of c is missing or another is out of range.
func NewInterval(c Config) (Scorer, error) {
	if c.Rubric == "" {
		c.Rubric = defaultRubric
	}
	c.Rubric += "\n" + intervalRubric
	t, err := c.task(SourceInterval, "score", "lower", "upper")
	if err != nil {
		return nil, err
	}
	return intervalJudge{newReader(c, t)}, nil
}

type intervalJudge struct{ reader }

func (i intervalJudge) Score(ctx context.Context, tag providers.Tag, prompt dataset.Prompt,
	response string) (Score, error) {
	a, err := i.read(ctx, tag, nil, prompt, response)
	if err != nil {
		return Score{}, err
	}
	score, lower, upper := a.Grades[0], a.Grades[1], a.Grades[2]
	if !(lower <= score && score <= upper) {
		return Score{}, i.unscored(tag, ReasonUnparsable, "",
			fmt.Errorf("score %v is not inside its own interval [%v, %v]", score, lower, upper))
	}
	sd := (upper - lower) / 3.92
	return Score{Mean: dataset.Known(score), Variance: dataset.Known(sd * sd), Source: SourceInterval,
		Repaired: a.Repaired}, nil
}
