package dataset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// record is the row as an object with the names of a sample's fields. What the row has
// beyond a sample's fields goes into row.
func (t *tableReader) record(fs fields, row *tableRow) ([]byte, error) {
	b := []byte{'{'}
	add := func(name string, raw []byte) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(strconv.AppendQuote(b, name), ':'), raw...)
	}
	var targets, metadata []byte
	member := func(list *[]byte, name string, raw []byte) {
		quoted, _ := json.Marshal(name) // text has a JSON form
		*list = append(append(append(append(*list, ','), quoted...), ':'), raw...)
	}
	if name := fs.repeated(); name != "" {
		return nil, fmt.Errorf("field %q %w", name, errTwice)
	}
	for _, f := range fs {
		s, ok := t.roles.of[f.name]
		if !ok {
			if err := t.unread(f.name, f.raw); err != nil {
				return nil, err
			}
			if !t.csv && !sampleFields[f.name] { // else another column was named for the field
				add(f.name, f.raw)
			}
			continue
		}
		raw := f.raw
		target, isTarget := strings.CutPrefix(string(s.role), string(targetRole)+".")
		var err error
		switch {
		case isTarget:
			if raw, err = t.number(f.name, s.role, raw); err == nil {
				member(&targets, target, raw)
			}
		case s.role == targetRole:
			if bytes.Equal(raw, []byte("null")) {
				break
			}
			if raw[0] != '{' {
				return nil, fmt.Errorf("field %q holds no object: want the log-probs by policy", f.name)
			}
			targets = append(append(targets, ','), bytes.TrimSpace(raw[1:len(raw)-1])...)
		case s.role == metadataRole:
			metadata, err = t.object(f.name, raw)
		case s.role == languageRole || s.role == categoryRole:
			if raw, err = t.text(f.name, raw); err == nil && len(raw) > 2 {
				member(&metadata, string(s.role), raw)
			}
		case s.role == tokensRole:
			if raw, err = t.number(f.name, s.role, raw); err == nil && string(raw) != "null" {
				member(&metadata, string(s.role), raw)
			}
		case s.role == policyRole:
			if raw, err = t.text(f.name, raw); err == nil {
				err = json.Unmarshal(raw, &row.policy)
				row.policy = strings.TrimSpace(row.policy)
			}
		case s.role == loggerRole:
			if raw, err = t.text(f.name, raw); err == nil && len(raw) > 2 {
				add(string(loggerRole), raw)
			}
		case s.role == drawRole:
			err = t.draw(f.name, raw, row)
		case s.role == idRole || s.role == promptRole || s.role == responseRole:
			if s.role == idRole && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9') {
				var id string
				id, err = numberID(f.name, raw)
				raw = []byte(strconv.Quote(id))
			} else if t.csv || s.rank != own {
				raw, err = t.text(f.name, raw)
			}
			if t.csv && s.role == idRole && err == nil {
				raw, err = trimmed(raw)
			}
			add(string(s.role), raw)
		default:
			if raw, err = t.number(f.name, s.role, raw); err == nil {
				add(string(s.role), raw)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	for name, list := range map[string][]byte{string(targetRole): targets, string(metadataRole): metadata} {
		if list = bytes.Trim(list, ", "); len(list) == 0 {
			continue
		}
		object := append(append([]byte{'{'}, list...), '}')
		members, err := splitObject(object, nil)
		if err != nil {
			return nil, err
		}
		if twice := members.repeated(); twice != "" {
			return nil, fmt.Errorf("%s has %q twice", name, twice)
		}
		add(name, object)
	}
	return append(b, '}'), nil
}

// unread looks at a field that has no role.
func (t *tableReader) unread(name string, raw []byte) error {
	if !t.csv && !t.known[name] {
		if spelt(name).role != "" {
			return fmt.Errorf("field %q is first seen here, after %d rows without it: name every field in one of those, as "+
				"null if it is missing", name, headRows)
		}
		t.known[name] = true
		t.roles.names = append(t.roles.names, name)
	}
	if name == "" || name != t.roles.remark {
		return nil
	}
	quoted, err := t.text(name, raw)
	if err != nil || len(quoted) <= 2 || t.remark == string(quoted) {
		return err
	}
	if t.remark != "" {
		return fmt.Errorf("%w: column %q names %s and %s beside one column of log-probs: say whether it is policy or logger",
			ErrColumns, name, t.remark, quoted)
	}
	t.remark = string(quoted)
	return nil
}

// repeated is a name that stands twice, "" if none does.
func (fs fields) repeated() string {
	if len(fs) > 32 {
		seen := make(map[string]bool, len(fs))
		for _, f := range fs {
			if seen[f.name] {
				return f.name
			}
			seen[f.name] = true
		}
		return ""
	}
	for i, f := range fs {
		for _, g := range fs[:i] {
			if g.name == f.name {
				return f.name
			}
		}
	}
	return ""
}

// trimmed is a JSON string without spaces around its text.
func trimmed(raw []byte) ([]byte, error) {
	text, err := unquote(raw)
	if err != nil {
		return nil, err
	}
	return json.Marshal(strings.TrimSpace(text))
}

// object is the members of an object, which in CSV is the text of a cell.
func (t *tableReader) object(column string, raw []byte) ([]byte, error) {
	if t.csv {
		cell, err := unquote(raw)
		if err != nil {
			return nil, err
		}
		if raw = []byte(strings.TrimSpace(cell)); len(raw) == 0 || missing[cell] {
			return nil, nil
		}
	}
	if bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	if raw[0] != '{' || !json.Valid(raw) {
		return nil, fmt.Errorf("field %q holds no object", column)
	}
	if raw = bytes.TrimSpace(raw[1 : len(raw)-1]); len(raw) == 0 {
		return nil, nil
	}
	return append([]byte{','}, raw...), nil
}

// text is a string: a number counts as its digits, and what is missing as "".
func (t *tableReader) text(column string, raw []byte) ([]byte, error) {
	switch raw[0] {
	case '"':
		if !t.csv {
			return raw, nil
		}
		cell, err := unquote(raw)
		if err == nil && missing[cell] {
			return []byte(`""`), nil
		}
		return raw, err
	case 'n':
		return []byte(`""`), nil
	case 't', 'f', '{', '[':
		return nil, fmt.Errorf("field %q holds no text", column)
	}
	return []byte(strconv.Quote(string(raw))), nil
}

// number is a number or null. JSON has its own; a cell of CSV is read.
func (t *tableReader) number(column string, field role, raw []byte) ([]byte, error) {
	if !t.csv {
		if raw[0] == '"' || raw[0] == 't' || raw[0] == 'f' || raw[0] == '{' || raw[0] == '[' {
			return nil, fmt.Errorf("field %q holds %s, where a number or null should be", column, shorten(string(raw), 40))
		}
		return raw, nil
	}
	quoted, err := unquote(raw)
	if err != nil {
		return nil, err
	}
	cell := strings.TrimSpace(quoted)
	if cell == "" || missing[cell] {
		return []byte("null"), nil
	}
	digits, percent := strings.CutSuffix(cell, "%")
	is := -1
	if percent {
		is = 1
	}
	if before := t.percent[field]; before != 0 && before != is {
		return nil, fmt.Errorf("column %q holds %q, and other cells of it are %s: write all in one way", column, cell,
			map[int]string{1: "percentages", -1: "plain numbers"}[before])
	}
	t.percent[field] = is
	digits = strings.TrimSpace(digits)
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) || strings.Trim(digits, "0123456789+-.eE") != "" {
		hint := ""
		switch strings.ToLower(digits) {
		case "true", "false", "yes", "no", "pass", "fail":
			hint = ": write 1 or 0"
		}
		if strings.Count(digits, ",") == 1 {
			hint = ": write a decimal point"
		}
		return nil, fmt.Errorf("column %q holds %q, where a finite number, or nothing, should be%s", column,
			shorten(cell, 40), hint)
	}
	if percent {
		scale := map[role]Scale{labelRole: t.opt.Labels, scoreRole: t.opt.Scores}[field].orUnit()
		switch {
		case field != labelRole && field != scoreRole, scale != (Scale{0, 1}) && scale != (Scale{0, 100}):
			return nil, fmt.Errorf("column %q holds %q, where a plain number should be", column, cell)
		case scale.High == 1:
			v /= 100
		}
	}
	return appendFloat(nil, v)
}

