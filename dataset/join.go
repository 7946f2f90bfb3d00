package dataset

import (
	"fmt"
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
	Logging string // name of the policy whose responses were logged
	// Loggers, if not nil, name the policy that logged each prompt's response, by prompt id, of
	// logs that several policies wrote, such as old versions of a prompt; the logs are then
	// Pooled, and Logging is a name for all of them. LogProbs are of that response, and ought to
	// be there under every logger.
	Loggers   map[string]string
	Judge     string   // identity of the judge
	Targets   []string // names of the policies to be evaluated
	Prompts   []Prompt
	Responses []Response
	LogProbs  []LogProb
	Labels    []OracleLabel
	Scores    []JudgeScore // of one judge
}

// logger is the policy that logged a prompt's response.
func (in *RunRecords) logger(promptID string) string {
	if in.Loggers == nil {
		return in.Logging
	}
	return in.Loggers[promptID]
}

// scored are the policies, but the one that logs, that responses are scored under: the
// targets, and all loggers if there are several.
func (in *RunRecords) scored() []string {
	if in.Loggers == nil {
		return in.Targets
	}
	all := slices.AppendSeq(slices.Clone(in.Targets), maps.Values(in.Loggers))
	slices.Sort(all)
	return slices.Compact(all)
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

// Logs are joined records: what an evaluation is made of. [Join] makes them of a run;
// an importer fills them in from files of its own.
type Logs struct {
	Logging string // name of the policy whose responses were logged
	// Pooled says that several policies logged, whose name each sample has in a field
	// "logger" (in Extra, or in its metadata); Logging is then a name for all of the logs.
	// A sample's BasePolicyLogProb is that of its own logger.
	Pooled  bool
	Judge   string // identity of the judge that gave every score, name and hash
	Samples []Sample
	// Draws are the targets' own responses, by policy, and Probes those that carry
	// labels, if they are in files of their own. Those of the logging policy would
	// be the logged responses again, and are not used.
	Draws, Probes map[string][]FreshDraw
	// Scored says what each policy's log-probs are of, the logging policy's too. See
	// Unstated for a source that does not say.
	Scored map[string]Scored
	// Notes are what to know of where the records come from, in sentences.
	Notes []string
}

// Join joins the records of a run by key.
//
// It makes one [Sample] for each prompt that has a logged response, sorted by
// prompt: the response of draw 0 with its log-prob under the logging policy and
// under every target, its judge score, and its oracle label with the label's
// inclusion probability, which is also that of a response without a label if the
// labels state strata of scores. Whatever is not known is missing; every target is in
// the map. A raw log-prob is not known, since whoever reads it would make a weight of
// it; Scored says that it was there. An interval is in LogProbIntervals, and a target that
// cannot give the response in OutsideSupport. Metadata is the prompt's, with finish_reason
// added, and response_token_count if the logging policy's log-prob states it, and
// without judge_score and oracle_label, should the prompt's source have had such.
// Draws hold every response of every target that did not fail, sorted by key. Of several
// Loggers each sample names its own in its metadata and has log-probs under all of them, and
// what a logger answered to prompts that another one logged is a draw of its own.
//
// A record joins only if its key is its own (of two records with one key neither
// is used, as nothing tells which is right), its prompt and response are known,
// its policy hash is that of the policy's responses (if both state one), and
// it holds a value; a label must also have an inclusion probability in (0, 1],
// and one of role "duplicate" is passed over.
// unjoined lists every record that did not join, of any policy, and every
// response, log-prob and judge score that a sample should have and that has no
// record at all; it is sorted by key, then stage.
//
// Log-probs of one policy that are of different distributions are an error.
func Join(in RunRecords) (logs Logs, unjoined []Unjoined, err error) {
	logs = Logs{Logging: in.Logging, Pooled: in.Loggers != nil, Judge: in.Judge, Draws: map[string][]FreshDraw{}}
	logs.Scored, err = JoinEach(in, in.parts(), func(j Joined) error {
		unjoined = append(unjoined, j.Unjoined...)
		if j.Sample != nil {
			logs.Samples = append(logs.Samples, *j.Sample)
		}
		for _, d := range j.Draws {
			logs.Draws[d.Policy] = append(logs.Draws[d.Policy], d.FreshDraw)
		}
		return nil
	})
	if err != nil {
		return Logs{}, nil, err
	}
	return logs, unjoined, nil
}

// sample joins what is known of one prompt; it is nil without a logged response.
func (j *join) sample(in RunRecords, logprobs map[Key]*LogProb, p Prompt) *Sample {
	logger := in.logger(p.ID)
	key := Key{PromptID: p.ID, Policy: logger}
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
	// CJE would take these for the sample's own if that is null.
	delete(s.Metadata, "judge_score")
	delete(s.Metadata, "oracle_label")
	lookup := func(policy string) LogProb {
		k := Key{PromptID: p.ID, Policy: policy}
		lp, ok := logprobs[k]
		if !ok {
			j.miss("logprobs", k, "no record")
			return LogProb{}
		}
		return *lp
	}
	value := func(policy string) Float {
		lp := lookup(policy)
		if lp.Raw() {
			j.miss("logprobs", Key{PromptID: p.ID, Policy: policy},
				"the value is of the raw distribution, and no weight comes of it")
			return Float{}
		}
		switch {
		case lp.OutsideSupport && policy != logger:
			s.OutsideSupport = append(s.OutsideSupport, policy)
		case lp.OutsideSupport:
			j.miss("logprobs", Key{PromptID: p.ID, Policy: policy},
				"the response is outside the support of the policy that gave it: it was not drawn as stated")
		case lp.Interval != nil:
			if s.LogProbIntervals == nil {
				s.LogProbIntervals = map[string][2]Float{}
			}
			s.LogProbIntervals[policy] = *lp.Interval
		}
		return lp.LogProb
	}
	if in.Loggers != nil {
		s.Metadata["logger"] = logger
	}
	s.BasePolicyLogProb = value(logger)
	if base, ok := logprobs[key]; ok && base.Tokens > 0 {
		s.Metadata["response_token_count"] = float64(base.Tokens)
	}
	for _, target := range j.targets {
		if in.Loggers == nil || target != logger {
			s.TargetPolicyLogProbs[target] = value(target)
		}
	}
	if score, ok := j.scores[key]; ok {
		s.JudgeScore = score.Mean
	} else {
		j.miss("judge", key, "no record")
	}
	if label, ok := j.labels[key]; ok {
		s.OracleLabel, s.InclusionProb = label.Label, label.InclusionProb
	} else {
		if s.InclusionProb = inclusionOf(j.ranges[logger], s.JudgeScore); len(j.ranges[logger]) == 0 {
			s.InclusionProb = j.shares[logger] // another logger's may be another
		}
	}
	return &s
}

// draw joins a target's own response with its judge score and oracle label.
func (j *join) draw(k Key) FreshDraw {
	d := FreshDraw{PromptID: k.PromptID, Prompt: j.prompts[k.PromptID].Text, Response: *j.responses[k].Text,
		DrawIdx: k.DrawIdx}
	if s, ok := j.scores[k]; ok {
		d.JudgeScore = s.Mean
	}
	if l, ok := j.labels[k]; ok {
		d.OracleLabel, d.InclusionProb = l.Label, l.InclusionProb
	} else {
		d.InclusionProb = inclusionOf(j.drawRanges[k.Policy], d.JudgeScore)
	}
	return d
}

// join holds the records of one prompt that are fit to be joined, and a list of those
// that are not.
type join struct {
	*common
	prompts   map[string]Prompt
	responses map[Key]*Response // in the records that were given, as all of these
	labels    map[Key]*OracleLabel
	scores    map[Key]*JudgeScore
	unjoined  []Unjoined
	listed    map[stageKey]bool
}

type stageKey struct {
	stage string
	key   Key
}

// take takes the records of the next prompt.
func (j *join) take(in RunRecords) {
	j.unjoined = nil
	j.listed, j.prompts = map[stageKey]bool{}, map[string]Prompt{}
	for _, p := range in.Prompts {
		if n := len(in.Prompts); n > 1 {
			j.miss("prompts", Key{PromptID: p.ID}, fmt.Sprintf("%d prompts have this id", n))
			continue
		}
		j.prompts[p.ID] = p
	}
	j.responses = collect(j, "responses", in.Responses, func(r *Response) defect {
		return defect{hash: r.PolicyHash, err: r.Error, null: r.Text == nil}
	})
	// A second label of a response tells of the oracle, not of the response.
	labels := in.Labels
	if slices.ContainsFunc(labels, again) {
		labels = slices.DeleteFunc(slices.Clone(labels), again)
	}
	j.labels = collect(j, "oracle", labels, func(l *OracleLabel) defect {
		d := defect{hash: l.PolicyHash, err: l.Error, null: !l.Label.Valid(), reason: j.noResponse(l.Key())}
		if p := l.InclusionProb; d.reason == "" && !(p.OrNaN() > 0 && p.OrNaN() <= 1) {
			d.reason = fmt.Sprintf("inclusion_prob is %v, want a probability in (0, 1]", p)
		}
		return d
	})
	j.scores = collect(j, "judge", in.Scores, func(s *JudgeScore) defect {
		return defect{hash: s.PolicyHash, err: s.Error, null: !s.Mean.Valid(), reason: j.noResponse(s.Key())}
	})
}

func again(l OracleLabel) bool { return l.Role == "duplicate" }

func (j *join) logprobs(in RunRecords) map[Key]*LogProb {
	return collect(j, "logprobs", in.LogProbs, func(l *LogProb) defect {
		d := defect{hash: l.PolicyHash, err: l.Error, null: !l.LogProb.Valid() && !l.Bounded()}
		if l.Policy != in.Logging && !slices.Contains(j.targets, l.Policy) {
			d.reason = "the policy is neither the logging policy nor a target"
		} else {
			d.reason = j.noResponse(Key{PromptID: l.PromptID, Policy: in.logger(l.PromptID)})
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
func collect[T interface{ Key() Key }](j *join, stage string, rows []T, look func(*T) defect) map[Key]*T {
	count := make(map[Key]int32, len(rows))
	for _, row := range rows {
		count[row.Key()]++
	}
	fit := make(map[Key]*T, len(rows))
	for i, row := range rows {
		k := row.Key()
		d := look(&rows[i])
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
			fit[k] = &rows[i]
		}
	}
	return fit
}
