package teacherforce

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce/chat"
	"github.com/reweigh/reweigh/teacherforce/temper"
)

// Echo is a text that was sent and the scored tokens that came back for it.
type Echo struct {
	Sent   string // empty if ids were sent
	Tokens []providers.Token
	// Added is how many tokens the server put before what was sent (a
	// beginning-of-text token of its own), 0 or 1.
	Added int
	// Altered says why the tokens are not those of Sent; empty if they are.
	Altered string
	// Asked and Filters are those of the providers.PromptScore.
	Asked   int
	Filters temper.Order

	placings []placing
}

// placing is one reading of where the tokens of an echo begin in the text, as
// byte offsets; token i begins somewhere in [lo[i], hi[i]]. Both have one entry
// more than there are tokens: the end.
type placing struct{ lo, hi []int }

func (p *placing) add(lo, hi int) {
	p.lo = append(p.lo, lo)
	p.hi = append(p.hi, hi)
}

// NewEcho places the tokens of s in the text that was sent, a context rendered
// by t or what begins with one.
//
// A token's bytes say how long it is. If the server gives none, its text
// does, unless it is a piece of a character and shown as U+FFFD: such pieces are
// placed by what stands around them, and left open if that allows several
// answers. Texts that are vocabulary entries, such as "Ġthe", are read as such, and
// so are characters shown late, with the last of their pieces; if that does not help either, the
// server's own offsets are used, counted in
// bytes or in characters.
func NewEcho(sent string, s providers.PromptScore, t chat.Template) Echo {
	e := Echo{Sent: sent, Tokens: s.Tokens, Asked: s.Asked, Filters: s.Filters}
	controls := t.Controls()
	if len(s.Tokens) == 0 {
		e.Altered = "it has no tokens"
		return e
	}
	first := show(s.Tokens[0])
	late, isLate := placeLate(sent, s.Tokens)
	if p, ok := placeShown(sent, s.Tokens, controls); ok {
		e.placings = []placing{p}
	} else if isLate && first != "" {
		e.placings = []placing{late}
	} else if p, ok := placeShown(sent, s.Tokens[1:], controls); ok {
		// Servers that add a beginning-of-text token do so in front of every
		// text. That is right if the text has none of its own; a doubled one
		// changes every log-prob after it.
		if bos := t.BOS(); bos != "" || first != "" && strings.HasPrefix(sent, first) {
			e.Altered = fmt.Sprintf("the server put a second %s before the text's own: let it add no special tokens",
				cmp.Or(bos, first))
			return e
		}
		e.placings = []placing{{append([]int{0}, p.lo...), append([]int{0}, p.hi...)}}
		if isLate {
			e.placings = append(e.placings, late) // it may be a piece of the first character, too
		} else if next := show(s.Tokens[1]); first == "" && len(next) != utf8.RuneCountInString(next) {
			e.Altered = "its first token is shown as nothing: the server added it, or it is a piece of a character"
			return e
		} else {
			e.Added = 1
		}
	} else if isLate {
		e.placings = []placing{late}
	} else if s.Text == sent {
		e.placings = placeByOffset(sent, s.Tokens)
	}
	if len(e.placings) == 0 {
		e.Altered = fmt.Sprintf("its %d tokens do not spell the %d bytes that were sent", len(s.Tokens), len(sent))
		if why := cmp.Or(whiteSpace(sent, s.Tokens), hidden(s.Tokens)); why != "" {
			e.Altered += ": " + why
		}
		return e
	}
	if marker := e.dropUnparsed(t, controls); marker != "" {
		e.Altered = fmt.Sprintf("the server reads the special-token text %s as ordinary characters", marker)
	}
	return e
}