func (t *tableReader) draw(column string, raw []byte, row *tableRow) error {
	raw, err := t.number(column, drawRole, raw)
	if err != nil || string(raw) == "null" {
		return err
	}
	v, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || v < 0 || v != math.Trunc(v) || v > math.MaxInt32 {
		return fmt.Errorf("field %q holds %s, where a whole number from 0 should be", column, raw)
	}
	row.draw = int(v)
	return nil
}

// grades are the values of one kind on their scale, and what is odd about them.
type grades struct {
	kind     string
	scale    Scale
	n, out   int
	line     int // of the first outside of the scale
	bad      float64
	min, max float64
	whole    bool // all that are no fraction of 1 are whole numbers
	fraction int  // values between 0 and 1, on a wide scale
	at       int  // line of the first such
	first    float64
}

func newGrades(kind string, s Scale) *grades {
	return &grades{kind: kind, scale: s.orUnit(), min: math.Inf(1), max: math.Inf(-1), whole: true}
}

// take brings v to [0, 1].
func (g *grades) take(f Float, line int) Float {
	v, ok := f.Get()
	if !ok {
		return f
	}
	g.n++
	g.min, g.max = min(g.min, v), max(g.max, v)
	if v < g.scale.Low || v > g.scale.High {
		if g.out++; g.out == 1 {
			g.line, g.bad = line, v
		}
		return f
	}
	if v > 0 && v < 1 {
		if g.fraction++; g.fraction == 1 {
			g.at, g.first = line, v
		}
	} else if v != math.Trunc(v) {
		g.whole = false
	}
	if g.scale == (Scale{0, 1}) {
		return f
	}
	return Known(g.scale.unit(v))
}

