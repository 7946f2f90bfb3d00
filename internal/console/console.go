// Package console is what a command knows of the terminal that it writes to: how wide it
// is, and how to keep lines within that.
package console

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"
)

// A width that is not known counts as usual; one beyond the others counts as these.
const (
	usual, least, most = 80, 60, 200
)

// Width is the columns of the terminal behind w, from 60 to 200, and 80 if there is none.
func Width(w io.Writer) int {
	n, ok := Columns(w)
	if !ok || n == 0 {
		return usual
	}
	return min(max(n, least), most)
}

// Columns are the columns of the terminal behind w. ok is false if there is none.
func Columns(w io.Writer) (n int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile {
		return 0, false
	}
	return columns(f.Fd())
}

// Wrap returns a writer that breaks lines at spaces to keep them within the terminal
// behind w; w itself if that is none. A line goes on below its own indentation. What is
// written is held until its line ends.
func Wrap(w io.Writer) io.Writer {
	if _, ok := Columns(w); !ok {
		return w
	}
	return &wrapper{w: w, width: func() int { return Width(w) }}
}

type wrapper struct {
	w     io.Writer
	width func() int

	mu   sync.Mutex
	line []byte // not ended yet
}

func (w *wrapper) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line = append(w.line, b...)
	for {
		i := bytes.IndexByte(w.line, '\n')
		if i < 0 {
			return len(b), nil
		}
		if _, err := io.WriteString(w.w, Fill(string(w.line[:i]), w.width())+"\n"); err != nil {
			return 0, err
		}
		w.line = w.line[i+1:]
	}
}

// Fill breaks a line at spaces to lines of at most width columns; those behind the first
// are indented by two more than it. A line that fits stays as it is, and a word that does
// not fit stays whole.
func Fill(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
	var out strings.Builder
	out.WriteString(indent)
	used, start := len(indent), true
	for _, word := range strings.Fields(line) {
		n := utf8.RuneCountInString(word)
		switch {
		case start:
		case used+1+n > width:
			out.WriteString("\n" + indent + "  ")
			used = len(indent) + 2
		default:
			out.WriteByte(' ')
			used++
		}
		out.WriteString(word)
		used, start = used+n, false
	}
	return out.String()
}
