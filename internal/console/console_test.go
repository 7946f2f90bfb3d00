package console

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFill(t *testing.T) {
	for _, row := range []struct{ in, want, reason string }{
		{"", "", "nothing"},
		{" one  two", " one  two", "what fits keeps its spaces"},
		{"one two three four", "one two\n  three\n  four", "the rest is indented"},
		{"  - one two three", "  - one\n    two\n    three", "below its own indentation"},
		{"a /a/long/path/to/copy b", "a\n  /a/long/path/to/copy\n  b", "a word stays whole"},
		{"ääää öööö üüüü", "ääää öööö\n  üüüü", "characters count, not bytes"},
	} {
		if got := Fill(row.in, 9); got != row.want {
			t.Errorf("Fill(%q) = %q, want %q: %s", row.in, got, row.want, row.reason)
		}
	}
}

func TestWrapHoldsALineUntilItEnds(t *testing.T) {
	var b bytes.Buffer
	w := &wrapper{w: &b, width: func() int { return 20 }}
	for _, part := range []string{"one two ", "three four five six", " seven\neight", " nine\n"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := "one two three four\n  five six seven\neight nine\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	for line := range strings.Lines(b.String()) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 20 {
			t.Errorf("%q is too long", line)
		}
	}
}

// What is no terminal has no width of its own, and is written to as it is.
func TestNoTerminal(t *testing.T) {
	var b bytes.Buffer
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if Width(&b) != usual || Width(f) != usual {
		t.Errorf("widths %d and %d, want %d", Width(&b), Width(f), usual)
	}
	if Wrap(&b) != &b || Wrap(f) != f {
		t.Error("lines for a file are broken")
	}
}