// check reports values that are not on the scale.
func (g *grades) check(name string) error {
	if g.out > 0 {
		return &LineError{Name: name, Line: g.line, Hint: "state the scale that they are on; if the value stands for a " +
			"missing one, leave it out",
			Err: fmt.Errorf("%s %v is %w from %v to %v: %d of %d are outside of it, they run from %v to %v", g.kind, g.bad,
				ErrScale, g.scale.Low, g.scale.High, g.out, g.n, g.min, g.max)}
	}
	if g.n > 1 && g.fraction > 0 && g.min >= 0 && g.max <= 1 && g.scale.High-g.scale.Low >= 10 {
		return &LineError{Name: name, Line: g.at, Hint: "state the scale that they are on",
			Err: fmt.Errorf("%s %v and all others lie from 0 to 1: they are %w from %v to %v", g.kind, g.first, ErrScale,
				g.scale.Low, g.scale.High)}
	}
	if g.fraction > 0 && g.fraction < g.n && g.whole && g.max > 1 && g.scale.High-g.scale.Low >= 10 {
		return &LineError{Name: name, Line: g.at, Hint: "bring them to one scale",
			Err: fmt.Errorf("%s %v is on another scale than the whole numbers up to %v beside it: %w from %v to %v", g.kind,
				g.first, g.max, ErrScale, g.scale.Low, g.scale.High)}
	}
	return nil
}

// remarks are what is odd about rows that were read.
func (t *tableReader) remarks() (out []string) {
	for _, g := range []*grades{t.labels, t.scores} {
		if g.n > 1 && g.min == g.max {
			out = append(out, fmt.Sprintf("Every %s is %v: %d of them say no more than one. If it stands for a missing "+
				"value, leave it out.", g.kind, g.min, g.n))
		}
	}
	say := func(n int, of string) {
		if n > 0 {
			out = append(out, fmt.Sprintf("%d of %d rows state no prompt_id: %s.", n, t.out.Rows, of))
		}
	}
	say(t.byPrompt, "each has one made of its prompt's text")
	say(t.byResponse, "each has one made of its response's text, and differences between policies are not paired")
	say(t.byRow, "each is taken for a prompt of its own; if rows share a prompt, intervals are too narrow and "+
		"differences are not paired")
	for _, g := range []struct {
		kind  string
		scale Scale
		has   int
	}{{"Labels", t.opt.Labels, t.labels.n}, {"Judge scores", t.opt.Scores, t.scores.n}} {
		if g.scale != (Scale{}) && g.has > 0 {
			out = append(out, fmt.Sprintf("%s were read on the scale from %v to %v: here %[2]v is 0 and %[3]v is 1.", g.kind,
				g.scale.Low, g.scale.High))
		}
	}
	if wide := perPolicy(t.out.Unread); wide != nil {
		out = append(out, fmt.Sprintf("Columns %s seem to be one for each policy. Give every policy's response a row of "+
			"its own, with the policy's name in a column called policy.", quoteNames(wide)))
	}
	if t.foreign > 0 {
		out = append(out, fmt.Sprintf("%d rows are responses of other policies than %s and have log-probs, which are not "+
			"used: only %[2]s's responses can be weighted.", t.foreign, t.out.Logging))
	}
	if t.copies > 0 {
		out = append(out, fmt.Sprintf("%d of %d rows repeat another row in every value: they stay with its prompt, and "+
			"make no interval narrower.", t.copies, t.out.Rows))
	}
	return out
}
