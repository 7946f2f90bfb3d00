package dataset

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// arrayReader splits a JSON array into its objects without decoding them, so
// that a large array streams and every object keeps the number of its line. It
// looks at strings and brackets only; whether an object is valid JSON is for its
// decoder to say.
type arrayReader struct {
	r       *bufio.Reader
	name    string
	line    int
	started bool
	buf     []byte
}

func (a *arrayReader) next() (int, []byte, error) {
	c, err := a.skipSpace()
	if err != nil {
		return a.line, nil, a.cut(err)
	}
	if !a.started { // c is the [ that openRows saw
		a.started = true
		if c, err = a.skipSpace(); err != nil {
			return a.line, nil, a.cut(err)
		}
		if c == ']' {
			return a.line, nil, a.end()
		}
	} else {
		switch c {
		case ']':
			return a.line, nil, a.end()
		case ',':
			if c, err = a.skipSpace(); err != nil {
				return a.line, nil, a.cut(err)
			}
		default:
			return a.line, nil, a.fail(fmt.Errorf("%q where a comma or the array's end should be", c))
		}
	}
	switch c {
	case '{':
		return a.object()
	case ']':
		return a.line, nil, a.fail(errors.New("a comma before the array's end"))
	case '"':
		return a.line, nil, a.fail(errors.New("a text where an object should be: a row says by its fields what it holds"))
	}
	return a.line, nil, a.fail(fmt.Errorf("%q where an object's { should be", c))
}

// object reads up to the bracket that closes the { just read.
func (a *arrayReader) object() (int, []byte, error) {
	start := a.line
	a.buf = append(a.buf[:0], '{')
	depth, inString, escaped := 1, false, false
	for depth > 0 {
		c, err := a.readByte()
		if err != nil {
			return start, nil, a.cut(err)
		}
		if len(a.buf) == maxLine {
			return start, nil, &LineError{Name: a.name, Line: start,
				Err: fmt.Errorf("object is longer than %d MiB", maxLine>>20), Hint: "is a closing bracket or quote missing?"}
		}
		a.buf = append(a.buf, c)
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped, inString = c == '\\', c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
	return start, a.buf, nil
}

// end makes sure that nothing follows the array.
func (a *arrayReader) end() error {
	c, err := a.skipSpace()
	if c == '[' && err == nil {
		return a.fail(errors.New("another array, which starts with '[', after the array's end"))
	}
	if err == nil {
		return a.fail(fmt.Errorf("%q after the array's end", c))
	}
	return err
}

// skipSpace returns the first byte that is not white space.
func (a *arrayReader) skipSpace() (byte, error) {
	if !a.started {
		if bom, _ := a.r.Peek(len(utf8BOM)); bytes.Equal(bom, utf8BOM) {
			a.r.Discard(len(utf8BOM))
		}
	}
	for {
		c, err := a.readByte()
		if err != nil {
			return 0, err
		}
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c, nil
		}
	}
}

func (a *arrayReader) readByte() (byte, error) {
	c, err := a.r.ReadByte()
	if c == '\n' && err == nil {
		a.line++
	}
	return c, err
}

func (a *arrayReader) fail(err error) error {
	return &LineError{Name: a.name, Line: a.line, Err: err,
		Hint: "the file must be one JSON array of objects: fix this line"}
}

// cut explains why the array cannot go on.
func (a *arrayReader) cut(err error) error {
	if err == io.EOF {
		return &LineError{Name: a.name, Line: a.line, Err: errors.New("the array does not end"),
			Hint: "the file is cut short: get it again"}
	}
	return fmt.Errorf("dataset: read %s at line %d: %w", a.name, a.line, err)
}
