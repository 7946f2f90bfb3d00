package dataset

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
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
	// Logger takes the rows of one logger alone, of a table with a column of loggers, which
	// is then the logging policy. "" takes all: the table's Logs are Pooled, and Logging is
	// the name of them, "logs" if it is "".
	Logger string
	// Judge is the identity of the judge that gave the scores; "" means "an unnamed judge".
	Judge string
	// Columns name the column of a field, by the field's name: prompt_id, prompt, response,
	// policy, base_policy_logprob, target_policy_logprobs.NAME, judge_score, oracle_label,
	// inclusion_prob, draw_idx, logger, language, category. A field that is not here has the column whose
	// name says so.
	Columns map[string]string
	// Labels and Scores are the scales of the oracle's labels and the judge's scores.
	Labels, Scores Scale
	// Into makes what takes the rows one by one, once it is known whose logs they are, which
	// its argument says (Logging, Pooled and Judge), so that nobody need hold them all. nil
	// means that the table's Samples and Draws do.
	Into func(Logs) TableSink
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
	Lines     []int            // of each sample, in the order in which they were handed on
	DrawLines map[string][]int // of each draw, by policy, likewise
}

// unnamed are what a table does not name.
const (
	unnamedLogging = "base" // as CJE calls it
	unnamedJudge   = "an unnamed judge"
	pooledLogs     = "logs" // of several loggers
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
// With a column of loggers each sample names the policy that wrote it, and all of them must:
// the logs are then Pooled. Row 1,001 and later may have no field that none before had.
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
		next: map[Key]int{}, stated: map[Key]bool{}, seen: map[uint64]bool{}, spelt: map[string]string{}}
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
	hold           bool       // every row, since the logging policy is found in them
	held           []tableRow // until it is known whose the logs are

	byPrompt, byResponse, byRow, copies, foreign int

	known  map[string]bool // names of fields, of JSON
	remark string          // a value of the column of models that names no policy
	next   map[Key]int     // of draws that state no index
	stated map[Key]bool    // draws that state one, by prompt and policy
	seen   map[uint64]bool // hashes of rows
	hash   maphash.Hash
	spelt  map[string]string // the policies, by their names in lower case
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
		t.known = seen
		policy, named := t.roles.column(policyRole)
		if logger, both := t.roles.column(loggerRole); named && both {
			return fmt.Errorf("dataset: %s: %w: %q and %q both name the policy that wrote a response: leave out one", t.src,
				ErrColumns, policy, logger)
		}
		t.hold = named && t.opt.Logging == ""
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
		of := ""
		if t.opt.Logger != "" {
			of = " of " + t.opt.Logger
		}
		return fmt.Errorf("dataset: %s holds no logged response%s: there is nothing to read", t.src, of)
	}
	return errors.Join(t.labels.check(t.src), t.scores.check(t.src))
}

// row decodes a row and appends it.
func (t *tableReader) row(r rawRow) error {
	raw, row := r.raw, tableRow{line: r.line, draw: -1}
	fs, err := splitObject(raw, nil)
	if err == nil {
		if raw, err = t.record(fs, &row); err != nil {
			if table := tableOf(fs); table != nil {
				err = table
			}
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
	if t.csv && summary[strings.ToLower(s.PromptID)] && s.Prompt == "" && s.Response == "" {
		return &LineError{Name: t.src, Line: row.line, Skip: true, Err: fmt.Errorf("the row of %q seems to sum up the "+
			"others, and is no response", s.PromptID), Hint: "remove it, or give it another id"}
	}
	if err := t.named(row.policy); err != nil {
		return &LineError{Name: t.src, Line: row.line, Err: err, Hint: "write each policy's name in one way", Skip: true}
	}
	if t.opt.Logger != "" && row.policy == "" && s.Logger() != "" && s.Logger() != t.opt.Logger {
		t.out.Rows--
		return nil
	}
	t.identify(s)
	t.count(&row)
	if t.hold || t.sink == nil && row.policy != "" && row.policy != t.opt.Logging {
		// The first sample says whether the logs are of several loggers.
		t.held = append(t.held, row)
		return nil
	}
	return t.place(row)
}

// summary are the names that spreadsheets and programs give to a row below the others.
var summary = map[string]bool{"total": true, "totals": true, "grand total": true, "sum": true, "average": true,
	"avg": true, "mean": true, "median": true, "std": true, "stdev": true}

// named refuses a policy's name that is another's but for case and spaces, since one policy
// would then be two.
func (t *tableReader) named(policy string) error {
	folded := strings.ToLower(strings.Join(strings.Fields(policy), " "))
	switch first, ok := t.spelt[folded]; {
	case !ok:
		t.spelt[folded] = policy
	case first != policy:
		return fmt.Errorf("the policy %q is %q in rows before", policy, first)
	}
	return nil
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