// dropUnparsed drops the readings in which the special tokens that Sent begins
// and ends with are not single tokens. If that leaves none, the server took
// their text for ordinary characters, and its log-probs are of a text about
// markers, without any; then it returns the marker.
func (e *Echo) dropUnparsed(t chat.Template, controls []string) string {
	keep := func(marker string, token, from int) string {
		e.placings = slices.DeleteFunc(e.placings, func(p placing) bool {
			return token < 0 || p.lo[token] != from || p.hi[token] != from ||
				p.lo[token+1] != from+len(marker) || p.hi[token+1] != from+len(marker)
		})
		if len(e.placings) == 0 {
			return marker
		}
		return ""
	}
	for _, c := range controls {
		if strings.HasPrefix(e.Sent, c) && keep(c, e.Added, 0) != "" {
			return c
		}
	}
	if eot := t.EndOfTurn(); eot != "" && strings.HasSuffix(e.Sent, eot) {
		return keep(eot, len(e.Tokens)-1, len(e.Sent)-len(eot))
	}
	return ""
}

// Boundary returns the index of the token that begins at byte offset of the
// text sent, if it is certain that one does.
func (e Echo) Boundary(offset int) (token int, ok bool) {
	token = -1
	for _, p := range e.placings {
		at := -1
		for i := e.Added; i < len(p.lo); i++ {
			if p.lo[i] != offset || p.hi[i] != offset {
				continue
			}
			if at >= 0 { // two tokens claim one place
				return -1, false
			}
			at = i
		}
		if at < 0 || token >= 0 && at != token { // readings that disagree settle nothing
			return -1, false
		}
		token = at
	}
	return token, token >= 0
}

// head returns the beginning of e that is context, if e's ids begin with those
// that known identifies and a token begins where context ends.
func (e Echo) head(context string, known *dataset.TokenDigest) (Echo, bool) {
	at, ok := e.Boundary(len(context))
	if !ok || e.Altered != "" || at != known.N || !known.Begins(e.ids()) {
		return Echo{}, false
	}
	h := Echo{Sent: context, Tokens: e.Tokens[:at], Added: e.Added}
	for _, p := range e.placings {
		h.placings = append(h.placings, placing{p.lo[:at+1], p.hi[:at+1]})
	}
	return h, true
}

// ids returns the tokens' ids, nil if one is unknown.
func (e Echo) ids() []int {
	ids := make([]int, len(e.Tokens))
	for i, t := range e.Tokens {
		if t.ID < 0 {
			return nil
		}
		ids[i] = t.ID
	}
	return ids
}

// show is a token's own spelling: its bytes, else its text.
func show(t providers.Token) string {
	if len(t.Bytes) > 0 {
		return string(t.Bytes)
	}
	return t.Text
}

// place finds all ways of cutting sent into pieces that look like the tokens,
// and returns the range of starts that they leave each token. It is a search
// over (token, offset) pairs; but for pieces shown as U+FFFD it has one way to
// go, and there what the tokens after it need at least and at most bounds it.
func place(sent string, tokens []providers.Token, controls []string) (placing, bool) {
	n := len(tokens)
	earliest, latest := make([]int, n+1), make([]int, n+1) // starts from which the rest can fit
	earliest[n], latest[n] = len(sent), len(sent)
	for i := n - 1; i >= 0; i-- {
		least, most := lengths(tokens[i], controls)
		earliest[i], latest[i] = earliest[i+1]-most, latest[i+1]-least
	}
	if earliest[0] > 0 || latest[0] < 0 {
		return placing{}, false
	}
	reach := make([][]int, n+1) // offsets at which token i can begin, ascending
	reach[0] = []int{0}
	for i, t := range tokens {
		for _, at := range reach[i] {
			for _, end := range ends(sent, at, t, controls) {
				if earliest[i+1] <= end && end <= latest[i+1] {
					reach[i+1] = insert(reach[i+1], end)
				}
			}
		}
		if len(reach[i+1]) == 0 {
			return placing{}, false
		}
	}
	for i := n - 1; i >= 0; i-- { // drop the ways that lead nowhere
		if len(reach[i]) == 1 {
			continue
		}
		var kept []int
		for _, at := range reach[i] {
			for _, end := range ends(sent, at, tokens[i], controls) {
				if slices.Contains(reach[i+1], end) {
					kept = append(kept, at)
					break
				}
			}
		}
		reach[i] = kept
	}
	p := placing{make([]int, n+1), make([]int, n+1)}
	for i, r := range reach {
		p.lo[i], p.hi[i] = r[0], r[len(r)-1]
	}
	return p, true
}

