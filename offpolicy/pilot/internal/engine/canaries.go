package engine

import (
	"context"
	"iter"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// planting is what the judge is asked once every response has its score: the
// chosen ones with their canaries.
func (r *Run) planting() (duty, error) {
	plants := r.plants(scoreRows(sorted(r.store, &r.store.scores, r.here()), nil).Values())
	d := duty{do: func(ctx context.Context, it item) (*dataset.RecordError, error) {
		key := r.job.keyOf(it.slot)
		row, err := r.plantOne(ctx, plants[it.at], r.prompt(key.PromptID))
		if stop := r.fatal(ctx, record.StageCanaries, key, err); stop != nil {
			return nil, stop
		}
		return row.Error, r.store.putCanary(row)
	}}
	for _, p := range plants {
		key := p.Score.Key()
		row, ok := r.store.canaries[key]
		// Another canary or another score may have had the place before.
		done := ok && row.Error == nil && row.Kind == p.Canary.Kind && row.Clean == p.Score.Mean
		if err := d.list(&r.job, key, done); err != nil {
			return d, err
		}
	}
	return d, nil
}

// plants are the canaries of the whole run that fall on this job's prompts.
func (r *Run) plants(scores iter.Seq[dataset.JudgeScore]) []record.Planted {
	return record.Plants(record.Canaries(r.job.Plan, r.job.Seed), scores)
}

func (r *Run) plantOne(ctx context.Context, p record.Planted, prompt dataset.Prompt) (dataset.Canary, error) {
	key := p.Score.Key()
	row := dataset.Canary{
		PromptID: key.PromptID, Policy: key.Policy, Kind: p.Canary.Kind, Judge: r.judge.Identity(),
		Clean: p.Score.Mean, Planted: dataset.Float{},
	}
	var score judge.Score
	err := error(&dataset.RecordError{Class: record.ClassNoResponse,
		Message: "there is no response to plant a canary in"})
	text, broken := r.store.text(key)
	if broken != nil {
		return row, broken
	}
	if text != nil {
		// The place may change hands as a run is extended, and the request's id
		// must change with it.
		tag := providers.Tag{Stage: record.StageCanaries, Key: key, Call: p.Canary.Kind}
		score, err = r.judge.Score(ctx, tag, prompt, p.Canary.Plant(*text))
	}
	got := judge.Record(key, "", r.judge, score, err)
	row.Planted, row.Error = got.Mean, got.Error
	row.Moved = row.Planted.Valid() && judge.Moved(row.Clean.OrNaN(), row.Planted.OrNaN())
	return row, err
}
