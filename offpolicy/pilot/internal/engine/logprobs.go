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
	logging := slices.IndexFunc(r.job.Arms, func(a record.Arm) bool { return a.Policy.Name == p0.Name })
	all := record.Compared(r.job.Plan, r.job.Seed)
	d := duty{
		needs: func(it item) []slot {
			key, arms := r.job.keyOf(it.slot), slot(len(r.job.Arms))
			logged := it.slot - it.slot%arms + slot(logging)
			served := teacherforce.Served(r.arms()[key.Policy].Template)
			if !all[key.PromptID] || served {
				return []slot{logged, it.slot} // for the ids of the context
			}
			return []slot{logged}
		},
		do: func(ctx context.Context, it item) (*dataset.RecordError, error) {
			key := r.job.keyOf(it.slot)
			policy := r.arms()[key.Policy]
			if !r.job.Uncertified && !r.store.certs[record.CertificateKey(policy)].OK {
				return nil, &stopError{record.Stop{Stage: record.StageLogProbs, Class: "certification",
					Message: "there is no certificate of the endpoint's log-probs for " + record.CertificateKey(policy),
					Key:     key.String()}}
			}
			logged, ok, err := r.store.response(dataset.Key{PromptID: key.PromptID, Policy: p0.Name})
			if err != nil {
				return nil, err
			}
			row, err := r.scoreOne(ctx, logged, ok, p0, policy, r.prompt(key.PromptID), all[key.PromptID])
			if stop := r.fatal(ctx, record.StageLogProbs, key, err); stop != nil {
				return nil, stop
			}
			return row.Error, r.store.putLogProb(row)
		},
	}
	d.owe(&r.job, everyPolicy, func(key dataset.Key) bool {
		row := r.store.heldLogProb(key)
		// Another size of the vocabulary makes other bounds.
		stale := row != nil && row.method == teacherforce.MethodTempered &&
			row.vocabulary != sizes[r.arms()[key.Policy].Model]
		if row == nil || stale {
			return false
		}
		failed := row.failed()
		return failed == nil || record.Unavoidable(failed.Class)
	})
	return d
}

func (r *Run) scoreOne(ctx context.Context, logged dataset.Response, ok bool, p0, policy offpolicy.Policy,
	p dataset.Prompt, compare bool) (dataset.LogProb, error) {
	if !ok || logged.Text == nil {
		err := &teacherforce.Error{Reason: record.ClassNoResponse, Message: "P0 has no response to score",
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
		if known = r.store.context(dataset.Key{PromptID: p.ID, Policy: policy.Name}); known == nil {
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
