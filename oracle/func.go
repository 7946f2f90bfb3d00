package oracle

import (
	"context"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/providers"
)

// Func returns an [Oracle] that calls f, which may be called from several
// goroutines at once. The identity stands in every record: choose one that
// changes whenever f labels differently, as "exact match@2" does.
//
// A number that is not in [0, 1] is a [*judge.UnscoredError] with
// [judge.ReasonInvalid]. Func panics if identity is empty or f is nil.
func Func(identity string, f func(ctx context.Context, prompt dataset.Prompt,
	response string) (float64, error)) Oracle {
	if identity == "" || f == nil {
		panic("oracle: Func: the identity is empty or the function is nil")
	}
	return function{identity, f}
}

type function struct {
	identity string
	f        func(context.Context, dataset.Prompt, string) (float64, error)
}

func (f function) Identity() string { return f.identity }

func (f function) Label(ctx context.Context, tag providers.Tag, prompt dataset.Prompt,
	response string) (float64, error) {
	v, err := f.f(ctx, prompt, response)
	if err != nil {
		return 0, fmt.Errorf("oracle: %s [%s]: %w", f.identity, tag.Key, err)
	}
	if !(v >= 0 && v <= 1) {
		return 0, fmt.Errorf("oracle: %w", &judge.UnscoredError{
			Grader: f.identity, Key: tag.Key, Reason: judge.ReasonInvalid, Err: fmt.Errorf("the function returned %v", v),
		})
	}
	return v, nil
}
