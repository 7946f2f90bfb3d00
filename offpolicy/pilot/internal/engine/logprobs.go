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
func (r *Run) logProbsOwed() []item {
	var items []item
	p0 := r.job.Arms.Logging().Policy
	sizes := r.job.Arms.Vocabularies()
	all := record.Compared(r.job.Plan, r.job.Seed)
	for _, p := range r.job.Prompts {
		for _, a := range r.job.Arms {
			key := dataset.Key{PromptID: p.ID, Policy: a.Policy.Name}
			row, ok := r.store.logprobs[key]
			certified := r.job.Uncertified || r.store.certs[record.CertificateKey(a.Policy)].OK
			needs := []dataset.Key{{PromptID: p.ID, Policy: p0.Name}}
			if (!all[p.ID] || teacherforce.Served(a.Policy.Template)) && a.Policy.Name != p0.Name {
				needs = append(needs, key) // for the ids of the context
			}
			// Another size of the vocabulary makes other bounds.
			stale := row.Method == teacherforce.MethodTempered && row.Vocabulary != sizes[a.Policy.Model]
			items = append(items, item{key: key, needs: needs, done: ok && row.Error == nil && !stale,
				do: func(ctx context.Context) (*dataset.RecordError, error) {
					if !certified {
						return nil, &stopError{record.Stop{Stage: record.StageLogProbs, Class: "certification",
							Message: "there is no certificate of the endpoint's log-probs for " + record.CertificateKey(a.Policy),
							Key:     key.String()}}
					}
					logged, ok, err := r.store.response(needs[0])
					if err != nil {
						return nil, err
					}
					row, err := r.scoreOne(ctx, logged, ok, p0, a.Policy, p, all[p.ID])
					if stop := r.fatal(ctx, record.StageLogProbs, key, err); stop != nil {
						return nil, stop
					}
					return row.Error, r.store.putLogProb(row)
				}})
		}
	}
	return items
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
		own, _ := get(r.store, r.store.responses, dataset.Key{PromptID: p.ID, Policy: policy.Name})
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
