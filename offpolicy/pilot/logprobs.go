package pilot

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// comparedRows is how many prompts, the first by the rank that samples them, have
// their log-probs from two calls, context and joint text, so that every method
// is computed: the whole of a pilot of 100. Of those beyond, one in auditEvery
// has, chosen by a hash of its id; the others are scored by one call where the
// ids of the context are known from the policy's own answer.
const (
	comparedRows = 100
	auditEvery   = 32
)

// compared are the prompts on which every method is computed. The choice depends
// on the seed and the ids, so that a larger run makes the smaller one's again.
func compared(prompts []dataset.Prompt, seed uint64) map[string]bool {
	out := make(map[string]bool, comparedRows)
	first, err := dataset.SamplePrompts(prompts, min(comparedRows, len(prompts)), seed)
	if err != nil { // ids that occur twice; prompts.unique says so
		first = prompts
	}
	for _, p := range first {
		out[p.ID] = true
	}
	for _, p := range prompts {
		b := binary.BigEndian.AppendUint64([]byte("reweigh audit 1"), seed)
		h := sha256.Sum256(append(b, p.ID...))
		if binary.BigEndian.Uint64(h[:8])%auditEvery == 0 {
			out[p.ID] = true
		}
	}
	return out
}

// contextWeight returns how much an attempt of the sample counts for one of full
// prompts. A sample compares methods more often than a full run does, and pays
// for it by the calls for contexts, and for conversations where the server scores
// them; where the server does not tell a context's
// ids, every pair needs that call.
func contextWeight(rec *Records, full int) func(providers.Entry) float64 {
	known, compares, here := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, row := range rec.Responses {
		known[row.Key().String()] = row.ContextIDs != nil
	}
	for _, row := range rec.LogProbs {
		m, ok := row.Methods[teacherforce.MethodContinuation]
		if ok && m.Reason != string(teacherforce.ReasonNotCompared) {
			compares[row.Key().String()], here[row.PromptID] = true, true
		}
	}
	share := float64(len(here)) / float64(max(1, len(rec.Prompts)))
	first := float64(min(comparedRows, full))
	weight := min(1, (first+(float64(full)-first)/auditEvery)/float64(full)/share)
	return func(e providers.Entry) float64 {
		if e.Stage == stageLogProbs && (e.Call == "context" && known[e.Key] || e.Call == "chat") && compares[e.Key] {
			return weight
		}
		return 1
	}
}

// logProbsOwed are the log-probs of P0's responses under every policy, P0 among
// them. None is made without a certificate of the model's and template's.
func (r *run) logProbsOwed() []item {
	var items []item
	p0 := loggingArm(r.cfg.Arms).Policy
	all := compared(r.cfg.Prompts, r.cfg.Seed)
	for _, p := range r.cfg.Prompts {
		for _, a := range r.cfg.Arms {
			key := dataset.Key{PromptID: p.ID, Policy: a.Policy.Name}
			row, ok := r.store.logprobs[key]
			certified := r.store.certs[certificateKey(a.Policy)].OK
			needs := []dataset.Key{{PromptID: p.ID, Policy: p0.Name}}
			if !all[p.ID] && a.Policy.Name != p0.Name {
				needs = append(needs, key) // for the ids of the context
			}
			items = append(items, item{key: key, needs: needs, done: ok && row.Error == nil, do: func(ctx context.Context) (*dataset.RecordError, error) {
				if !certified {
					return nil, &stopError{Stop{Stage: stageLogProbs, Class: "certification", Message: "there is no certificate of the endpoint's log-probs for " + certificateKey(a.Policy), Key: key.String()}}
				}
				row, err := r.scoreOne(ctx, p0, a.Policy, p, all[p.ID])
				if stop := r.fatal(ctx, stageLogProbs, key, err); stop != nil {
					return nil, stop
				}
				return row.Error, r.store.putLogProb(row)
			}})
		}
	}
	return items
}

func (r *run) scoreOne(ctx context.Context, p0, policy offpolicy.Policy, p dataset.Prompt, compare bool) (dataset.LogProb, error) {
	logged, ok := get(r.store, r.store.responses, dataset.Key{PromptID: p.ID, Policy: p0.Name})
	if !ok || logged.Text == nil {
		err := &teacherforce.Error{Class: classNoResponse, Message: "P0 has no response to score", Policy: policy.Name, Prompt: p.ID}
		return teacherforce.FailedRecord(p.ID, policy, err), nil
	}
	response := teacherforce.Response{
		Text: *logged.Text, TokenIDs: logged.TokenIDs, Model: logged.Model,
		Ended: logged.FinishReason == "stop", Filtered: teacherforce.Filtered(logged.FinishReason),
		Sampling: logged.Sampling, By: p0,
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
	tag := providers.Tag{Stage: stageLogProbs, Key: key}
	res, err := r.forcer.ScoreKnown(ctx, tag, policy, p, known, response)
	if err != nil {
		return teacherforce.FailedRecord(p.ID, policy, err), err
	}
	return res.Record(p.ID, policy.Name), nil
}

// forcingSummary puts the statistics of one policy into the form of a report.
func forcingSummary(all map[string]teacherforce.PolicyStatistics, policy string) (*ForcingSummary, []MethodCounts) {
	st, ok := all[policy]
	names := append(slices.Clone(textMethods), teacherforce.MethodTokenIDs)
	for _, name := range []string{teacherforce.MethodChat, teacherforce.MethodSampling} {
		if _, has := st.Methods[name]; has {
			names = append(names, name)
		}
	}
	methods := make([]MethodCounts, len(names))
	for i, name := range names {
		m := st.Methods[name]
		methods[i] = MethodCounts{Method: name, Answered: m.Answered, Used: m.Used, Reasons: map[string]int{}}
		for reason, n := range m.Reasons {
			methods[i].Reasons[string(reason)] = n
		}
		if absent := st.Attempts - m.Attempts; absent > 0 && name != teacherforce.MethodSampling {
			methods[i].Reasons["absent"] = absent
		}
	}
	if !ok {
		return nil, methods
	}
	return &ForcingSummary{
		Attempts: st.Attempts, Scored: st.Scored, Failures: st.Failures, Flags: st.Flags,
		KLPerToken: dataset.Known(st.KLPerToken), KLSE: dataset.Known(st.KLSE), RowsPerEffective: finite(st.RowsPerEffective),
		NoiseN: st.Noise.N, NoiseRMS: dataset.Known(st.Noise.RMS), NoiseMax: dataset.Known(st.Noise.Max),
	}, methods
}

// suspects are the records' values that are probably wrong. P0's own have a second
// opinion where raw values are those of its sampling: what the server said while
// it wrote them.
func (r *Records) suspects() []string {
	p0 := r.logging().Policy
	said := r.responsesOf(p0.Name)
	values := make([]teacherforce.Value, 0, len(r.LogProbs))
	keys := make([]string, 0, len(r.LogProbs))
	for _, row := range r.LogProbs {
		if !row.LogProb.Valid() {
			continue // counted where it is missing
		}
		v := teacherforce.Value{Response: row.PromptID, Policy: row.Policy, LogProb: row.LogProb, Length: row.Tokens}
		if row.Policy == p0.Name && p0.Sampling.Neutral() {
			v.Second = said[row.PromptID].LogProb
		}
		values, keys = append(values, v), append(keys, row.Key().String())
	}
	var out []string
	for _, s := range teacherforce.Suspects(values) {
		out = append(out, keys[s.Index]+" "+s.Reason)
	}
	return out
}
