package teacherforce

import (
	"strings"
	"unicode/utf8"

	"github.com/reweigh/reweigh/providers"
)

// vLLM shows a character with the token that completes it and the pieces before it
// as nothing: "", "", "日" (v1/engine/logprobs.py, _correct_decoded_token). Three
// things it never shows: U+FFFD itself, which it takes for a piece; a text's first
// character if the first token is a piece of it, and shows as U+FFFD; what is
// more than four tokens back.

const unseen = string(utf8.RuneError)

// placeLate places tokens that are shown so. Where in a character its pieces were
// cut stays open, unless every byte was one.
func placeLate(sent string, tokens []providers.Token) (placing, bool) {
	first := show(tokens[0])
	cut := first != "" && strings.Trim(first, unseen) == ""
	if strings.HasSuffix(first, unseen) && (!cut || strings.HasPrefix(sent, unseen)) {
		return placing{}, false // of a character, or U+FFFD itself: it cannot be told
	}
	l := late{sent: sent, headless: cut}
	for i, t := range tokens {
		if shown := show(t); shown == "" || i == 0 && cut {
			l.pieces++
		} else if !l.show(shown) {
			return placing{}, false
		}
	}
	return l.starts, l.show("")
}

// late is a text of which the tokens up to byte offset at are placed, but for
// pieces, of which nothing was shown so far.
type late struct {
	sent     string
	headless bool // the first character is never shown
	at       int
	pieces   int
	starts   placing
}

// show places the pieces and a token that shows as text, "" for the end.
func (l *late) show(text string) bool {
	rest := l.sent[l.at:]
	if l.at == 0 && l.headless {
		_, n := utf8.DecodeRuneInString(rest)
		rest = rest[n:]
	}
	for l.pieces > 0 && (text == "" || !strings.HasPrefix(rest, text)) && strings.HasPrefix(rest, unseen) {
		rest = rest[len(unseen):]
	}
	if !strings.HasPrefix(rest, text) || text == "" && rest != "" || l.pieces > 0 && strings.Contains(text, unseen) {
		return false
	}
	from := len(l.sent) - len(rest) // where text begins
	var cuts []int                  // where the tokens after the first piece can
	for i := l.at + 1; i <= from; i++ {
		cuts = append(cuts, i)
	}
	open := l.pieces // tokens that begin at one of them
	if last, _ := utf8.DecodeLastRuneInString(text); text == "" || last < utf8.RuneSelf {
		if open > len(cuts) {
			return false
		}
		if open > 0 { // the token completes nothing: it begins where its text does
			open--
			cuts = cuts[:len(cuts)-1]
		}
	} else {
		for i := range len(text) {
			if !utf8.RuneStart(text[i]) {
				cuts = append(cuts, from+i)
			}
		}
	}
	spare := len(cuts) - open
	if spare < 0 || l.pieces == 0 && from > l.at {
		return false
	}
	l.starts.add(l.at, l.at)
	for i := range open {
		l.starts.add(cuts[i], cuts[i+spare])
	}
	if open < l.pieces {
		l.starts.add(from, from)
	}
	l.at, l.pieces = from+len(text), 0
	return true
}
