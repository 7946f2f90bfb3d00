package engine

import (
	"context"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// logProbsOwed are the log-probs of P0's responses under every policy, P0 among
// them. None is made without a certificate of the model's and template's.
func (r *Run) logProbsOwed() duty {
	p0 := r.job.Arms.Logging().Policy
	sizes := r.job.Arms.Vocabularies()
	all := record.Compared(r.job.Plan, r.job.Seed)
	d := duty{
		needs: func(it item) []dataset.Key {
			needs := []dataset.Key{{PromptID: it.key.PromptID, Policy: p0.Name}}
			served := teacherforce.Served(r.arms()[it.key.Policy].Template)
			if (!all[it.key.PromptID] || served) && it.key.Policy != p0.Name {
				needs = append(needs, it.key) // for the ids of the context
			}
			return needs
		},
		do: func(ctx context.Context, it item) (*dataset.RecordError, error) {
			policy := r.arms()[it.key.Policy]
			if !r.job.Uncertified && !r.store.certs[record.CertificateKey(policy)].OK {
				return nil, &stopError{record.Stop{Stage: record.StageLogProbs, Class: "certification",
					Message: "there is no certificate of the endpoint's log-probs for " + record.CertificateKey(policy),
					Key:     it.key.String()}}
			}
			logged, ok, err := r.store.response(dataset.Key{PromptID: it.key.PromptID, Policy: p0.Name})
			if err != nil {
				return nil, err
			}
			row, err := r.scoreOne(ctx, logged, ok, p0, policy, *r.prompts()[it.key.PromptID], all[it.key.PromptID])
			if stop := r.fatal(ctx, record.StageLogProbs, it.key, err); stop != nil {
				return nil, stop
			}
			return row.Error, r.store.putLogProb(row)
		},
	}
	for _, p := range r.job.Prompts {
		for _, a := range r.job.Arms {
			key := dataset.Key{PromptID: p.ID, Policy: a.Policy.Name}
			row, ok := r.store.logprobs[key]
			// Another size of the vocabulary makes other bounds.
			stale := ok && row.row.Method == teacherforce.MethodTempered && row.row.Vocabulary != sizes[a.Policy.Model]
			d.items = append(d.items, item{key: key, done: ok && row.row.Error == nil && !stale})
		}
	}
	return d
}

func (r *Run) scoreOne(ctx context.Context, logged dataset.Response, ok bool, p0, policy offpolicy.Policy,
	p dataset.Prompt, compare bool) (dataset.LogProb, error) {
	if !ok || logged.Text == nil {
		err := &teacherforce.Error{Class: record.ClassNoResponse, Message: "P0 has no response to score",
			Policy: policy.Name, Prompt: p.ID}
		return teacherforce.FailedRecord(p.ID, policy, err), nil
	}
	response := teacherforce.Response{
		Text: *logged.Text, TokenIDs: logged.TokenIDs, Model: logged.Model,
		Ended: logged.FinishReason == "stop", Filtered: teacherforce.Filtered(logged.FinishReason),
		Sampling: logged.Sampling, By: p0, EndID: logged.EndID,
	}
	if response.Model == "" {
		response.Model = p0.Model
	}
	var known *dataset.TokenDigest
	if !compare {
		own := r.store.short(dataset.Key{PromptID: p.ID, Policy: policy.Name})
		if known = own.ContextIDs; known == nil {
			known = &dataset.TokenDigest{} // of nothing: the calls that the value takes, and no comparison
		}
	}
	key := dataset.Key{PromptID: p.ID, Policy: policy.Name}
	tag := providers.Tag{Stage: record.StageLogProbs, Key: key}
	var res teacherforce.Result
	var err error
	if teacherforce.Served(policy.Template) {
		res, err = r.scoreServed(ctx, tag, policy, p, response)
	} else {
		res, err = r.forcer.ScoreKnown(ctx, tag, policy, p, known, response)
	}
	if err != nil {
		return teacherforce.FailedRecord(p.ID, policy, err), err
	}
	row := res.Record(p.ID, policy.Name)
	for _, a := range []offpolicy.Policy{p0, policy} {
		if !r.store.certs[record.CertificateKey(a)].OK && !slices.Contains(row.Flags, record.FlagUncertified) {
			row.Flags = append(row.Flags, record.FlagUncertified)
		}
	}
	slices.Sort(row.Flags)
	return row, nil
}
