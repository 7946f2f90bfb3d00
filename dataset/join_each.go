package dataset

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/reweigh/reweigh/internal/byprompt"
)

// Joined is what a join makes of the records of one prompt.
type Joined struct {
	Sample   *Sample      // nil without a logged response
	Draws    []PolicyDraw // the targets' own responses, sorted by key
	Unjoined []Unjoined   // what was left out or missing, sorted by key, then stage
}

// PolicyDraw is a response of a policy's own.
type PolicyDraw struct {
	Policy string
	FreshDraw
}

// JoinEach is [Join] of records that memory need not hold. parts yields those of one prompt
// after the other, in the order of the prompts' ids; it is asked for them twice, and a part is
// good until the next. each is given what becomes of them; its error ends the join and is
// returned. Of in it reads what the parts have in common: Logging, Loggers, Judge and Targets.
//
// The log-probs that joined are of what scored says.
func JoinEach(in RunRecords, parts iter.Seq[RunRecords], each func(Joined) error) (
	scored map[string]Scored, err error) {
	j := &join{common: newCommon(in, parts)}
	of := newScoring()
	for part := range parts {
		part.Logging, part.Loggers, part.Judge, part.Targets = in.Logging, in.Loggers, in.Judge, in.Targets
		j.take(part)
		logprobs := j.logprobs(part)
		for _, l := range part.LogProbs {
			if logprobs[l.Key()] == nil {
				continue
			}
			if err := of.add(l); err != nil {
				return nil, err
			}
		}
		var out Joined
		if len(part.Prompts) == 1 {
			out.Sample = j.sample(part, logprobs, part.Prompts[0])
		}
		for k := range j.responses {
			if k.Policy != in.logger(k.PromptID) {
				out.Draws = append(out.Draws, PolicyDraw{k.Policy, j.draw(k)})
			}
		}
		slices.SortFunc(out.Draws, func(a, b PolicyDraw) int {
			return cmp.Or(cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.DrawIdx, b.DrawIdx))
		})
		out.Unjoined = j.unjoined
		slices.SortFunc(out.Unjoined, func(a, b Unjoined) int {
			return cmp.Or(a.Key.Compare(b.Key), cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Reason, b.Reason))
		})
		if err := each(out); err != nil {
			return nil, err
		}
	}
	return of.scored, nil
}

// common is what the records of all prompts say together.
type common struct {
	hashes     map[string]string       // policy name -> hash, from the responses
	ranges     map[string][]scoreRange // of logged responses, by policy
	drawRanges map[string][]scoreRange // of draws
	targets    []string                // that responses are scored under
	shares     map[string]Float        // by logger of several: the one probability of its labels
}

func newCommon(in RunRecords, parts iter.Seq[RunRecords]) *common {
	c := &common{hashes: map[string]string{}, targets: in.scored(), shares: map[string]Float{}}
	// The responses say which hash a policy's name stands for. Of several hashes the first
	// in key order counts, so that the order of the rows does not.
	first := map[string]Key{}
	logged, drawn := newStrata(), newStrata()
	for part := range parts {
		for i := range part.Responses {
			r := &part.Responses[i]
			if k, ok := first[r.Policy]; r.PolicyHash != "" && (!ok || r.Key().Compare(k) < 0) {
				first[r.Policy], c.hashes[r.Policy] = r.Key(), r.PolicyHash
			}
		}
		for _, l := range part.Labels {
			switch {
			case again(l):
				continue
			case l.Policy != in.logger(l.PromptID):
				// A logger's labels of what another one logged are of another draw, that of its own draws.
				drawn.add(l)
				continue
			}
			logged.add(l)
			if p, ok := c.shares[l.Policy]; in.Loggers != nil && (!ok || p == l.InclusionProb) {
				c.shares[l.Policy] = l.InclusionProb
			} else {
				c.shares[l.Policy] = Float{}
			}
		}
	}
	c.ranges, c.drawRanges = logged.ranges, drawn.ranges
	return c
}

// parts are the records prompt by prompt.
func (in *RunRecords) parts() iter.Seq[RunRecords] {
	prompts := byPrompt(in.Prompts, func(p *Prompt) string { return p.ID })
	responses := byPrompt(in.Responses, func(r *Response) string { return r.PromptID })
	logProbs := byPrompt(in.LogProbs, func(l *LogProb) string { return l.PromptID })
	labels := byPrompt(in.Labels, func(l *OracleLabel) string { return l.PromptID })
	scores := byPrompt(in.Scores, func(s *JudgeScore) string { return s.PromptID })
	return func(yield func(RunRecords) bool) {
		prompts, responses, logProbs, labels, scores := prompts, responses, logProbs, labels, scores
		var part RunRecords
		for id := range byprompt.Each(&prompts, &responses, &logProbs, &labels, &scores) {
			part.Prompts = prompts.Take(id, part.Prompts[:0])
			part.Responses = responses.Take(id, part.Responses[:0])
			part.LogProbs = logProbs.Take(id, part.LogProbs[:0])
			part.Labels, part.Scores = labels.Take(id, part.Labels[:0]), scores.Take(id, part.Scores[:0])
			if !yield(part) {
				return
			}
		}
	}
}

func byPrompt[T any](rows []T, id func(*T) string) byprompt.List[T] {
	return byprompt.Of(len(rows), func(i int) string { return id(&rows[i]) }, func(i int) T { return rows[i] })
}

// scoring says what the log-probs of every policy are of.
type scoring struct {
	scored map[string]Scored
	first  map[string]Key
}

func newScoring() scoring { return scoring{map[string]Scored{}, map[string]Key{}} }

// add takes a log-prob. Rows of one policy that differ in what they are of are an error that
// names two of them.
func (o scoring) add(l LogProb) error {
	k, s := l.Key(), Scored{Hash: l.PolicyHash, Distribution: l.Distribution}
	if s.Distribution == "" {
		return fmt.Errorf("dataset: join: log-prob %s does not say what it is of (set Distribution to %q, %q or %q)",
			k, SamplingDistribution, RawDistribution, UnstatedDistribution)
	}
	have, ok := o.scored[l.Policy]
	switch {
	case !ok:
		o.scored[l.Policy], o.first[l.Policy] = s, k
	case have.Distribution != s.Distribution:
		return fmt.Errorf("dataset: join: log-prob %s is of the %s distribution, %s of the %s one (score all "+
			"responses of a policy in the same way)", o.first[l.Policy], have.Distribution, k, s.Distribution)
	case have.Hash == "":
		o.scored[l.Policy] = s
	}
	return nil
}
