// Package clean makes text fit for a terminal and a page that a server, a file or
// somebody who can write into a folder chose. It is the one rule for all of them.
//
// Characters that act on a reader instead of being read are spelled out: controls, which
// drive a terminal, and those that reorder or hide what stands around them. So the reader
// sees that they are there, and which.
package clean

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// How many characters a text may have.
const (
	longestLine  = 2_000
	longestBlock = 10_000
)

// Line is text for one line: line breaks and tabs become spaces. It is cut after 2,000
// characters, since a megabyte that somebody sent would bury what matters.
func Line(s string) string { return spell(shortened(s, longestLine), false) }

// Block is text of several lines: it keeps line breaks and tabs, and is cut after 10,000
// characters.
func Block(s string) string {
	return spell(shortened(strings.ReplaceAll(s, "\r\n", "\n"), longestBlock), true)
}

// Error writes what a command has to say of an error, a line for each of its lines. Before
// the first stands the command's name, if there is one.
func Error(w io.Writer, command string, err error) {
	s := err.Error()
	if command != "" {
		s = command + ": " + s
	}
	for line := range strings.SplitSeq(s, "\n") {
		fmt.Fprintln(w, Line(line))
	}
}

// JSON escapes in JSON what acts on a terminal. It stays the same JSON.
func JSON(b []byte) []byte {
	if !bytes.ContainsFunc(b, inJSON) {
		return b
	}
	out := make([]byte, 0, len(b)+64)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case !inJSON(r):
			out = append(out, b[:n]...)
		case r > 0xffff:
			const base, half = 0x10000, 0x3ff
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+(r-base)>>10, 0xdc00+(r-base)&half)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		b = b[n:]
	}
	return out
}

// inJSON: below U+0020 there is only white space between JSON's tokens.
func inJSON(r rune) bool { return r >= 0x20 && Acts(r) }

// Acts reports whether a character acts on a reader: a control, a format character that
// reorders or hides text, or a separator of lines or paragraphs. Joiners are none, which
// emoji and several scripts need, nor are marks that are seen.
func Acts(r rune) bool {
	if r < 0x7f {
		return r < 0x20
	}
	return unicode.IsControl(r) || r == 0x2028 || r == 0x2029 ||
		unicode.Is(unicode.Cf, r) && !slices.Contains(joiners, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// joiners are the zero width non-joiner and joiner, and the soft hyphen.
var joiners = []rune{0x200c, 0x200d, 0xad}

func spell(s string, block bool) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if !strings.ContainsFunc(s, Acts) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t':
			if !block {
				r = ' '
			}
			b.WriteRune(r)
		case !Acts(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// shortened cuts s and says how much is left out.
func shortened(s string, most int) string {
	if len(s) <= most {
		return s
	}
	at := 0
	for i := range s {
		if at == most {
			unit := "characters"
			more := utf8.RuneCountInString(s[i:])
			if more == 1 {
				unit = "character"
			}
			return fmt.Sprintf("%s… (%d %s more)", s[:i], more, unit)
		}
		at++
	}
	return s
}
