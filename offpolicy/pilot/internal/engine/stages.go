package engine

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// owed is the work of all stages but certification, and what each waits for.
func (r *Run) owed() []*stage {
	policies := r.newBreaker(r.job.Policies.Name())
	grader := policies
	if r.grader == nil {
		grader = r.newBreaker("judge and oracle")
	} else if r.grader != r.policies {
		grader = r.newBreaker(r.job.Grader.Name())
	}
	known := func(owes func() duty) func() (duty, error) {
		return func() (duty, error) { return owes(), nil }
	}
	return []*stage{
		{name: record.StageP0, breaker: policies, makes: true, owes: known(func() duty {
			return r.responsesOwed(record.StageP0, func(policy string) bool { return policy == r.job.logging() })
		})},
		{name: record.StageTargets, breaker: policies, makes: true, owes: known(func() duty {
			return r.responsesOwed(record.StageTargets, func(policy string) bool { return policy != r.job.logging() })
		})},
		{name: record.StageLogProbs, breaker: policies, owes: known(r.logProbsOwed)},
		{name: record.StageOracle, breaker: grader, after: r.labelsAfter(), owes: r.labeling},
		{name: record.StageJudge, breaker: grader, owes: known(r.judging)},
		// The canaries' places follow from the scores.
		{name: record.StageCanaries, breaker: grader, after: []string{record.StageJudge}, owes: r.planting},
	}
}

func (r *Run) responsesOwed(stage string, of func(policy string) bool) duty {
	d := duty{do: func(ctx context.Context, it item) (*dataset.RecordError, error) {
		key := r.job.keyOf(it.slot)
		return r.respond(ctx, stage, r.arms()[key.Policy], r.prompt(key.PromptID))
	}}
	d.owe(&r.job, of, func(k dataset.Key) bool {
		row := r.store.heldResponse(k)
		return row != nil && row.failed() == nil
	})
	return d
}

// respond asks one policy for its response to one prompt.
func (r *Run) respond(ctx context.Context, stage string, policy offpolicy.Policy, p dataset.Prompt) (
	*dataset.RecordError, error) {
	key := dataset.Key{PromptID: p.ID, Policy: policy.Name}
	tag := providers.Tag{Stage: stage, Key: key}
	row := dataset.Response{PromptID: p.ID, Policy: policy.Name, PolicyHash: policy.Hash()}
	req, rendered, err := r.requestOf(ctx, tag, policy, p)
	var g providers.Generation
	if err == nil {
		g, err = r.policies.Generate(ctx, req)
	}
	if stop := r.fatal(ctx, stage, key, err); stop != nil {
		return nil, stop
	}
	if err == nil && g.Hidden != "" {
		err = &dataset.RecordError{Class: record.ClassHidden,
			Message: "the text is not the whole action, and its log-prob would not be that of what was done: " + g.Hidden}
	}
	if err != nil {
		row.Error = recordError(err)
	} else {
		text := g.Text // a pointer into g would keep all its tokens
		row.Text, row.TokenIDs, row.FinishReason, row.Model = &text, g.TokenIDs, g.FinishReason, g.Meta.Model
		row.LogProb, row.ContextIDs = sumLogProbs(g.Tokens), dataset.DigestTokens(g.PromptIDs)
		if rendered != nil {
			row.ContextIDs = dataset.DigestTokens(rendered)
		}
		if slices.ContainsFunc(r.job.Arms, func(a record.Arm) bool { return teacherforce.Served(a.Policy.Template) }) {
			row.EndID = teacherforce.ResponseOf(policy, g).EndID
		}
		if !policy.Sampling.Neutral() {
			row.Sampling = r.drawnWith(policy, g)
		}
		if g.Usage != nil {
			row.Usage = &dataset.Usage{PromptTokens: g.Usage.PromptTokens, CompletionTokens: g.Usage.CompletionTokens}
		}
	}
	return row.Error, r.store.putResponse(row)
}

// drawnWith are the log-probs that a policy drew the tokens of g with, if the server says
// them: apart, or as those of the tokens, if certification found that they are that.
func (r *Run) drawnWith(p offpolicy.Policy, g providers.Generation) []float64 {
	if out := teacherforce.SamplingOf(g); out != nil {
		return out
	}
	if r.said(p) != dataset.SamplingDistribution {
		return nil
	}
	g.Tokens = slices.Clone(g.Tokens)
	for i := range g.Tokens {
		g.Tokens[i].Sampling = g.Tokens[i].LogProb
	}
	return teacherforce.SamplingOf(g)
}

