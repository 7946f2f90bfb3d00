package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// csvReader reads RFC 4180 rows: cells between commas or another delimiter, those with one, a
// quote or a line break inside between quotes, a quote doubled. Unlike
// encoding/csv it leaves the line breaks inside a cell as they are, and finds the
// next row after a bad one.
type csvReader struct {
	r      *bufio.Reader
	name   string
	d      dialect
	line   int // of the next row
	header []string
	texts  []bool   // by column: it may hold a prompt
	blank  []bool   // by column: it is one of several without a name, so no cell of it may hold anything
	again  [][]byte // the header's cells as they are written
	quoted []bool   // by cell of the row
	cells  [][]byte
	text   []byte // of the row's cells
	ends   []int
	out    bytes.Buffer
}

func newCSVReader(r *bufio.Reader, name string, d dialect) (*csvReader, error) {
	r.Discard(d.skip) // which was peeked at
	c := &csvReader{r: r, name: name, d: d, line: d.line}
	line, cells, err := c.record()
	if err != nil {
		return nil, err
	}
	unnamed := 0
	for _, cell := range cells {
		c.again = append(c.again, bytes.Clone(cell))
		if len(bytes.TrimSpace(cell)) == 0 {
			unnamed++
		}
	}
	seen := map[string]bool{}
	for _, cell := range cells {
		column := string(cell)
		blank := unnamed > 1 && len(bytes.TrimSpace(cell)) == 0
		c.blank = append(c.blank, blank)
		known := columnName(column)
		if known != "" {
			column = known
		}
		if seen[column] && !blank {
			return nil, &LineError{Name: name, Line: line, Err: fmt.Errorf("two columns are called %q", column),
				Hint: "give each column a name of its own"}
		}
		seen[column] = true
		c.header = append(c.header, column)
		c.texts = append(c.texts, leads[known])
	}
	return c, nil
}

// isHeader reports whether a row is the header again, with or without a byte order mark.
func (c *csvReader) isHeader(cells [][]byte) bool {
	return len(cells) == len(c.again) &&
		bytes.Equal(bytes.TrimPrefix(cells[0], utf8BOM), bytes.TrimPrefix(c.again[0], utf8BOM)) &&
		slices.EqualFunc(cells[1:], c.again[1:], bytes.Equal)
}

// ruled reports whether a row is the rule below the header of a table in Markdown.
func ruled(cells [][]byte) bool {
	rules := 0
	for _, cell := range cells {
		switch s := bytes.TrimSpace(cell); {
		case len(s) >= 3 && len(bytes.Trim(s, "-:")) == 0:
			rules++
		case len(s) > 0:
			return false
		}
	}
	return rules > 0
}

// missing are the ways in which a table that a program wrote spells that a cell holds
// nothing; they are among those that pandas reads as missing.
var missing = map[string]bool{"nan": true, "NaN": true, "null": true, "NULL": true,
	"None": true, "NA": true, "<NA>": true, "N/A": true, "n/a": true, "#N/A": true, "#NA": true, "#N/A N/A": true}

// next returns a row as an object whose values are text.
func (c *csvReader) next() (int, []byte, error) {
	for {
		line, cells, err := c.record()
		if err != nil {
			return line, nil, err
		}
		if len(cells) == 1 && len(cells[0]) == 0 && len(c.header) > 1 {
			continue // a blank line
		}
		bad := func(err error, hint string) (int, []byte, error) {
			return line, nil, &LineError{Name: c.name, Line: line, Err: err, Hint: hint, Skip: true,
				Row: string(bytes.Join(cells, []byte(",")))}
		}
		switch {
		case c.isHeader(cells):
			return bad(errors.New("the header stands here again: files were joined, each with its own"), "remove this line")
		case c.d.comma == '|' && ruled(cells):
			return line, nil, &LineError{Name: c.name, Line: line, Err: errors.New("a line of dashes: the file is a table " +
				"in Markdown"), Hint: "save it as CSV"}
		case len(cells) != len(c.header):
			return bad(fmt.Errorf("%d cells, the header has %d", len(cells), len(c.header)),
				"put cells with delimiters or quotes between quotes")
		}
		c.out.Reset()
		c.out.WriteByte('{')
		for i, cell := range cells {
			if !utf8.Valid(cell) {
				return bad(&unheld{dropNotUTF8, fmt.Sprintf("column %q: %s", c.header[i], explainUTF8(cell))}, hintUTF8)
			}
			if c.blank[i] {
				if len(bytes.TrimSpace(cell)) > 0 {
					return bad(fmt.Errorf("cell %d is in a column without a name", i+1), "give each column a name of its own")
				}
				continue
			}
			if c.out.Len() > 1 {
				c.out.WriteByte(',')
			}
			name, _ := json.Marshal(c.header[i]) // text has a JSON form
			value, _ := json.Marshal(string(cell))
			if c.texts[i] && !c.quoted[i] && missing[string(cell)] {
				value = []byte("null")
			}
			c.out.Write(name)
			c.out.WriteByte(':')
			c.out.Write(value)
		}
		c.out.WriteByte('}')
		return line, c.out.Bytes(), nil
	}
}

