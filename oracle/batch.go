package oracle

import (
	"context"
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/grading"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
)

// Batcher is the one method that [Labeler.LabelBatch] needs; [batch.Runner] has
// it.
type Batcher interface {
	Run(context.Context, batch.Config, []providers.GenerateRequest) (map[providers.Tag]batch.Result, error)
}

// Item is one response to be labeled in a batch.
type Item struct {
	Tag      providers.Tag // of its own
	Prompt   dataset.Prompt
	Response string
}

// Outcome is what became of an item: a label, or an error as Label returns it.
type Outcome struct {
	Label dataset.Float
	Err   error
}

// ErrUnfinished is an item's error if the batches ended early.
var ErrUnfinished = errors.New("no answer yet")

// LabelBatch labels items through the service's batches, within a day and at the
// batch price, which is half of the usual one with OpenAI. It asks and reads
// replies as Label does. The outcomes are in the order of the items.
//
// An error means that the work is not finished; items without an answer then have
// one that wraps [ErrUnfinished]. Another call with the same store, run and items
// continues the work and pays for nothing twice: see [batch.Runner.Run].
func (l *Labeler) LabelBatch(ctx context.Context, b Batcher, c batch.Config, items []Item) ([]Outcome, error) {
	out := make([]Outcome, len(items))
	var requests []providers.GenerateRequest
	for i, it := range items {
		if err := l.asker.Fits(it.Prompt, it.Response); err != nil {
			out[i] = l.batched(it.Tag.Key, grading.Answer{}, err)
			continue
		}
		requests = append(requests, l.asker.Request(it.Tag, it.Prompt, it.Response))
	}
	if len(requests) == 0 {
		return out, nil
	}
	results, err := b.Run(ctx, c, requests)
	for i, it := range items {
		if out[i].Err != nil {
			continue
		}
		r, ok := results[it.Tag]
		if !ok {
			out[i].Err = fmt.Errorf("oracle: %s [%s]: %w", l.Identity(), it.Tag.Key, ErrUnfinished)
			continue
		}
		a, err := l.asker.Read(it.Prompt, it.Response, r.Generation, r.Err)
		out[i] = l.batched(it.Tag.Key, a, err)
	}
	if err != nil {
		return out, fmt.Errorf("oracle: %s: label by batch: %w", l.Identity(), err)
	}
	return out, nil
}

func (l *Labeler) batched(key dataset.Key, a grading.Answer, err error) Outcome {
	label, err := l.label(key, a, err)
	if err != nil {
		return Outcome{Err: err}
	}
	return Outcome{Label: dataset.Known(label)}
}
