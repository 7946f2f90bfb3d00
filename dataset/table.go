package dataset

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"slices"
	"strings"
)

// TableOptions say what a table holds, as far as its columns do not. The zero value
// reads labels and scores on the scale from 0 to 1.
type TableOptions struct {
	// Logging names the policy whose responses are the logs, and whose log-probs may then
	// stand in NAME_logprob. "" means "base", or "p0" if a column is called p0_logprob, if no column
	// names policies; else it is the first of the table's policies that has a log-prob
	// of its own responses, or the one with most labels.
	Logging string
	// Judge is the identity of the judge that gave the scores; "" means "an unnamed judge".
	Judge string
	// Columns name the column of a field, by the field's name: prompt_id, prompt, response,
	// policy, base_policy_logprob, target_policy_logprobs.NAME, judge_score, oracle_label,
	// inclusion_prob, draw_idx, language, category. A field that is not here has the column whose
	// name says so.
	Columns map[string]string
	// Labels and Scores are the scales of the oracle's labels and the judge's scores.
	Labels, Scores Scale
	// Into makes what takes the rows one by one, once the logging policy is known, so that
	// nobody need hold them all. nil means that the table's Samples and Draws do.
	Into func(logging, judge string) TableSink
}

// TableSink takes rows: the logging policy's, and those of other policies.
type TableSink interface {
	AddSample(Sample) error
	AddFresh(policy string, d FreshDraw)
}

// Scale is the range of a grade: Low is the worst and High the best there can be. The
// zero Scale is that from 0 to 1, which is how records hold a grade.
type Scale struct {
	Low, High float64
}

func (s Scale) orUnit() Scale {
	if s == (Scale{}) {
		return Scale{0, 1}
	}
	return s
}

// unit is v, which is on the scale, from 0 to 1.
func (s Scale) unit(v float64) float64 { return (v - s.Low) / (s.High - s.Low) }

// ErrScale is the error of a label or score that does not lie on its scale.
var ErrScale = errors.New("not on the scale")

// Table is what [ReadTable] read.
type Table struct {
	Logs
	// Columns are the names of the columns that were read, by field. Unread are the
	// others, in the table's order.
	Columns map[string]string
	Unread  []string
	Rows    int
	// Values are how many there are of each field, those that are missing apart.
	Values    map[string]int
	Lines     []int            // of each of Samples
	DrawLines map[string][]int // lines of each of Draws
}

// unnamed are what a table does not name.
const (
	unnamedLogging = "base" // as CJE calls it
	unnamedJudge   = "an unnamed judge"
)

// ReadTable reads logged responses from a table: JSON lines, a JSON array or CSV, as
// [NewRowReader] does. Each row is a response. Columns are found by their names:
// prompt_id, or question_id or qid; judge_score, or score; oracle_label, or label, human,
// rating; base_policy_logprob, or logprob; for a target policy NAME_logprob; and so on. Two
// columns that could both be a field's are an error that wraps [ErrColumns], until
// [TableOptions.Columns] names one.
//
// With a column of policies the rows of the logging policy are the samples, and those of
// the others are their own draws. Rows without an id have one made of the prompt's text,
// else of the response's, else each row is a prompt of its own; Notes say which.
//
// Labels and scores are brought from their scale to [0, 1]; one that lies outside of its
// scale is an error that wraps [ErrScale]. In CSV a cell that is empty, or NA, NaN, null, None
// or another of pandas' words for it, is missing; a percentage is a number if all cells of the
// column are. Whatever else is no number where one belongs is a [*LineError].
func ReadTable(src Source, opt TableOptions) (*Table, error) {
	for what, s := range map[string]Scale{"Labels": opt.Labels, "Scores": opt.Scores} {
		if s = s.orUnit(); !(s.Low < s.High) || s.High-s.Low > maxScale {
			return nil, fmt.Errorf("dataset: table: %s: a scale from %v to %v: want the worst grade and then the best",
				what, s.Low, s.High)
		}
	}
	rows, err := src.Open()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	t := &tableReader{src: src.Name, opt: opt, csv: strings.HasPrefix(rows.Container(), "csv"), percent: map[role]int{},
		out:  &Table{Columns: map[string]string{}, Values: map[string]int{}, DrawLines: map[string][]int{}},
		next: map[Key]int{}, seen: map[uint64]bool{}}
	t.out.Draws = map[string][]FreshDraw{}
	t.labels, t.scores = newGrades("label", opt.Labels), newGrades("judge score", opt.Scores)
	if err := t.readAll(rows); err != nil {
		return nil, err
	}
	return t.finish()
}

// collector is the sink that keeps the rows.
type collector struct{ *Table }

func (c collector) AddSample(s Sample) error { c.Samples = append(c.Samples, s); return nil }

func (c collector) AddFresh(policy string, d FreshDraw) { c.Draws[policy] = append(c.Draws[policy], d) }

// maxScale is the widest scale there is.
const maxScale = 1e9

// headRows are read before the columns are given their roles, since a row of JSON names
// only what it has.
const headRows = 1000

type tableReader struct {
	src     string
	opt     TableOptions
	csv     bool
	roles   *roles
	percent map[role]int // of a column of CSV: 1 if its cells are percentages, -1 if they are not

	labels, scores *grades
	out            *Table
	sink           TableSink
	held           []tableRow // until it is known whose the logs are

	byPrompt, byResponse, byRow, copies, foreign int

	next map[Key]int     // of draws that state no index
	seen map[uint64]bool // hashes of rows
	hash maphash.Hash
}

