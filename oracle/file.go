package oracle

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/providers"
)

// LabelError is a line of a file of labels that cannot be used.
type LabelError struct {
	File    string
	Line    int // from 1; 0 if the file as a whole is meant
	Problem string
	Remedy  string
}

func (e *LabelError) Error() string {
	place := e.File
	if e.Line > 0 {
		place += ":" + strconv.Itoa(e.Line)
	}
	return fmt.Sprintf("oracle: read labels: %s: %s; %s", place, e.Problem, e.Remedy)
}

// ReadLabels reads labels given by people: JSON objects, one a line,
//
//	{"prompt_id": "p1", "policy": "p0", "draw_idx": 0, "label": 0.8}
//
// or CSV with a header that has these four columns, in any order. The id may be called
// id, a draw that is not named is draw 0, and the policy may be left out if all expected
// responses are of one: a file of id and label is enough then. Other keys and columns,
// blank lines and a leading byte order mark are ignored. The name stands for the file in
// errors.
//
// The expected keys are those of the responses to be labeled; nil means any.
//
// A [*LabelError] names file and line if a line lacks a field, a label is not a
// number in [0, 1], or a response is labeled twice or not expected. So it does if
// the file has no labels. A response without a label has no line.
func ReadLabels(r io.Reader, name string, expected []dataset.Key) (map[dataset.Key]float64, error) {
	in := bufio.NewReader(&bounded{r, maxLabels})
	if mark, _ := in.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		in.Discard(3) // cannot fail: the bytes are buffered
	}
	c := collector{file: name, labels: map[dataset.Key]float64{}, lines: map[dataset.Key]int{}}
	c.expect(expected)
	first, line, err := firstByte(in)
	switch {
	case err == io.EOF:
	case err != nil:
		return nil, fmt.Errorf("oracle: read labels: %s: %w", name, err)
	case first == '{':
		err = c.readJSONL(in, line)
	case first == '[':
		err = c.fail(line, "write its objects one a line", "the file is a JSON array")
	case first == 0:
		err = c.fail(line, "give the file of labels", "the file begins with a NUL byte, as no text does")
	default:
		err = c.readCSV(in, line)
	}
	if err != nil && err != io.EOF {
		return nil, err
	}
	if len(c.labels) == 0 {
		return nil, &LabelError{name, 0, "no labels",
			`give lines of {"prompt_id", "policy", "draw_idx", "label"}, or CSV with that header`}
	}
	return c.labels, nil
}

// maxLabels is how long a file of labels may be, in bytes. One without an end must not fill
// the memory.
const maxLabels = 256 << 20

// bounded is a reader that fails after so many bytes.
type bounded struct {
	io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, fmt.Errorf("the file is longer than %d MiB", maxLabels>>20)
	}
	return n, err
}

// firstByte skips white space and returns the byte after it, unread, and the
// number of its line.
func firstByte(in *bufio.Reader) (b byte, line int, err error) {
	for line = 1; ; {
		b, err = in.ReadByte()
		switch {
		case err != nil:
			return 0, line, err
		case b == '\n':
			line++
		case b != ' ' && b != '\t' && b != '\r':
			return b, line, in.UnreadByte()
		}
	}
}

// collector gathers labels and keeps two from claiming one response.
type collector struct {
	file   string
	labels map[dataset.Key]float64
	lines  map[dataset.Key]int
	// what is expected; nil for anything
	keys              map[dataset.Key]bool
	prompts, policies map[string]bool
	only              string // the one policy of keys, if there is one
}

func (c *collector) expect(keys []dataset.Key) {
	if keys == nil {
		return
	}
	c.keys, c.prompts, c.policies = map[dataset.Key]bool{}, map[string]bool{}, map[string]bool{}
	for _, k := range keys {
		c.keys[k], c.prompts[k.PromptID], c.policies[k.Policy] = true, true, true
	}
	if len(c.policies) == 1 {
		c.only = keys[0].Policy
	}
}

func (c *collector) fail(line int, remedy, format string, args ...any) error {
	return &LabelError{c.file, line, fmt.Sprintf(format, args...), remedy}
}

