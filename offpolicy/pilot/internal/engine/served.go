package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// contextIDs are the ids of the context that a policy answers a prompt in, as its server
// renders it.
func (r *Run) contextIDs(ctx context.Context, stage string, p offpolicy.Policy, prompt dataset.Prompt) ([]int, error) {
	tag := providers.Tag{Stage: stage, Key: dataset.Key{PromptID: prompt.ID, Policy: p.Name}, Call: "render"}
	return teacherforce.ContextIDs(ctx, r.policies, tag, p, prompt)
}

// requestOf is what asks a policy for its response, and the ids of the context if the
// server rendered it.
func (r *Run) requestOf(ctx context.Context, tag providers.Tag, p offpolicy.Policy,
	prompt dataset.Prompt) (req providers.GenerateRequest, ids []int, err error) {
	seed := draw(r.job.Seed, tag.Key)
	if !teacherforce.Served(p.Template) {
		req, err = r.forcer.GenerateRequest(tag, p, prompt, seed)
		return req, nil, err
	}
	if ids, err = r.contextIDs(ctx, tag.Stage, p, prompt); err != nil {
		return req, nil, err
	}
	return teacherforce.GenerateAfter(tag, p, ids, seed), ids, nil
}

// canariesAmong is the number of log-probs of which about one has the server render the
// canaries again.
const canariesAmong = 16

// scoreServed scores a response after the context that the policy's server renders. The
// context has to be the one that the policy's own response was drawn in.
func (r *Run) scoreServed(ctx context.Context, tag providers.Tag, p offpolicy.Policy, prompt dataset.Prompt,
	response teacherforce.Response) (teacherforce.Result, error) {
	ids, err := r.contextIDs(ctx, tag.Stage, p, prompt)
	if err != nil {
		return teacherforce.Result{}, err
	}
	was := r.store.context(tag.Key)
	if is := dataset.DigestTokens(ids); was != nil && *was != *is {
		return teacherforce.Result{}, fmt.Errorf("pilot: the context of %s under %s had %d tokens when it was answered and "+
			"has %d: %w", prompt.ID, p.Name, was.N, is.N, teacherforce.ErrRenderingChanged)
	}
	if draw(r.job.Seed, tag.Key)%canariesAmong == 0 {
		if _, err := teacherforce.Identify(ctx, r.policies, p); err != nil {
			return teacherforce.Result{}, err
		}
	}
	return r.forcer.ScoreIDs(ctx, tag, p, prompt.ID, ids, response)
}

// renderedAlike asks once more, after the last record, whether every server renders as it
// did when its policies were identified.
func (r *Run) renderedAlike(ctx context.Context) error {
	for _, a := range r.job.Arms {
		if !teacherforce.Served(a.Policy.Template) {
			continue
		}
		// A server that is gone by now has changed nothing.
		_, err := teacherforce.Identify(ctx, r.policies, a.Policy)
		if stop := rendering(record.StageLogProbs, dataset.Key{Policy: a.Policy.Name}, err); stop != nil {
			return stop
		}
	}
	return nil
}

// classRendering is the class of a stop because a server renders otherwise than before.
const classRendering = "rendering"

// rendering is the stop for a server that renders otherwise than before, nil if it does not.
func rendering(stage string, key dataset.Key, err error) error {
	if !errors.Is(err, teacherforce.ErrRenderingChanged) {
		return nil
	}
	return &stopError{record.Stop{Stage: stage, Class: classRendering, Message: err.Error(), Key: key.String()}}
}
