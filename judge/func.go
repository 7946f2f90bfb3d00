package judge

import (
	"context"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// Func returns a [Scorer] that calls f, which may be called from several
// goroutines at once. The identity stands in every record: choose one that
// changes whenever f scores differently, as "length@2" does. The variance of
// such a score is not known, and its source is "function".
//
// A number that is not in [0, 1] is an [*UnscoredError] with [ReasonInvalid].
// Func panics if identity is empty or f is nil.
func Func(identity string, f func(ctx context.Context, prompt dataset.Prompt,
	response string) (float64, error)) Scorer {
	if identity == "" || f == nil {
		panic("judge: Func: the identity is empty or the function is nil")
	}
	return function{identity, f}
}

type function struct {
	identity string
	f        func(context.Context, dataset.Prompt, string) (float64, error)
}

func (f function) Identity() string { return f.identity }

func (f function) Score(ctx context.Context, tag providers.Tag, prompt dataset.Prompt,
	response string) (Score, error) {
	v, err := f.f(ctx, prompt, response)
	if err != nil {
		return Score{}, fmt.Errorf("judge: %s [%s]: %w", f.identity, tag.Key, err)
	}
	if !(v >= 0 && v <= 1) {
		return Score{}, fmt.Errorf("judge: %w", &UnscoredError{Grader: f.identity, Key: tag.Key, Reason: ReasonInvalid,
			Err: fmt.Errorf("the function returned %v", v)})
	}
	return Score{Mean: dataset.Known(v), Source: SourceFunction}, nil
}
