package providers

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// spelled is what a token adds to the text: its bytes where they are known.
func (t Token) spelled() []byte {
	if t.Bytes != nil {
		return t.Bytes
	}
	return []byte(t.Text)
}

func spell(tokens []Token) []byte {
	size := 0
	for _, t := range tokens {
		size += max(len(t.Text), len(t.Bytes))
	}
	b := make([]byte, 0, size)
	for _, t := range tokens {
		b = append(b, t.spelled()...)
	}
	return b
}

// fillIDs gives tokens the ids that the reply lists beside them, and reports a
// reply that contradicts itself.
func fillIDs(tokens []Token, ids []int) error {
	for i := range min(len(tokens), len(ids)) {
		switch {
		case tokens[i].ID == -1:
			tokens[i].ID = ids[i]
		case tokens[i].ID != ids[i]:
			return fmt.Errorf("log-prob entry %d is of token %d, but the reply says that token %d stands there", i,
				tokens[i].ID, ids[i])
		}
	}
	return nil
}

// covers reports whether the entries, which spell spelled, contain prompt, behind at most two tokens of the
// server's own (BOS; GLM has two) and before any text (what it generated). Entries without exact bytes are
// compared in their ASCII characters, because a character that spans two tokens shows as U+FFFD in both.
//
// Entries that repeat what precedes them, as "Hi", "Hi there", do not spell the text, though the last one holds it.
func covers(tokens []Token, spelled []byte, prompt string) bool {
	want := []byte(prompt)
	same := func(b []byte) []byte { return b }
	at := bytes.Index(spelled, want)
	if at < 0 && slices.ContainsFunc(tokens, func(t Token) bool { return t.Bytes == nil }) {
		same = ascii
		at = bytes.Index(ascii(spelled), ascii(want))
	}
	if at < 0 {
		return false
	}
	i, before := 0, 0 // the token in which prompt begins, and those with a text before it
	for ; at > 0; i++ {
		n := len(same(tokens[i].spelled()))
		if at -= n; at < 0 {
			break
		}
		if n > 0 {
			before++
		}
	}
	if i == 0 || i == len(tokens) {
		return true
	}
	last, next := tokens[i-1].Text, tokens[i].Text
	repeats := last != "" && len(next) > len(last) && strings.HasPrefix(next, last)
	return before <= 2 && !repeats
}

func ascii(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		if c < utf8.RuneSelf {
			out = append(out, c)
		}
	}
	return out
}
