package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"reflect"
	"strings"
	"unicode/utf8"
)

// maxLine is the longest line in bytes. It bounds the memory that a file without
// line breaks can take.
const maxLine = 64 << 20

// LineError is a defect of an input at one of its lines.
type LineError struct {
	Name string // the input, as the caller named it
	Line int    // from 1
	Err  error
	Hint string // what a person can do about it
	Skip bool   // the rows after it can be read
	Row  string // the row itself, if it is known
}

func (e *LineError) Error() string {
	return fmt.Sprintf("dataset: %s:%d: %v (%s)", e.Name, e.Line, e.Err, e.Hint)
}

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

const (
	hintLine  = "each line must be one whole JSON object: fix or remove this line"
	hintField = "fix this value"
	hintUTF8  = "save the file as UTF-8"
)

// ReadJSONL streams the rows of JSON lines from r: one object a line, decoded
// into a T each. It skips blank lines and a byte order mark and does not need a
// final line break. Whatever else is not exactly one object on a line, or is longer
// than 64 MiB, ends the sequence with a zero T and a [*LineError] that calls the
// input by name; nothing follows an error. A failure of r itself is an error that wraps r's.
//
// The sequence reads r and can be ranged over once.
func ReadJSONL[T any](r io.Reader, name string) iter.Seq2[T, error] {
	return readJSONL[T](r, name, maxLine, nil)
}

// readJSONL refuses the rows of which check, if it is set, returns an error.
func readJSONL[T any](r io.Reader, name string, longest int, check func(T) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		lines := lineReader{r: bufio.NewReaderSize(r, 64<<10), name: name, longest: longest}
		for {
			line, raw, err := lines.next()
			if err == io.EOF {
				return
			}
			var row T
			if err == nil {
				err = decodeObject(raw, &row, name, line)
			}
			if err == nil && check != nil {
				if why := check(row); why != nil {
					err = &LineError{Name: name, Line: line, Err: why, Hint: "fix this line"}
				}
			}
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// ReadFile reads all rows of a JSON lines file, as [ReadJSONL] does. An empty
// file has no rows, and is no error.
func ReadFile[T any](path string) ([]T, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer f.Close()
	var rows []T
	for row, err := range ReadJSONL[T](f, path) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// WriteJSONL writes one JSON object a line, with map keys sorted and without
// escaping <, > and &. A row that is not an object, or that has no JSON form, is
// an error that names its number, from 1.
func WriteJSONL[T any](w io.Writer, rows iter.Seq[T]) error {
	out := bufio.NewWriterSize(w, 64<<10)
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	n := 0
	for row := range rows {
		n++
		line.Reset()
		if err := enc.Encode(row); err != nil {
			return fmt.Errorf("dataset: write row %d: %w", n, err)
		}
		if line.Bytes()[0] != '{' {
			return fmt.Errorf("dataset: write row %d: %T is not a JSON object", n, row)
		}
		if _, err := out.Write(line.Bytes()); err != nil {
			return fmt.Errorf("dataset: write row %d: %w", n, err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("dataset: write rows: %w", err)
	}
	return nil
}

// decodeObject decodes one JSON object into v. encoding/json alone would let
// two things pass that a record file must not hold: null, which leaves v
// untouched, and bytes that are not UTF-8, which it replaces in silence.
func decodeObject(raw []byte, v any, name string, line int) error {
	fail := func(err error, hint string) error {
		return &LineError{Name: name, Line: line, Err: err, Hint: hint, Skip: true}
	}
	if !utf8.Valid(raw) {
		return fail(errors.New(explainUTF8(raw)), hintUTF8)
	}
	if raw[0] != '{' && raw[0] != 0 {
		return fail(fmt.Errorf("starts with %q where an object's { should be", firstRune(raw)), hintLine)
	}
	err := json.Unmarshal(raw, v)
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		hint, say := explainSyntax(raw, errSyntax)
		return fail(say, hint)
	case errors.As(err, &typ):
		return fail(&typeError{typ}, hintField)
	default: // a type's own UnmarshalJSON
		return fail(err, hintField)
	}
}

// typeError is a field of the wrong type, in the words of a person who has the file.
type typeError struct{ err *json.UnmarshalTypeError }

func (e *typeError) Error() string {
	held, value, ok := strings.Cut(e.err.Value, " ") // "number 5" says the value, too
	if ok && wanted(e.err.Type) == "a number" {
		want := "a number in range"
		if e.err.Type.Kind() != reflect.Float64 {
			want = "a whole number in range"
		}
		return fmt.Sprintf("field %q is %s, where %s should be", e.err.Field, shorten(value, 40), want)
	}
	return fmt.Sprintf("field %q holds %s, where %s should be", e.err.Field, article(held), wanted(e.err.Type))
}

func (e *typeError) Unwrap() error { return e.err }

func article(kind string) string {
	switch kind {
	case "array", "object":
		return "an " + kind
	case "bool":
		return "true or false"
	}
	return "a " + kind
}

func wanted(t reflect.Type) string {
	if t == reflect.TypeFor[Float]() {
		return "a number or null"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	}
	return "a number"
}

func firstRune(b []byte) rune {
	r, _ := utf8.DecodeRune(b)
	return r
}

// lineReader hands out the lines that are not blank.
type lineReader struct {
	r    *bufio.Reader
	name string
	line int
	buf  []byte // a line that outgrew r's buffer

	longest int  // bytes in a line
	eol     byte // what ends one; 0: a line feed
}

// next returns a line's number and its bytes, never empty and good until the
// following call; io.EOF at the end.
func (l *lineReader) next() (int, []byte, error) {
	for {
		raw, err := l.readLine()
		if err != nil {
			return l.line, nil, err
		}
		l.line++
		if l.line == 1 {
			raw = bytes.TrimPrefix(raw, utf8BOM)
			if bytes.HasPrefix(raw, []byte{0xff, 0xfe}) || bytes.HasPrefix(raw, []byte{0xfe, 0xff}) {
				return l.line, nil, &LineError{Name: l.name, Line: 1, Err: errors.New("the file is UTF-16"), Hint: hintUTF8}
			}
		}
		if raw = bytes.Trim(raw, jsonSpace); len(raw) > 0 {
			return l.line, raw, nil
		}
	}
}

const jsonSpace = " \t\r\n"

var utf8BOM = []byte("\ufeff")

func (l *lineReader) readLine() ([]byte, error) {
	l.buf = l.buf[:0]
	if l.eol == 0 {
		l.eol = '\n'
	}
	for {
		part, err := l.r.ReadSlice(l.eol)
		if err == nil && len(l.buf) == 0 {
			return part, nil
		}
		if len(l.buf)+len(part) > l.longest {
			return nil, &LineError{Name: l.name, Line: l.line + 1,
				Err: fmt.Errorf("line is longer than %d MiB", l.longest>>20), Hint: "write one object a line"}
		}
		l.buf = append(l.buf, part...)
		switch {
		case err == bufio.ErrBufferFull:
		case err == nil, err == io.EOF && len(l.buf) > 0:
			return l.buf, nil
		case err == io.EOF:
			return nil, io.EOF
		default:
			return nil, fmt.Errorf("dataset: read %s after line %d: %w", l.name, l.line, err)
		}
	}
}
