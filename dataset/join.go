package dataset

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// Index maps rows by key. A key that occurs twice is an error that names it.
func Index[T interface{ Key() Key }](rows []T) (map[Key]T, error) {
	m := make(map[Key]T, len(rows))
	for _, row := range rows {
		k := row.Key()
		if _, ok := m[k]; ok {
			return nil, fmt.Errorf("dataset: %w: %T %s occurs twice (keep one of the two)", ErrDuplicateID, row, k)
		}
		m[k] = row
	}
	return m, nil
}

// RunRecords is what a run knows, as its files hold it: in any order, complete
// or not.
type RunRecords struct {
	Logging   string   // name of the policy whose responses were logged
	Targets   []string // names of the policies to be evaluated
	Prompts   []Prompt
	Responses []Response
	LogProbs  []LogProb
	Labels    []OracleLabel
	Scores    []JudgeScore // of one judge
}

// Unjoined is a record that was left out of the join, or one that was missing
// from it.
type Unjoined struct {
	Key    Key
	Stage  string // the records' file without its extension: "responses", "logprobs", …
	Reason string
}

// String is one line for a person.
func (u Unjoined) String() string { return fmt.Sprintf("%s %s: %s", u.Stage, u.Key, u.Reason) }

// JoinSamples makes one [Sample] for each prompt that has a logged response,
// sorted by prompt: the response of draw 0 with its log-prob under the logging
// policy and under every target, its judge score, and its oracle label with the
// label's inclusion probability. Whatever is not known is null; every target is
// in the map. Metadata is the prompt's, with finish_reason added and without
// judge_score and oracle_label, should the prompt's source have had such.
//
// A record joins only if its key is its own (of two records with one key neither
// is used, as nothing tells which is right), its prompt and response are known,
// its policy hash is that of the policy's responses (where both state one), and
// it holds a value; a label must also have an inclusion probability in (0, 1],
// and one of role "duplicate" is passed over.
// unjoined lists every record that did not join, of any policy, and every
// response, log-prob and judge score that a sample should have and that has no
// record at all; it is sorted by key, then stage.
func JoinSamples(in RunRecords) (samples []Sample, unjoined []Unjoined) {
	for s, missed := range Join(in) {
		if s != nil {
			samples = append(samples, *s)
		}
		unjoined = append(unjoined, missed...)
	}
	slices.SortFunc(unjoined, compareUnjoined)
	return samples, unjoined
}

func compareUnjoined(a, b Unjoined) int {
	return cmp.Or(a.Key.Compare(b.Key), cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Reason, b.Reason))
}

// Join is [JoinSamples] as a sequence, sorted by prompt: of each prompt that
// anything is known of, its sample, nil where it has none, and what of it did not
// join.
func Join(in RunRecords) iter.Seq2[*Sample, []Unjoined] {
	return func(yield func(*Sample, []Unjoined) bool) {
		j := newJoin(in)
		logprobs := j.logprobs(in)
		missed := map[string][]Unjoined{}
		for _, u := range j.unjoined {
			missed[u.Key.PromptID] = append(missed[u.Key.PromptID], u)
		}
		ids := map[string]bool{}
		for id := range missed {
			ids[id] = true
		}
		for id := range j.prompts {
			ids[id] = true
		}
		for _, id := range slices.Sorted(maps.Keys(ids)) {
			j.unjoined = missed[id]
			var s *Sample
			if p, ok := j.prompts[id]; ok {
				s = j.sample(in, logprobs, p)
			}
			slices.SortFunc(j.unjoined, compareUnjoined)
			if !yield(s, j.unjoined) {
				return
			}
		}
	}
}

// sample joins what is known of one prompt; it is nil without a logged response.
func (j *join) sample(in RunRecords, logprobs map[Key]LogProb, p Prompt) *Sample {
	key := Key{PromptID: p.ID, Policy: in.Logging}
	resp, ok := j.responses[key]
	if !ok {
		j.miss("responses", key, "no record")
		return nil
	}
	s := Sample{
		PromptID: p.ID, Prompt: p.Text, Response: *resp.Text,
		TargetPolicyLogProbs: make(map[string]Float, len(in.Targets)),
		Metadata:             make(map[string]any, len(p.Metadata)+1),
	}
	maps.Copy(s.Metadata, p.Metadata)
	s.Metadata["finish_reason"] = resp.FinishReason
	// CJE would take these for the sample's own where that is null.
	delete(s.Metadata, "judge_score")
	delete(s.Metadata, "oracle_label")
	lookup := func(policy string) LogProb {
		k := Key{PromptID: p.ID, Policy: policy}
		lp, ok := logprobs[k]
		if !ok {
			j.miss("logprobs", k, "no record")
			return LogProb{}
		}
		return lp
	}
	base := lookup(in.Logging)
	s.BasePolicyLogProb = base.LogProb
	for _, target := range in.Targets {
		lp := lookup(target)
		if base.Raw() || lp.Raw() {
			// Whoever reads the two makes a weight of them.
			j.miss("logprobs", Key{PromptID: p.ID, Policy: target}, "one of the two values is not of the distribution that its policy samples from")
			lp.LogProb = Float{}
		}
		s.TargetPolicyLogProbs[target] = lp.LogProb
	}
	if score, ok := j.scores[key]; ok {
		s.JudgeScore = score.Mean
	} else {
		j.miss("judge", key, "no record")
	}
	if label, ok := j.labels[key]; ok {
		s.OracleLabel, s.InclusionProb = label.Label, label.InclusionProb
	}
	return &s
}

