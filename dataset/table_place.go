package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// open makes the sink of the rows, whose first sample names a logger or does not.
func (t *tableReader) open(logging string, pooled bool) error {
	out := t.out
	out.Logging, out.Pooled, out.Judge = logging, pooled, cmp.Or(t.opt.Judge, unnamedJudge)
	t.sink = collector{out}
	if t.opt.Into != nil {
		t.sink = t.opt.Into(out.Logs)
	}
	if t.hold {
		return nil
	}
	return t.release()
}

// release hands on what was held.
func (t *tableReader) release() error {
	held := t.held
	t.held = nil
	for _, r := range held {
		if err := t.place(r); err != nil {
			return err
		}
	}
	return nil
}

// whose is the name of the logs of which no column names the policy.
func (t *tableReader) whose(pooled bool) string {
	base, _ := t.roles.column(baseRole)
	switch {
	case t.opt.Logger != "":
		return t.opt.Logger
	case t.opt.Logging != "":
		return t.opt.Logging
	case pooled:
		return pooledLogs
	case strings.Contains(strings.ToLower(base), "p0"):
		return "p0"
	}
	return unnamedLogging
}

// place hands a row on: to the logs, or to the draws of its policy.
func (t *tableReader) place(r tableRow) error {
	s := r.sample
	if logger := s.Logger(); r.policy == "" || r.policy == t.out.Logging || t.sink == nil {
		if t.sink == nil {
			pooled := logger != "" && t.opt.Logger == ""
			if err := t.open(t.whose(pooled), pooled); err != nil {
				return err
			}
		}
		if logger == "" && t.opt.Logger != "" {
			return &LineError{Name: t.src, Line: r.line, Err: fmt.Errorf("the row names no logger, and the rows of %s are "+
				"asked for", t.opt.Logger), Hint: "name the logger on every logged row"}
		}
		if (logger != "") != (t.out.Pooled || t.opt.Logger != "") {
			return &LineError{Name: t.src, Line: r.line, Err: errors.New("some rows name a logger, and some do not"),
				Hint: "name it on every logged row, or on none"}
		}
		if own, ok := s.TargetPolicyLogProbs[t.opt.Logger]; ok && t.opt.Logger != "" {
			if !s.BasePolicyLogProb.Valid() {
				s.BasePolicyLogProb = own
			}
			delete(s.TargetPolicyLogProbs, t.opt.Logger)
		}
		t.out.Lines = append(t.out.Lines, r.line)
		return t.sink.AddSample(s)
	}
	if s.BasePolicyLogProb.Valid() || len(s.TargetPolicyLogProbs) > 0 {
		t.foreign++
	}
	k := Key{PromptID: s.PromptID, Policy: r.policy}
	if r.draw < 0 && t.stated[k] || r.draw >= 0 && t.next[k] > 0 {
		return &LineError{Name: t.src, Line: r.line, Err: fmt.Errorf("some draws of %s for %s state which draw they are, "+
			"and some do not", r.policy, s.PromptID), Hint: "state it of all, or of none"}
	}
	if t.stated[k] = r.draw >= 0; r.draw < 0 {
		r.draw = t.next[k]
		t.next[k]++
	}
	t.sink.AddFresh(r.policy, FreshDraw{PromptID: s.PromptID, Prompt: s.Prompt, Response: s.Response,
		JudgeScore: s.JudgeScore, OracleLabel: s.OracleLabel, InclusionProb: s.InclusionProb, DrawIdx: r.draw})
	t.out.DrawLines[r.policy] = append(t.out.DrawLines[r.policy], r.line)
	return nil
}

// count counts what a row holds.
func (t *tableReader) count(r *tableRow) {
	s := &r.sample
	for field, f := range map[role]Float{baseRole: s.BasePolicyLogProb, scoreRole: s.JudgeScore,
		labelRole: s.OracleLabel} {
		if f.Valid() {
			t.out.Values[string(field)]++
		}
	}
	for name, f := range s.TargetPolicyLogProbs {
		if f.Valid() {
			t.out.Values[string(targetRole)+"."+name]++
		}
	}
	t.hash.Reset()
	fmt.Fprintln(&t.hash, s.PromptID, r.policy, r.draw, s.Response, s.BasePolicyLogProb, s.JudgeScore, s.OracleLabel,
		s.TargetPolicyLogProbs, s.InclusionProb, s.Metadata)
	if k := t.hash.Sum64(); t.seen[k] {
		t.copies++
	} else {
		t.seen[k] = true
	}
}

// finish hands on what was held, and says what is to be known of the table.
func (t *tableReader) finish() (*Table, error) {
	out := t.out
	for _, name := range t.roles.names {
		if s, ok := t.roles.of[name]; ok {
			out.Columns[string(s.role)] = name
		} else {
			out.Unread = append(out.Unread, name)
		}
	}
	known := 0
	for _, field := range []role{idRole, labelRole, scoreRole, baseRole} {
		if _, ok := t.roles.column(field); ok {
			known++
		}
	}
	if known == 0 {
		return nil, fmt.Errorf("dataset: %s: %w: none of them holds a label, a judge score or a log-prob: there are %s",
			t.src, ErrColumns, quoteNames(t.roles.names))
	}
	if t.sink == nil {
		logging := t.opt.Logging
		if t.hold {
			logging = t.logging()
		}
		if err := t.open(cmp.Or(logging, t.opt.Logger), false); err != nil {
			return nil, err
		}
	}
	if err := t.release(); err != nil {
		return nil, err
	}
	if len(out.Lines) == 0 {
		column, _ := t.roles.column(policyRole)
		return nil, fmt.Errorf("dataset: %s: %w: no row is of %q, the logging policy: column %q has %s", t.src,
			ErrColumns, out.Logging, column, quoteNames(slices.Sorted(maps.Keys(out.DrawLines))))
	}
	out.Scored = map[string]Scored{}
	for field := range out.Values {
		if name, ok := strings.CutPrefix(field, string(targetRole)+"."); ok {
			out.Scored[name] = Scored{Distribution: UnstatedDistribution}
		} else if field == string(baseRole) {
			out.Scored[out.Logging] = Scored{Distribution: UnstatedDistribution}
		}
	}
	out.Notes = t.remarks()
	return out, nil
}

// logging is the policy whose responses are the logs, of those that a column names.
func (t *tableReader) logging() string {
	type count struct{ own, labels, first int }
	counts := map[string]*count{}
	for i := range t.held {
		r := &t.held[i]
		c := counts[r.policy]
		if c == nil {
			c = &count{first: -i}
			counts[r.policy] = c
		}
		if r.sample.BasePolicyLogProb.Valid() {
			c.own++
		}
		if r.sample.OracleLabel.Valid() {
			c.labels++
		}
	}
	return slices.MaxFunc(slices.Sorted(maps.Keys(counts)), func(a, b string) int {
		x, y := counts[a], counts[b]
		return cmp.Or(cmp.Compare(x.own, y.own), cmp.Compare(knownLogging(a), knownLogging(b)),
			cmp.Compare(x.labels, y.labels), cmp.Compare(x.first, y.first))
	})
}

// knownLogging is 1 for names that policies have which wrote the logs.
func knownLogging(name string) int {
	switch strings.ToLower(name) {
	case "base", "baseline", "p0", "logging", "control", "production", "prod", "current", "behavior", "behaviour":
		return 1
	}
	return 0
}