// placeShown places tokens as they are shown or, if that does not spell sent,
// as their vocabulary spells them.
func placeShown(sent string, tokens []providers.Token, controls []string) (placing, bool) {
	if p, ok := place(sent, tokens, controls); ok {
		return p, true
	}
	for _, read := range vocabularies {
		if as := respelled(tokens, read); as != nil {
			if p, ok := place(sent, as, controls); ok {
				return p, true
			}
		}
	}
	return placing{}, false
}

// lengths bounds how many bytes a token can have.
func lengths(t providers.Token, controls []string) (least, most int) {
	piece := show(t)
	switch {
	case piece == "":
		for i, c := range controls {
			most = max(most, len(c))
			if i == 0 || len(c) < least {
				least = len(c)
			}
		}
		return least, most
	case len(t.Bytes) > 0 || !strings.ContainsRune(piece, utf8.RuneError):
		return len(piece), len(piece)
	}
	return utf8.RuneCountInString(piece), len(piece)
}

// ends lists where in sent a token that begins at offset at can end. No token
// is empty: one shown as nothing is a special token whose text stands there.
func ends(sent string, at int, t providers.Token, controls []string) []int {
	rest, piece := sent[at:], show(t)
	exact := len(t.Bytes) > 0
	switch {
	case piece == "":
		for _, c := range controls {
			if strings.HasPrefix(rest, c) {
				return []int{at + len(c)}
			}
		}
		return nil
	case exact || !strings.ContainsRune(piece, utf8.RuneError):
		if strings.HasPrefix(rest, piece) {
			return []int{at + len(piece)}
		}
		return nil
	}
	// A byte that is no character shows as one U+FFFD, which has three bytes, or
	// shares one with up to two neighbours.
	var out []int
	for n := utf8.RuneCountInString(piece); n <= min(len(piece), len(rest)); n++ {
		if shownAs(rest[:n], piece) {
			out = append(out, at+n)
		}
	}
	return out
}

// shownAs reports whether chunk, decoded with U+FFFD for what is no character,
// can look like piece. Decoders differ in how many bytes one U+FFFD stands for,
// so runs of it compare equal whatever their length.
func shownAs(chunk, piece string) bool {
	for chunk != "" && piece != "" {
		a, n := utf8.DecodeRuneInString(chunk)
		b, m := utf8.DecodeRuneInString(piece)
		if a != b {
			return false
		}
		chunk, piece = chunk[n:], piece[m:]
		if a == utf8.RuneError {
			chunk, piece = skipErrors(chunk), skipErrors(piece)
		}
	}
	return chunk == "" && piece == ""
}

func skipErrors(s string) string {
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if r != utf8.RuneError {
			break
		}
		s = s[n:]
	}
	return s
}

// placeByOffset reads the server's offsets as bytes and as characters, and
// keeps the readings that are possible. For ASCII they are one. A server that
// counts characters puts a piece of one at it or at the next, which for pieces of
// the last is the text's end.
func placeByOffset(sent string, tokens []providers.Token) []placing {
	chars := make([]int, 0, len(sent)+1) // byte offset of each character
	for i := range sent {
		chars = append(chars, i)
	}
	chars = append(chars, len(sent))

	var out []placing
	read := func(last int, toByte func(int) int) {
		starts := make([]int, 0, len(tokens)+1)
		for i, t := range tokens {
			b := toByte(t.Offset)
			if b < 0 || b > last || i > 0 && b < starts[i-1] {
				return
			}
			starts = append(starts, b)
		}
		starts = append(starts, len(sent))
		if starts[0] == 0 {
			out = append(out, placing{starts, starts})
		}
	}
	read(len(sent)-1, func(o int) int { return o })
	if len(chars) != len(sent)+1 {
		read(len(sent), func(o int) int {
			if o < 0 || o >= len(chars) {
				return -1
			}
			return chars[o]
		})
	}
	return out
}

// insert adds v to ascending xs unless it is there.
func insert(xs []int, v int) []int {
	i, found := slices.BinarySearch(xs, v)
	if found {
		return xs
	}
	return slices.Insert(xs, i, v)
}
