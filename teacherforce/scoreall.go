package teacherforce

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/work"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
)

// Logged is a response that was logged, with the prompt that it answers.
type Logged struct {
	Prompt   dataset.Prompt
	Response Response
}

// Scores are the log-probs of logged responses under one policy, in the order of the
// responses.
type Scores struct {
	Policy offpolicy.Policy
	Rows   []ScoredRow
}

// ScoredRow is what became of one response: a result, or the error that says why
// there is none.
type ScoredRow struct {
	Key    dataset.Key // the prompt and the policy that it was scored under
	Result Result
	Err    error // an *Error; nil if Result holds a value
}

// ScoreAll scores every logged response under p, at most [Config].Concurrency at a
// time, by [Forcer.Score]. Calls are tagged with the stage "logprobs" and the row's
// key.
//
// A response that cannot be scored keeps its row, with the error. What stops more
// than one response stops ScoreAll: its error is that of a context that ended, of a
// spent budget, a refused key, an empty balance, an unknown model or a ledger that
// cannot be written, or the first row's error if no response could be scored at
// all. Two responses to one prompt are an error, because rows are found by key.
func (f *Forcer) ScoreAll(ctx context.Context, p offpolicy.Policy, logged []Logged) (*Scores, error) {
	out := &Scores{Policy: p, Rows: make([]ScoredRow, len(logged))}
	seen := make(map[string]bool, len(logged))
	items := make([]int, len(logged))
	for i, l := range logged {
		if seen[l.Prompt.ID] {
			return nil, fmt.Errorf("teacherforce: score all under %s: %w: two responses to prompt %q (score them in two calls)",
				p.Name, dataset.ErrDuplicateID, l.Prompt.ID)
		}
		seen[l.Prompt.ID], items[i] = true, i
		out.Rows[i].Key = dataset.Key{PromptID: l.Prompt.ID, Policy: p.Name}
	}
	err := work.Each(ctx, work.Items(items...), work.Bounds{Limit: f.concurrency},
		func(ctx context.Context, i int) error {
			row := &out.Rows[i]
			tag := providers.Tag{Stage: "logprobs", Key: row.Key}
			row.Result, row.Err = f.Score(ctx, tag, p, logged[i].Prompt, logged[i].Response)
			var call *providers.Error
			if errors.As(row.Err, &call) && call.Class.Stops() {
				return row.Err
			}
			return ctx.Err()
		})
	if err != nil {
		return nil, fmt.Errorf("teacherforce: score all under %s: %w", p.Name, err)
	}
	for _, row := range out.Rows {
		if row.Err == nil {
			return out, nil
		}
	}
	if len(out.Rows) > 0 {
		return nil, fmt.Errorf("teacherforce: score all under %s: none of %d responses has a log-prob; the first: %w",
			p.Name, len(out.Rows), out.Rows[0].Err)
	}
	return out, nil
}

// Missing returns the rows that have no log-prob.
func (s *Scores) Missing() []ScoredRow {
	var out []ScoredRow
	for _, row := range s.Rows {
		if row.Err != nil {
			out = append(out, row)
		}
	}
	return out
}

// LogRatios returns log π(a | c) - log π₀(a | c) for every row, the log importance
// weights in nats, for [offpolicy.WeightsFromLogRatios]. A row that either side could
// not score is NaN, and one outside the target's support -Inf. It returns an
// [*IntervalRatioError] if any value is no number, a [*RawRatioError] if any value is of another
// distribution than its policy samples from, and an error if the two are not of the
// same responses.
func LogRatios(target, base *Scores) (out []float64, err error) {
	err = eachRatio(target, base, func(t, b Result) error {
		l, err := LogRatio(t, b)
		out = append(out, l)
		return err
	}, func() { out = append(out, math.NaN()) })
	if err != nil {
		return nil, err
	}
	return out, nil
}

// eachRatio calls ratio with the results of every row, or without where a side has none.
func eachRatio(target, base *Scores, ratio func(target, base Result) error, without func()) error {
	if len(target.Rows) != len(base.Rows) {
		return fmt.Errorf("teacherforce: log-ratios: %d responses under %s, %d under %s: score the same",
			len(target.Rows), target.Policy.Name, len(base.Rows), base.Policy.Name)
	}
	for i, t := range target.Rows {
		b := base.Rows[i]
		if t.Key.PromptID != b.Key.PromptID {
			return fmt.Errorf("teacherforce: log-ratios: row %d answers %s under %s and %s under %s: score the same "+
				"responses in the same order",
				i, t.Key.PromptID, target.Policy.Name, b.Key.PromptID, base.Policy.Name)
		}
		if t.Err != nil || b.Err != nil {
			without()
			continue
		}
		if err := ratio(t.Result, b.Result); err != nil {
			return err
		}
	}
	return nil
}
