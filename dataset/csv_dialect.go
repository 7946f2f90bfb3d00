package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// dialect is how a table of cells is written.
type dialect struct {
	comma   byte // between cells
	eol     byte // after a row: a line feed, or on some old systems a carriage return alone
	spaces  bool // spaces after a comma are not the cell's
	skip    int  // bytes before the header
	line    int  // of the header
	columns []string
}

var delimiters = []struct {
	comma byte
	name  string
}{{',', "commas"}, {'\t', "tabs"}, {';', "semicolons"}, {'|', "bars"}}

func (d dialect) String() string {
	for _, k := range delimiters {
		if k.comma == d.comma && d.comma != ',' {
			return "csv (" + k.name + ")"
		}
	}
	return "csv"
}

// lineEnd is how the lines of a text end.
func lineEnd(head []byte) byte {
	if bytes.IndexByte(head, '\n') < 0 && bytes.IndexByte(head, '\r') >= 0 {
		return '\r'
	}
	return '\n'
}

// maxPreamble is how many lines may stand before the header: comments, and the line sep=;
// that spreadsheets write.
const maxPreamble = 20

// sniffCSV looks for a header line: one that names fields of a shape. If there is none, the
// text may be a table all the same, and looks says so.
func sniffCSV(r *bufio.Reader, name string) (d dialect, found, looks bool) {
	head, _ := r.Peek(r.Size())
	d = dialect{eol: lineEnd(head)}
	if bytes.HasPrefix(head, utf8BOM) {
		d.skip = len(utf8BOM)
	}
	only := byte(0)
	for d.line = 1; d.line <= maxPreamble; d.line++ {
		rest := head[d.skip:]
		line, _, _ := bytes.Cut(rest, []byte{d.eol})
		text := strings.TrimRight(string(line), "\r")
		if after, ok := strings.CutPrefix(strings.ToLower(text), "sep="); ok && len(after) == 1 {
			only = after[0]
		} else if best, ok := bestHeader(text, only); ok {
			d.comma, d.spaces, d.columns = best.comma, best.spaces, best.columns
			return d, true, true
		} else if isText(line) {
			return d, false, false // not a table of one row, even if the text has commas
		} else if text != "" && !strings.HasPrefix(text, "#") {
			// The columns of what is a table, but not of prompts.
			next, _, _ := bytes.Cut(rest[min(len(rest), len(line)+1):], []byte{d.eol})
			for _, k := range delimiters {
				cells := splitHeader(text, k.comma)
				if len(cells) > 1 && len(cells) > len(d.columns) && len(splitHeader(string(next), k.comma)) >= len(cells) {
					d.comma, d.columns, looks = k.comma, cells, true
				}
			}
			ext := strings.ToLower(filepath.Ext(strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")))
			if !looks && slices.Contains([]string{".csv", ".tsv", ".tab", ".psv"}, ext) {
				d.comma, d.columns, looks = ',', splitHeader(text, ','), true
			}
			return d, false, looks
		}
		d.skip += len(line) + 1
		if d.skip >= len(head) {
			break
		}
	}
	return d, false, false
}

// firstLine is the first line of a text, without a mark before it.
func firstLine(head []byte) []byte {
	line, _, _ := bytes.Cut(bytes.TrimPrefix(head, utf8BOM), []byte{lineEnd(head)})
	return line
}

// isText reports whether a line is a text as JSON writes it, and nothing else.
func isText(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) > 0 && line[0] == '"' && json.Valid(line)
}

// bestHeader reads a line as a header with each delimiter, or only with one, and takes
// that with which most names are known.
func bestHeader(text string, only byte) (best dialect, ok bool) {
	most := 0
	for _, k := range delimiters {
		if only != 0 && k.comma != only {
			continue
		}
		cells := splitHeader(text, k.comma)
		n := 0
		for _, c := range cells {
			if columnName(c) != "" {
				n++
			}
		}
		if n > most || n == most && n > 0 && len(cells) > len(best.columns) {
			most = n
			best = dialect{comma: k.comma, columns: cells, spaces: len(cells) > 1}
			raw := strings.Split(text, string(k.comma))
			for _, c := range raw[1:] {
				best.spaces = best.spaces && strings.HasPrefix(c, " ")
			}
		}
	}
	var has fieldSet
	for _, c := range best.columns {
		has |= knownNames[`"`+columnName(c)+`"`].bit
	}
	return best, slices.ContainsFunc(shapes, func(s *shape) bool { return s.named(has) })
}

func splitHeader(text string, comma byte) []string {
	cells := strings.Split(text, string(comma))
	for i, c := range cells {
		c = strings.TrimSpace(c)
		if len(c) > 1 && c[0] == '"' && c[len(c)-1] == '"' {
			c = strings.TrimSpace(c[1 : len(c)-1])
		}
		cells[i] = c
	}
	return cells
}

// columnName is the name of a field that shapes know, which a column has but for case and
// spaces; "" of another.
func columnName(header string) string {
	h := strings.TrimSpace(header)
	if columns[h] != "" {
		return h
	}
	return columns[strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(h))]
}

// columns are the names that CSV headers are matched with, and leads those of them that
// a shape is recognised by.
var columns, leads = map[string]string{}, map[string]bool{}

// notTable refuses a table without a column of prompts, and a text that is none.
func (d dialect) notTable(name string, looks bool, first byte, head []byte) error {
	if looks {
		sep := ""
		for _, k := range delimiters {
			if k.comma == d.comma && len(d.columns) > 1 {
				sep = " with " + k.name + " between its cells"
			}
		}
		var shown []string
		for _, c := range d.columns[:min(len(d.columns), maxNames)] {
			shown = append(shown, fmt.Sprintf("%q", shorten(c, 40)))
		}
		return &LineError{Name: name, Line: d.line, Hint: "call the column of the prompts prompt, in a header line",
			Err: fmt.Errorf(
				"the file is CSV%s, and no column holds prompts; its columns are: %s",
				sep,
				strings.Join(shown, ", "),
			)}
	}
	switch {
	case first == 0:
		return &LineError{Name: name, Line: 1, Err: errors.New("the file begins with NUL bytes"), Hint: "get the file again"}
	case startsWithAny(bytes.TrimPrefix(head, utf8BOM), "//", "/*"):
		return &LineError{Name: name, Line: 1, Err: errors.New("the file begins with a comment, which JSON does not have"),
			Hint: "remove the comments"}
	case first == '"' && isText(firstLine(head)):
		return &LineError{Name: name, Line: 1, Err: errors.New("a text where an object should be: a row says by its " +
			"fields what it holds"), Hint: `write each as {"prompt": …}, or put a header above them`}
	}
	return &LineError{Name: name, Line: 1, Hint: hintFormats,
		Err: fmt.Errorf(
			"the file is neither JSON nor CSV with a header that names a column of prompts: it starts with %q",
			first,
		)}
}