// FreshDraws returns one policy's own responses, every draw of them, with their
// judge scores and oracle labels, sorted by key. Records join as in
// [JoinSamples]; a response that failed is not among them.
func FreshDraws(in RunRecords, policy string) []FreshDraw {
	j := newJoin(in)
	var out []FreshDraw
	for _, k := range slices.SortedFunc(maps.Keys(j.responses), Key.Compare) {
		if k.Policy != policy {
			continue
		}
		d := FreshDraw{
			PromptID: k.PromptID, Prompt: j.prompts[k.PromptID].Text, Response: *j.responses[k].Text, DrawIdx: k.DrawIdx,
		}
		if s, ok := j.scores[k]; ok {
			d.JudgeScore = s.Mean
		}
		if l, ok := j.labels[k]; ok {
			d.OracleLabel, d.InclusionProb = l.Label, l.InclusionProb
		}
		out = append(out, d)
	}
	return out
}

// join holds the records that are fit to be joined and a list of those that are
// not.
type join struct {
	prompts   map[string]Prompt
	hashes    map[string]string // policy name -> hash, from the responses
	responses map[Key]Response
	labels    map[Key]OracleLabel
	scores    map[Key]JudgeScore
	unjoined  []Unjoined
	listed    map[stageKey]bool
}

type stageKey struct {
	stage string
	key   Key
}

func newJoin(in RunRecords) *join {
	j := &join{
		prompts: make(map[string]Prompt, len(in.Prompts)),
		hashes:  make(map[string]string),
		listed:  make(map[stageKey]bool),
	}
	count := make(map[string]int, len(in.Prompts))
	for _, p := range in.Prompts {
		count[p.ID]++
	}
	for _, p := range in.Prompts {
		if n := count[p.ID]; n > 1 {
			j.miss("prompts", Key{PromptID: p.ID}, fmt.Sprintf("%d prompts have this id", n))
			continue
		}
		j.prompts[p.ID] = p
	}

	// The responses come first: they say which hash a policy's name stands for.
	// Of several hashes the first in key order counts, so that the order of the
	// rows does not.
	first := make(map[string]Key)
	for _, r := range in.Responses {
		if k, ok := first[r.Policy]; r.PolicyHash != "" && (!ok || r.Key().Compare(k) < 0) {
			first[r.Policy], j.hashes[r.Policy] = r.Key(), r.PolicyHash
		}
	}
	j.responses = collect(j, "responses", in.Responses, func(r Response) defect {
		return defect{hash: r.PolicyHash, err: r.Error, null: r.Text == nil}
	})
	// A second label of a response tells of the oracle, not of the response.
	labels := slices.DeleteFunc(slices.Clone(in.Labels), func(l OracleLabel) bool { return l.Role == "duplicate" })
	j.labels = collect(j, "oracle", labels, func(l OracleLabel) defect {
		d := defect{hash: l.PolicyHash, err: l.Error, null: !l.Label.Valid(), reason: j.noResponse(l.Key())}
		if p := l.InclusionProb; d.reason == "" && !(p.OrNaN() > 0 && p.OrNaN() <= 1) {
			d.reason = fmt.Sprintf("inclusion_prob is %v, want a probability in (0, 1]", p)
		}
		return d
	})
	j.scores = collect(j, "judge", in.Scores, func(s JudgeScore) defect {
		return defect{hash: s.PolicyHash, err: s.Error, null: !s.Mean.Valid(), reason: j.noResponse(s.Key())}
	})
	return j
}

func (j *join) logprobs(in RunRecords) map[Key]LogProb {
	return collect(j, "logprobs", in.LogProbs, func(l LogProb) defect {
		d := defect{hash: l.PolicyHash, err: l.Error, null: !l.LogProb.Valid()}
		if l.Policy != in.Logging && !slices.Contains(in.Targets, l.Policy) {
			d.reason = "the policy is neither the logging policy nor a target"
		} else {
			d.reason = j.noResponse(Key{PromptID: l.PromptID, Policy: in.Logging})
		}
		return d
	})
}

func (j *join) noResponse(k Key) string {
	if _, ok := j.responses[k]; !ok {
		return fmt.Sprintf("there is no response %s to join it to", k)
	}
	return ""
}

func (j *join) miss(stage string, k Key, reason string) {
	at := stageKey{stage, k}
	if !j.listed[at] {
		j.listed[at] = true
		j.unjoined = append(j.unjoined, Unjoined{k, stage, reason})
	}
}

// defect is what a record says of itself that may keep it from being joined.
type defect struct {
	hash   string
	err    *RecordError
	null   bool
	reason string // of its stage's own
}

// collect returns the rows that can be joined, by key, and lists the others.
func collect[T interface{ Key() Key }](j *join, stage string, rows []T, look func(T) defect) map[Key]T {
	count := make(map[Key]int, len(rows))
	for _, row := range rows {
		count[row.Key()]++
	}
	fit := make(map[Key]T, len(rows))
	for _, row := range rows {
		k := row.Key()
		d := look(row)
		known := j.hashes[k.Policy]
		switch _, ok := j.prompts[k.PromptID]; {
		case count[k] > 1:
			j.miss(stage, k, fmt.Sprintf("%d records have this key", count[k]))
		case !ok:
			j.miss(stage, k, "no such prompt")
		case d.err != nil:
			j.miss(stage, k, "failed: "+d.err.Error())
		case d.null:
			j.miss(stage, k, "null without an error")
		case d.hash != "" && known != "" && d.hash != known:
			j.miss(stage, k, fmt.Sprintf("policy hash %s is not the %s of the policy's responses", d.hash, known))
		case d.reason != "":
			j.miss(stage, k, d.reason)
		default:
			fit[k] = row
		}
	}
	return fit
}
