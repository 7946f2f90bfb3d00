package teacherforce

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/reweigh/reweigh/providers"
)

// Some servers show a token as its vocabulary spells it. Two spellings can be
// turned back into bytes without loss, and are tried if the tokens as shown do
// not spell the text that was sent; only a reading that spells all of it counts.

// vocabularies are the readings of a vocabulary entry.
var vocabularies = []func(string) ([]byte, bool){byteLevel, sentencePiece}

// byteLevel reads GPT-2's alphabet, which most byte-pair encodings took over: 188
// bytes stand for themselves, and the others, in order, are the characters from
// U+0100 on, so that Ġ is a space and Ċ a newline.
func byteLevel(entry string) ([]byte, bool) {
	out := make([]byte, 0, len(entry))
	for _, r := range entry {
		switch {
		case r < 0x100 && stands(byte(r)):
			out = append(out, byte(r))
		case r >= 0x100 && int(r-0x100) < len(others):
			out = append(out, others[r-0x100])
		default:
			return nil, false
		}
	}
	return out, true
}

// stands reports whether a byte stands for itself: what is visible in Latin-1.
func stands(b byte) bool {
	return b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE
}

var others = func() (out []byte) {
	for b := range 256 {
		if !stands(byte(b)) {
			out = append(out, byte(b))
		}
	}
	return out
}()

// sentencePiece reads SentencePiece's: ▁ is a space, <0x0A> a byte.
func sentencePiece(entry string) ([]byte, bool) {
	if hex, ok := strings.CutPrefix(entry, "<0x"); ok && len(hex) == 3 && hex[2] == '>' {
		if b, err := strconv.ParseUint(hex[:2], 16, 8); err == nil {
			return []byte{byte(b)}, true
		}
	}
	return []byte(strings.ReplaceAll(entry, "▁", " ")), true
}

// respelled returns the tokens with the bytes that a vocabulary's spelling stands
// for, nil if it cannot: a token's own bytes are never overruled.
func respelled(tokens []providers.Token, read func(string) ([]byte, bool)) []providers.Token {
	out := make([]providers.Token, len(tokens))
	for i, t := range tokens {
		if len(t.Bytes) == 0 && t.Text != "" {
			b, ok := read(t.Text)
			if !ok || len(b) == 0 {
				return nil
			}
			t.Bytes = b
		}
		out[i] = t
	}
	return out
}

// whiteSpace says what became of the white space of sent, if that is all by
// which the tokens differ from it; else it returns "".
func whiteSpace(sent string, tokens []providers.Token) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString(show(t))
	}
	got := b.String()
	if got == "" || got == sent || !utf8.ValidString(got) {
		return ""
	}
	switch {
	case got == strings.ReplaceAll(sent, "\r\n", "\n"):
		return "the server reads CRLF as LF"
	case got == strings.TrimSpace(sent):
		return fmt.Sprintf("the server strips the white space around a text (%q at its end)",
			sent[len(strings.TrimRight(sent, " \t\r\n")):])
	case strings.TrimRight(got, " \t\r\n") == strings.TrimRight(sent, " \t\r\n"):
		return "the server changes the white space at the end of a text"
	case strings.Join(strings.Fields(got), "") == strings.Join(strings.Fields(sent), ""):
		return "the server changes the white space of a text"
	}
	return ""
}

// hidden says how many tokens have no spelling at all, or returns "".
func hidden(tokens []providers.Token) string {
	n := 0
	for _, t := range tokens {
		if show(t) == "" {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d of them are shown as nothing, as special tokens are by some servers and pieces of "+
		"characters by others", n)
}