func (c *collector) add(line int, key dataset.Key, label float64) error {
	switch {
	case key.PromptID == "" || key.Policy == "":
		return c.fail(line, "name the response that the label is for", "prompt_id or policy is empty")
	case key.DrawIdx < 0:
		return c.fail(line, "draws count from 0", "draw_idx %d", key.DrawIdx)
	case !(label >= 0 && label <= 1):
		return c.fail(line, "map labels to [0, 1] first: the scale is not guessed",
			"label %v is not in [0, 1]", label)
	case c.keys != nil && !c.policies[key.Policy]:
		return c.fail(line, "leave the line out, or have the design label that policy's responses too",
			"%s is a response of policy %q: labels are wanted for those of %s",
			key, key.Policy, strings.Join(slices.Sorted(maps.Keys(c.policies)), ", "))
	case c.keys != nil && !c.prompts[key.PromptID]:
		return c.fail(line, "give the ids of the run's prompts.jsonl", "prompt_id %q is unknown", key.PromptID)
	case c.keys != nil && !c.keys[key]:
		return c.fail(line, "leave the line out, or enlarge the design",
			"%s is not among the responses that the design labels", key)
	case c.lines[key] != 0:
		return c.fail(line, "keep one of the two", "%s was labeled already on line %d", key, c.lines[key])
	}
	c.labels[key], c.lines[key] = label, line
	return nil
}

func (c *collector) readJSONL(in *bufio.Reader, line int) error {
	for ; ; line++ {
		object, err := in.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return fmt.Errorf("oracle: read labels: %s:%d: %w", c.file, line, err)
		}
		if object = bytes.TrimSpace(object); len(object) > 0 {
			var row struct {
				PromptID *text    `json:"prompt_id"`
				ID       *text    `json:"id"`
				Policy   *string  `json:"policy"`
				DrawIdx  int      `json:"draw_idx"`
				Label    *float64 `json:"label"`
			}
			if err := json.Unmarshal(object, &row); err != nil {
				return c.misread(line, err)
			}
			if name := twice(object); name != "" {
				return c.fail(line, "keep one of the two", "%q appears twice", name)
			}
			if row.PromptID == nil {
				row.PromptID = row.ID
			}
			if row.Policy == nil && c.only != "" {
				row.Policy = &c.only
			}
			switch {
			case row.PromptID == nil || row.Label == nil:
				return c.fail(line, "give both, and leave a response without a label out",
					"prompt_id (or id) or label is absent or null")
			case row.Policy == nil:
				return c.fail(line, "name the policy whose response the label is for", "policy is absent or null, and %s",
					c.several())
			}
			if err := c.add(line, dataset.Key{PromptID: string(*row.PromptID), Policy: *row.Policy, DrawIdx: row.DrawIdx},
				*row.Label); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// wanted says what each of the columns holds.
var wanted = map[string]string{"prompt_id": "text or a whole number", "id": "text or a whole number",
	"policy": "the name of a policy, as text", "draw_idx": "a whole number from 0, 0 if it is left out",
	"label": "a number in [0, 1]; leave a response without a label out"}

// misread says why a line cannot be read.
func (c *collector) misread(line int, err error) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrong) && wanted[wrong.Field] != "":
		is, digits, number := strings.Cut(wrong.Value, " ")
		if number {
			is = "the number " + digits
		} else {
			is = map[string]string{"string": "text", "number": "a number", "bool": "true or false", "object": "an object",
				"array": "a list"}[is]
		}
		return c.fail(line, "give "+wanted[wrong.Field], "field %q is %s", wrong.Field, is)
	case errors.As(err, &syntax):
		return c.fail(line, "write one object a line, on one line", "the line is not one JSON object: byte %d does not fit",
			syntax.Offset)
	}
	return c.fail(line, "write objects as the others", "the line is not an object with these fields")
}

// text is a string, or a number as it is written: ids are often numbers.
type text string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9') {
		*t = text(b)
		return nil
	}
	if len(b) > 0 && b[0] != '"' {
		value := map[byte]string{'{': "object", '[': "array", 't': "bool", 'f': "bool"}[b[0]]
		return &json.UnmarshalTypeError{Value: value, Type: reflect.TypeFor[string]()}
	}
	return json.Unmarshal(b, (*string)(t))
}

// several says why a policy must be named.
func (c *collector) several() string {
	if c.keys == nil {
		return "any could be meant"
	}
	return "labels are wanted for responses of " + strings.Join(slices.Sorted(maps.Keys(c.policies)), ", ")
}

// columns are what says which response a label is for, and the label.
var columns = []string{"prompt_id", "policy", "draw_idx", "label", "id"}