// said is what the server's values of generated tokens were found to be of, for policies
// that sample as p does.
func (r *Run) said(p offpolicy.Policy) dataset.Distribution {
	for _, probe := range r.store.certs[record.CertificateKey(p)].Probes {
		for _, a := range r.job.Arms {
			q := a.Policy
			q.Sampling.MaxTokens = p.Sampling.MaxTokens // it changes no distribution
			if probe.Name == teacherforce.ProbeSampled && probe.OK && q.Name == probe.Policy && q.Sampling == p.Sampling {
				return probe.Of
			}
		}
	}
	return ""
}

// sumLogProbs sums what the server said of its own tokens; one missing value
// makes the sum missing.
func sumLogProbs(tokens []providers.Token) dataset.Float {
	if len(tokens) == 0 {
		return dataset.Float{}
	}
	sum := 0.0
	for _, t := range tokens {
		sum += t.LogProb.OrNaN()
	}
	if math.IsInf(sum, 0) {
		return dataset.Float{}
	}
	return dataset.Known(sum)
}

// judging is what the judge is asked: a score of every response.
func (r *Run) judging() duty {
	d := duty{needs: about, do: r.scoreIt}
	d.owe(&r.job, everyPolicy, func(k dataset.Key) bool {
		row := r.store.heldScore(k)
		return row != nil && row.failed() == nil
	})
	return d
}

// scoreIt asks the judge for the score of one response.
func (r *Run) scoreIt(ctx context.Context, it item) (*dataset.RecordError, error) {
	key := r.job.keyOf(it.slot)
	tag := providers.Tag{Stage: record.StageJudge, Key: key}
	var score judge.Score
	err := error(&dataset.RecordError{Class: record.ClassNoResponse, Message: "there is no response to score"})
	text, broken := r.store.text(key)
	if broken != nil {
		return nil, broken
	}
	if text != nil {
		score, err = r.judge.Score(ctx, tag, r.prompt(key.PromptID), *text)
	}
	if stop := r.fatal(ctx, record.StageJudge, key, err); stop != nil {
		return nil, stop
	}
	row := judge.Record(key, r.arms()[key.Policy].Hash(), r.judge, score, err)
	return row.Error, r.store.putScore(row)
}

// prompt is the run's prompt of an id, with its metadata.
func (r *Run) prompt(id string) dataset.Prompt {
	i, ok := r.job.place(id)
	if !ok {
		panic("pilot: no prompt " + id)
	}
	return r.job.prompt(i)
}

// arms are the run's policies, by name.
func (r *Run) arms() map[string]offpolicy.Policy {
	r.named.Do(func() {
		r.armsByName = make(map[string]offpolicy.Policy, len(r.job.Arms))
		for _, a := range r.job.Arms {
			r.armsByName[a.Policy.Name] = a.Policy
		}
	})
	return r.armsByName
}

// fatal says whether an item's failure ends the run: the caller's context
// ended, or the next item is bound to fail for the same reason. The item is then
// left undone.
func (r *Run) fatal(ctx context.Context, stage string, key dataset.Key, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if stop := rendering(stage, key, err); stop != nil {
		return stop
	}
	var e *providers.Error
	if !errors.As(err, &e) {
		return nil
	}
	if e.Class.Stops() {
		return &stopError{record.Stop{Stage: stage, Class: string(e.Class), Message: e.Error(), Key: key.String()}}
	}
	return nil
}

// recordError says in a record why it has no value.
func recordError(err error) *dataset.RecordError {
	var re *dataset.RecordError
	if errors.As(err, &re) {
		return re
	}
	var pe *providers.Error
	if errors.As(err, &pe) {
		return &dataset.RecordError{Class: string(pe.Class), Message: err.Error()}
	}
	var te *teacherforce.Error
	if errors.As(err, &te) {
		return &dataset.RecordError{Class: string(te.Reason), Message: err.Error()}
	}
	return &dataset.RecordError{Class: "error", Message: err.Error()}
}
