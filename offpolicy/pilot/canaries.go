package pilot

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/providers"
)

// planted is a response and the canary that it is to carry.
type planted struct {
	score  dataset.JudgeScore
	canary judge.Canary
}

// plants chooses the responses that carry the canaries, from every policy in
// turn: those whose own score is nearest to the middle, where a push shows and
// a few lines more or less decide little. The choice follows from the scores
// alone, so that a run made in one go and one that was extended end alike.
func plants(scores []dataset.JudgeScore) []planted {
	byPolicy := map[string][]dataset.JudgeScore{}
	for _, s := range scores {
		if s.Mean.Valid() && s.DrawIdx == 0 && s.Mean.OrNaN() <= 1-judge.CanaryShift {
			byPolicy[s.Policy] = append(byPolicy[s.Policy], s)
		}
	}
	policies := slices.Sorted(maps.Keys(byPolicy))
	for _, name := range policies {
		slices.SortFunc(byPolicy[name], func(a, b dataset.JudgeScore) int {
			return cmp.Or(cmp.Compare(math.Abs(a.Mean.OrNaN()-.5), math.Abs(b.Mean.OrNaN()-.5)), a.Key().Compare(b.Key()))
		})
	}
	var out []planted
	canaries := judge.Canaries()
	for round := 0; len(canaries) > 0; round++ {
		more := false
		for _, name := range policies {
			if round < len(byPolicy[name]) && len(canaries) > 0 {
				out = append(out, planted{byPolicy[name][round], canaries[0]})
				canaries, more = canaries[1:], true
			}
		}
		if !more {
			break
		}
	}
	return out
}

// planting is what the judge is asked once every response has its score: the
// chosen ones with their canaries.
func (r *run) planting() []item {
	here := r.prompts()
	scores := sorted(r.store, r.store.scores, func(k dataset.Key) bool { _, ok := here[k.PromptID]; return ok })
	var items []item
	for _, p := range plants(scores) {
		key := p.score.Key()
		row, ok := r.store.canaries[key]
		// Another canary or another score may have had the place before.
		done := ok && row.Error == nil && row.Kind == p.canary.Kind && row.Clean == p.score.Mean
		items = append(items, item{key: key, done: done, do: func(ctx context.Context) (*dataset.RecordError, error) {
			row, err := r.plantOne(ctx, p, here[key.PromptID])
			if stop := r.fatal(ctx, stageCanaries, key, err); stop != nil {
				return nil, stop
			}
			return row.Error, put(r.store, kindCanary, r.store.canaries, row)
		}})
	}
	return items
}

func (r *run) plantOne(ctx context.Context, p planted, prompt dataset.Prompt) (dataset.Canary, error) {
	key := p.score.Key()
	row := dataset.Canary{
		PromptID: key.PromptID, Policy: key.Policy, Kind: p.canary.Kind, Judge: r.judge.Identity(),
		Clean: p.score.Mean, Planted: dataset.Float{},
	}
	var score judge.Score
	err := error(&dataset.RecordError{Class: classNoResponse, Message: "there is no response to plant a canary in"})
	if text := r.text(key); text != nil {
		// The place may change hands as a run is extended, and the request's id
		// must change with it.
		tag := providers.Tag{Stage: stageCanaries, Key: key, Call: p.canary.Kind}
		score, err = r.judge.Score(ctx, tag, prompt, p.canary.Plant(*text))
	}
	got := judge.Record(key, "", r.judge, score, err)
	row.Planted, row.Error = got.Mean, got.Error
	row.Moved = row.Planted.Valid() && judge.Moved(row.Clean.OrNaN(), row.Planted.OrNaN())
	return row, err
}
