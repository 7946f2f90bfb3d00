package teacherforce

import (
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers"
)

// TestVocabularySpellings: entries as GPT-2's and SentencePiece's vocabularies
// spell them are placed to the byte.
func TestVocabularySpellings(t *testing.T) {
	for _, c := range []struct {
		sent   string
		tokens []string
		starts []int // nil: cannot be placed
		reason string
	}{
		{"a the\nend", []string{"a", "Ġthe", "Ċ", "end"}, []int{0, 1, 5, 6}, "Ġ is a space, Ċ a newline"},
		{"é 日", []string{"Ã©", "Ġ", "æĹ", "¥"}, []int{0, 2, 3, 5}, "a character of three bytes in two entries"},
		{"a the\nend", []string{"a", "▁the", "<0x0A>", "end"}, []int{0, 1, 5, 6}, "▁ is a space, <0x0A> a newline"},
		{"日", []string{"<0xE6>", "<0x97>", "<0xA5>"}, []int{0, 1, 2}, "bytes of one character"},
		{"▁ and Ġ", []string{"▁", " and", " Ġ"}, []int{0, 3, 7}, "the text holds these characters itself"},
		{"a the", []string{"a", "Ġteh"}, nil, "another word"},
		{"a b", []string{"aĠ", "Ġb"}, nil, "one space too many"},
	} {
		tokens := make([]providers.Token, len(c.tokens))
		for i, s := range c.tokens {
			tokens[i] = providers.Token{Text: s, ID: -1, Offset: -1}
		}
		e := NewEcho(c.sent, providers.PromptScore{Tokens: tokens}, raw)
		if (e.Altered == "") != (c.starts != nil) {
			t.Errorf("%q as %q: altered %q: %s", c.sent, c.tokens, e.Altered, c.reason)
			continue
		}
		for i, at := range c.starts {
			if got, ok := e.Boundary(at); !ok || got != i {
				t.Errorf("%q as %q: token %d (%v) begins at byte %d, want %d: %s", c.sent, c.tokens, got, ok, at, i, c.reason)
			}
		}
	}
}

// TestByteLevel: every byte has one spelling, and it is read back.
func TestByteLevel(t *testing.T) {
	seen := map[rune]bool{}
	for b := range 256 {
		r := rune(b)
		if !stands(byte(b)) {
			r = 0x100 + rune(strings.IndexByte(string(others), byte(b)))
		}
		got, ok := byteLevel(string(r))
		if !ok || len(got) != 1 || got[0] != byte(b) || seen[r] {
			t.Errorf("byte %#x is spelled %q and read as %v (%v), seen %v", b, r, got, ok, seen[r])
		}
		seen[r] = true
	}
	if _, ok := byteLevel("日"); ok {
		t.Error("a character outside the alphabet was read")
	}
}

// TestWhiteSpaceIsNamed: an echo that differs in white space is refused, and says
// what the server does with it.
func TestWhiteSpaceIsNamed(t *testing.T) {
	for _, c := range []struct{ sent, got, want string }{
		{"a b  \n", "a b", `strips the white space around a text ("  \n" at its end)`},
		{" a b", "a b", "strips the white space"},
		{"a\r\nb", "a\nb", "CRLF as LF"},
		{"a b ", "a b\n", "at the end"},
		{"a  b", "a b", "changes the white space of a text"},
		{"a b", "a c", ""},
	} {
		e := NewEcho(c.sent, providers.PromptScore{Tokens: pieces(c.got)}, raw)
		if e.Altered == "" || !strings.Contains(e.Altered, c.want) || c.want == "" && strings.Contains(e.Altered, "white") {
			t.Errorf("%q came back as %q: %q, want %q", c.sent, c.got, e.Altered, c.want)
		}
	}
}