// tableRow is a row before it is known whose log it is.
type tableRow struct {
	policy string
	draw   int // -1 if none is stated
	line   int
	sample Sample
}

type rawRow struct {
	line int
	raw  []byte
}

func (t *tableReader) readAll(rows RowReader) error {
	var head []rawRow
	var names []string
	seen := map[string]bool{}
	decide := func() (err error) {
		if t.roles, err = newRoles(names, t.opt.Columns, t.opt.Logging); err != nil {
			return err
		}
		if _, named := t.roles.column(policyRole); !named || t.opt.Logging != "" {
			logging := unnamedLogging
			if base, _ := t.roles.column(baseRole); strings.Contains(strings.ToLower(base), "p0") {
				logging = "p0"
			}
			t.open(cmp.Or(t.opt.Logging, logging))
		}
		for _, r := range head {
			if err := t.row(r); err != nil {
				return err
			}
		}
		head = nil
		return nil
	}
	for {
		line, raw, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if t.roles != nil {
			if err := t.row(rawRow{line, raw}); err != nil {
				return err
			}
			continue
		}
		fs, err := splitObject(raw, nil)
		if err != nil {
			return decodeObject(raw, &Sample{}, t.src, line) // which says what is wrong
		}
		for _, f := range fs {
			if !seen[f.name] {
				seen[f.name] = true
				names = append(names, f.name)
			}
		}
		if head = append(head, rawRow{line, slices.Clone(raw)}); len(head) == headRows {
			if err := decide(); err != nil {
				return err
			}
		}
	}
	if t.roles == nil {
		if err := decide(); err != nil {
			return err
		}
	}
	if t.out.Rows == 0 {
		return fmt.Errorf("dataset: %s holds no logged response: there is nothing to read", t.src)
	}
	return errors.Join(t.labels.check(t.src), t.scores.check(t.src))
}

// row decodes a row and appends it.
func (t *tableReader) row(r rawRow) error {
	raw, row := r.raw, tableRow{line: r.line, draw: -1}
	fs, err := splitObject(raw, nil)
	if err == nil {
		if raw, err = t.record(fs, &row); err != nil {
			return &LineError{Name: t.src, Line: r.line, Err: err, Hint: hintField, Skip: true}
		}
	}
	if err := decodeObject(raw, &row.sample, t.src, r.line); err != nil {
		return err
	}
	s := &row.sample
	s.OracleLabel = t.labels.take(s.OracleLabel, r.line)
	s.JudgeScore = t.scores.take(s.JudgeScore, r.line)
	t.out.Rows++
	if column, named := t.roles.column(policyRole); named && row.policy == "" {
		return &LineError{Name: t.src, Line: row.line, Err: fmt.Errorf("column %q names no policy", column),
			Hint: "name the policy that wrote the response"}
	}
	t.identify(s)
	t.count(&row)
	if t.sink == nil {
		t.held = append(t.held, row)
		return nil
	}
	return t.place(row)
}

// open makes the sink of the rows.
func (t *tableReader) open(logging string) {
	t.out.Logging, t.out.Judge = logging, cmp.Or(t.opt.Judge, unnamedJudge)
	t.sink = collector{t.out}
	if t.opt.Into != nil {
		t.sink = t.opt.Into(t.out.Logging, t.out.Judge)
	}
}

// place hands a row on: to the logs, or to the draws of its policy.
func (t *tableReader) place(r tableRow) error {
	s := r.sample
	if r.policy == "" || r.policy == t.out.Logging {
		t.out.Lines = append(t.out.Lines, r.line)
		return t.sink.AddSample(s)
	}
	if s.BasePolicyLogProb.Valid() || len(s.TargetPolicyLogProbs) > 0 {
		t.foreign++
	}
	if k := (Key{PromptID: s.PromptID, Policy: r.policy}); r.draw < 0 {
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
	fmt.Fprintln(&t.hash, s.PromptID, r.policy, r.draw, s.Response, s.BasePolicyLogProb, s.JudgeScore, s.OracleLabel)
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
		t.open(t.logging())
	}
	for _, r := range t.held {
		if err := t.place(r); err != nil {
			return nil, err
		}
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

// identify gives a row a prompt_id.
func (t *tableReader) identify(s *Sample) {
	switch {
	case s.ID() != textID("") || s.PromptID != "":
		if s.PromptID == "" && s.Metadata["prompt_id"] == nil {
			t.byPrompt++
		}
		s.PromptID = s.ID()
	case s.Response != "":
		t.byResponse++
		s.PromptID = textID(s.Response)
	default:
		t.byRow++
		s.PromptID = fmt.Sprintf("row_%09d", t.out.Rows)
	}
}

// textID is the id that CJE makes of a prompt's text.
func textID(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "prompt_" + hex.EncodeToString(sum[:])[:12]
}

// ID is the sample's PromptID, else prompt_id in its metadata, else "prompt_" and the
// first 12 hexadecimal digits of its prompt's SHA-256, which is how CJE names it.
func (s Sample) ID() string {
	if id, _ := s.Metadata["prompt_id"].(string); s.PromptID == "" && id != "" {
		return id
	}
	return cmp.Or(s.PromptID, textID(s.Prompt))
}
