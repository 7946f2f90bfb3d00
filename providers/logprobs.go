package providers

import (
	"bytes"
	"fmt"
	"slices"
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

// covers reports whether the entries, which spell spelled, contain prompt, whatever stands before
// (a BOS token) and behind (generated text). Entries without exact bytes are
// compared in their ASCII characters, because a character that spans two
// tokens shows as U+FFFD in both.
func covers(tokens []Token, spelled []byte, prompt string) bool {
	want := []byte(prompt)
	if bytes.Contains(spelled, want) {
		return true
	}
	if slices.ContainsFunc(tokens, func(t Token) bool { return t.Bytes == nil }) {
		spelled, want = ascii(spelled), ascii(want)
	}
	return bytes.Contains(spelled, want)
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