// twice returns which of the columns an object has twice, of which the decoder
// would take the last; empty for none. Like the decoder it takes a key in other
// letters for the same.
func twice(object []byte) string {
	dec := json.NewDecoder(bytes.NewReader(object))
	dec.Token() // the brace: the object is known to be one
	seen := map[string]bool{}
	for dec.More() {
		key, _ := dec.Token()
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return ""
		}
		for _, name := range columns {
			if s, ok := key.(string); ok && strings.EqualFold(s, name) {
				if seen[name] {
					return name
				}
				seen[name] = true
			}
		}
	}
	return ""
}

func (c *collector) readCSV(in *bufio.Reader, firstLine int) error {
	rows := csv.NewReader(in)
	header, err := rows.Read()
	if err != nil {
		return c.csvError(err, firstLine)
	}
	at := map[string]int{}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(columns, name) {
			continue
		}
		if _, ok := at[name]; ok {
			return c.fail(firstLine, "keep one of the two", "the header has two columns %q", name)
		}
		at[name] = i
	}
	id, ok := at["prompt_id"]
	if !ok {
		id, ok = at["id"]
	}
	value, labeled := at["label"]
	ofPolicy, named := at["policy"]
	ofDraw, numbered := at["draw_idx"]
	begin := "begin with the line " + strings.Join(columns[:4], ",")
	switch {
	case !ok:
		return c.fail(firstLine, begin, "the header has no column %q or %q", "prompt_id", "id")
	case !labeled:
		return c.fail(firstLine, begin, "the header has no column %q", "label")
	case !named && c.only == "":
		return c.fail(firstLine, begin, "the header has no column %q, and %s", "policy", c.several())
	}
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return c.csvError(err, firstLine)
		}
		line, _ := rows.FieldPos(0)
		line += firstLine - 1
		key := dataset.Key{PromptID: row[id], Policy: c.only}
		if named {
			key.Policy = row[ofPolicy]
		}
		if numbered {
			if key.DrawIdx, err = strconv.Atoi(strings.TrimSpace(row[ofDraw])); err != nil {
				return c.fail(line, "draws are whole numbers from 0", "draw_idx %q", row[ofDraw])
			}
		}
		label, err := strconv.ParseFloat(strings.TrimSpace(row[value]), 64)
		if err != nil {
			return c.fail(line, "give a number in [0, 1], and leave a response without a label out",
				"label %q is not a number", row[value])
		}
		if err := c.add(line, key, label); err != nil {
			return err
		}
	}
}

func (c *collector) csvError(err error, firstLine int) error {
	var pe *csv.ParseError
	if errors.As(err, &pe) {
		return c.fail(pe.Line+firstLine-1, "correct the line", "not CSV: %v", pe.Err)
	}
	return fmt.Errorf("oracle: read labels: %s: %w", c.file, err)
}

// File is an [Oracle] that looks labels up.
type File struct {
	identity string
	labels   map[dataset.Key]float64
}

// NewFile returns an Oracle of given labels, as [ReadLabels] returns them. name
// is the first part of its identity, whose hash covers every label. It is an
// error if name is empty, there are no labels, or one is not in [0, 1].
func NewFile(name string, labels map[dataset.Key]float64) (*File, error) {
	if name == "" {
		return nil, errors.New("oracle: new file: name is empty: records refer to the oracle by it")
	}
	if len(labels) == 0 {
		return nil, fmt.Errorf("oracle: new file %q: no labels", name)
	}
	h := sha256.New()
	for _, k := range slices.SortedFunc(maps.Keys(labels), dataset.Key.Compare) {
		v := labels[k]
		if !(v >= 0 && v <= 1) {
			return nil, fmt.Errorf("oracle: new file %q: label of %s: %v is not in [0, 1]", name, k, v)
		}
		fmt.Fprintf(h, "%q %q %d %x\n", k.PromptID, k.Policy, k.DrawIdx, math.Float64bits(v))
	}
	return &File{name + "@" + hex.EncodeToString(h.Sum(nil)[:8]), maps.Clone(labels)}, nil
}

// Identity implements [Oracle].
func (f *File) Identity() string { return f.identity }

// Label implements [Oracle]. A key that the file has no label for is an
// [*judge.UnscoredError] with [judge.ReasonMissing].
func (f *File) Label(_ context.Context, tag providers.Tag, _ dataset.Prompt, _ string) (float64, error) {
	v, ok := f.labels[tag.Key]
	if !ok {
		return 0, fmt.Errorf("oracle: %w", &judge.UnscoredError{Grader: f.identity, Key: tag.Key,
			Reason: judge.ReasonMissing})
	}
	return v, nil
}