// record reads the cells of one row, which are good until the following call.
func (c *csvReader) record() (line int, cells [][]byte, err error) {
	line = c.line
	c.text, c.ends, c.quoted = c.text[:0], c.ends[:0], c.quoted[:0]
	started, quoted, inQuotes := false, false, false // of the row, of the cell
	var fault error
	finish := func() (int, [][]byte, error) {
		c.ends, c.quoted = append(c.ends, len(c.text)), append(c.quoted, quoted)
		c.cells = c.cells[:0]
		from := 0
		for _, end := range c.ends {
			c.cells = append(c.cells, c.text[from:end])
			from = end
		}
		if fault != nil {
			return line, nil, &LineError{Name: c.name, Line: line, Err: fault,
				Hint: "double a quote inside a cell, and put the cell between quotes", Skip: true, Row: string(c.text)}
		}
		return line, c.cells, nil
	}
	for {
		b, err := c.r.ReadByte()
		if err == io.EOF {
			switch {
			case !started:
				return line, nil, io.EOF
			case inQuotes:
				return line, nil, &LineError{Name: c.name, Line: line, Err: errors.New("a quoted cell does not end"),
					Hint: "the file is cut short, or a quote inside a cell is not doubled"}
			}
			return finish()
		}
		if err != nil {
			return line, nil, fmt.Errorf("dataset: read %s at line %d: %w", c.name, c.line, err)
		}
		started = true
		if len(c.text) >= maxLine {
			return line, nil, &LineError{Name: c.name, Line: line, Err: fmt.Errorf("row is longer than %d MiB", maxLine>>20),
				Hint: "is a closing quote missing?"}
		}
		if b == c.d.eol {
			c.line++
		}
		empty := len(c.text) == 0 || len(c.ends) > 0 && c.ends[len(c.ends)-1] == len(c.text)
		switch {
		case inQuotes && b != '"':
			c.text = append(c.text, b)
		case inQuotes:
			if after, _ := c.r.Peek(1); len(after) == 1 && after[0] == '"' {
				c.r.ReadByte()
				c.text = append(c.text, '"')
				continue
			}
			inQuotes = false
		case b == ' ' && c.d.spaces && empty && !quoted:
		case b == c.d.comma:
			c.ends, c.quoted = append(c.ends, len(c.text)), append(c.quoted, quoted)
			quoted = false
		case b == c.d.eol:
			if n := len(c.text); !quoted && !empty && c.text[n-1] == '\r' {
				c.text = c.text[:n-1]
			}
			return finish()
		case b == '"' && empty && !quoted:
			quoted, inQuotes = true, true
		case b == '\r' && quoted:
			// Before the line break; if it is not, the next byte is at fault.
			if after, err := c.r.Peek(1); err == nil && after[0] != '\n' {
				fault = errors.New("text after a quoted cell")
			}
		case b == ' ' && c.d.spaces && quoted:
		case b == '"' || quoted:
			if n := len(c.text); fault == nil && n > 0 && c.text[n-1] == '\\' {
				fault = errors.New("a quote after a backslash, which does not escape it in CSV")
			}
			if fault == nil {
				fault = errors.New("a quote inside a cell without quotes, or text after a quoted cell")
			}
		default:
			c.text = append(c.text, b)
		}
	}
}
