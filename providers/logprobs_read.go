package providers

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
)

// logprobs reads both formats: "content" (OpenAI's chat, Fireworks's new one)
// and parallel arrays (the old completions format; vLLM's, with null for the
// first echoed token). nil means that neither is there.
//
// The tokens and their values decide, and are checked. Offsets, ids, bytes and
// alternatives say more where they can be read and match the tokens in number;
// where they do not, they are left out.
func (r *reader) logprobs(w want) []Token {
	var (
		seen    uint32
		content []Token
		a       arrays
	)
	for ok := r.enter('{'); ok; ok = r.more('}') {
		switch string(r.key()) {
		case "content":
			r.once(&seen, 0, "content")
			content = r.contentList(w)
		case "tokens":
			r.once(&seen, 1, "tokens")
			a.texts = r.column(&a, w, func(t *Token, v []byte) bool {
				if v[0] != '"' {
					return false
				}
				t.Text = r.pieceOf(v)
				return true
			})
		case "token_logprobs":
			r.once(&seen, 2, "token_logprobs")
			a.values = r.column(&a, w, func(t *Token, v []byte) bool {
				f, ok := logProbOf(v)
				t.LogProb = f
				return ok
			})
		case "top_logprobs":
			a.tops = r.tops(&a, w)
		case "text_offset":
			a.offsets = r.column(&a, w, func(t *Token, v []byte) bool { t.Offset = countOf(v); return true })
		case "token_ids":
			a.ids = r.column(&a, w, func(t *Token, v []byte) bool { t.ID = idOf(v); return true })
		default:
			r.skip()
		}
	}
	if r.err != nil || content != nil {
		return content
	}
	return a.list(r)
}

// arrays are the old completions format, column by column into one list of
// tokens, and how many entries each column had.
type arrays struct {
	out                               []Token
	texts, values, tops, offsets, ids int
}

// at is the i-th token.
func (a *arrays) at(i int, w want) *Token {
	if i == len(a.out) {
		if a.out == nil {
			a.out = make([]Token, 0, w.guess())
		}
		a.out = another(a.out)
	}
	return &a.out[i]
}

// another is tokens with one more that nothing is known of, made where it stands.
func another(tokens []Token) []Token {
	n := len(tokens)
	tokens = slices.Grow(tokens, 1)[:n+1]
	tokens[n].ID, tokens[n].Offset = -1, -1
	return tokens
}

func (a *arrays) list(r *reader) []Token {
	n := a.texts
	if n != a.values {
		r.fail("%d tokens with %d token_logprobs", n, a.values)
		return nil
	}
	if n == 0 {
		return nil
	}
	out := a.out[:n]
	for i := range out {
		if a.ids != n {
			out[i].ID = -1
		}
		if a.offsets != n {
			out[i].Offset = -1
		}
		if a.tops != n {
			out[i].Top = nil
		}
	}
	return out
}

// column reads a list into the tokens, each element as it is written. One that
// set refuses is an error.
func (r *reader) column(a *arrays, w want, set func(t *Token, element []byte) bool) (n int) {
	if r.kind() != '[' {
		r.skip()
		return 0
	}
	v, err := r.dec.ReadValue()
	if err != nil {
		r.broken(err)
		return 0
	}
	if a.out == nil { // a comma behind each element but the last, and some in texts
		a.out = make([]Token, 0, min(bytes.Count(v, []byte{','})+1, w.entries()))
	}
	most := w.entries()
	for e := range elements(v) {
		if n >= most {
			r.fail("more than %d entries", n)
			return 0
		}
		if n == len(a.out) {
			a.out = another(a.out)
		}
		if !set(&a.out[n], e) {
			r.fail("entry %d is neither a token's text nor its log-prob", n)
			return 0
		}
		n++
	}
	return n
}

// elements are those of a list that is known to be JSON, as they are written.
func elements(v []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for v = v[1:]; ; v = v[1:] { // behind the bracket, then behind each comma
			for v[0] <= ' ' {
				v = v[1:]
			}
			n := elementBytes(v)
			if n > 0 && !yield(v[:n]) {
				return
			}
			for v = v[n:]; v[0] <= ' '; v = v[1:] {
			}
			if v[0] == ']' {
				return
			}
		}
	}
}

// structural are the bytes at which a value or a part of one may begin or end.
var structural = [256]bool{'"': true, '[': true, '{': true, ']': true, '}': true, ',': true,
	' ': true, '\t': true, '\n': true, '\r': true}

// elementBytes is the length of the value at the front of v, behind which the list
// goes on or ends.
func elementBytes(v []byte) int {
	depth := 0
	for i := 0; ; i++ {
		for !structural[v[i]] {
			i++
		}
		switch v[i] {
		case '"':
			for i++; v[i] != '"'; i++ {
				if v[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			depth++
		case ']', '}':
			if depth == 0 {
				return i
			}
			depth--
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
	}
}

// guess is a first size for a list of tokens.
func (w want) guess() int { return min(w.most/4+8, 1<<13) }

func (r *reader) tops(a *arrays, w want) (n int) {
	for ok := r.enter('['); ok; ok = r.more(']') {
		if n >= w.entries() {
			r.fail("more than %d entries", n)
			return 0
		}
		a.at(n, w).Top = r.alternatives(w)
		n++
	}
	return n
}

// alternatives are a map of texts to values. They are put in order, likeliest
// first and by text between equals.
func (r *reader) alternatives(w want) []Alternative {
	if r.kind() == '[' { // the other format, by mistake
		return r.alternativeList(w)
	}
	out := r.top[:0]
	for ok := r.enter('{'); ok; ok = r.more('}') {
		if len(out) >= maxCandidates {
			r.key()
			r.skip()
			continue
		}
		a := Alternative{Text: string(r.key()), ID: -1}
		a.LogProb, _ = logProbOf(r.scalar())
		out = append(out, a)
	}
	slices.SortStableFunc(out, func(a, b Alternative) int {
		return cmp.Or(cmp.Compare(b.LogProb.OrNaN(), a.LogProb.OrNaN()), cmp.Compare(a.Text, b.Text))
	})
	r.top = out
	return r.keep(out, w)
}

// keep returns a list of alternatives of its own: nil once the reply has more than
// are kept.
func (r *reader) keep(list []Alternative, w want) []Alternative {
	if r.kept += len(list); r.kept > w.alternatives() {
		return nil
	}
	return append([]Alternative(nil), list...)
}

func (r *reader) alternativeList(w want) []Alternative {
	out := r.top[:0]
	for ok := r.enter('['); ok; ok = r.more(']') {
		if len(out) >= maxCandidates {
			r.skip()
			continue
		}
		a := Alternative{ID: -1}
		for ok := r.enter('{'); ok; ok = r.more('}') {
			switch string(r.key()) {
			case "token":
				a.Text = r.piece()
			case "bytes":
				a.Bytes = r.bytes()
			case "logprob":
				a.LogProb, _ = logProbOf(r.scalar())
			case "token_id":
				a.ID = r.id()
			default:
				r.skip()
			}
		}
		out = append(out, a)
	}
	r.top = out
	return r.keep(out, w)
}

// contentList reads the "content" format. An empty list is not nil.
func (r *reader) contentList(w want) []Token {
	if r.kind() != '[' {
		r.skip()
		return nil
	}
	out := make([]Token, 0, w.guess())
	for ok := r.enter('['); ok; ok = r.more(']') {
		if len(out) >= w.entries() {
			r.fail("more than %d entries", len(out))
			return out
		}
		if r.kind() != '{' {
			r.fail("an entry that is no object")
			return out
		}
		out = another(out)
		r.token(&out[len(out)-1], w)
	}
	return out
}

// token reads an entry into t.
func (r *reader) token(t *Token, w want) {
	var seen uint32
	other := -1 // llama.cpp's spelling of token_id; others write anything there
	for ok := r.enter('{'); ok; ok = r.more('}') {
		switch string(r.key()) {
		case "token":
			r.once(&seen, 0, "token")
			t.Text = r.piece()
		case "logprob":
			r.once(&seen, 1, "logprob")
			t.LogProb = r.logProb()
		case "sampling_logprob":
			r.once(&seen, 2, "sampling_logprob")
			t.Sampling = r.logProb()
		case "bytes":
			t.Bytes = r.bytes()
		case "token_id":
			t.ID = r.id()
		case "id":
			other = r.id()
		case "text_offset":
			t.Offset = r.count()
		case "top_logprobs":
			if r.kind() == '[' {
				t.Top = r.alternativeList(w)
			} else {
				r.skip()
			}
		default:
			r.skip()
		}
	}
	if t.ID == -1 {
		t.ID = other
	}
	if len(t.Bytes) == 0 && t.Text != "" {
		t.Bytes = nil // no text has no bytes
	}
}

// bytes are a token's bytes as a list of numbers, nil where it is missing or
// holds something else.
func (r *reader) bytes() []byte {
	if r.kind() != '[' {
		r.skip()
		return nil
	}
	v, err := r.dec.ReadValue()
	if err != nil {
		r.broken(err)
		return nil
	}
	out := make([]byte, 0, min(len(v)/2+1, maxPiece))
	n, digits := 0, 0
	for _, c := range v[1:] {
		switch {
		case c >= '0' && c <= '9' && n <= 255:
			n, digits = 10*n+int(c-'0'), digits+1
		case (c == ',' || c == ']') && digits > 0 && n <= 255 && len(out) < maxPiece:
			out = append(out, byte(n))
			n, digits = 0, 0
		case c == ' ', c == '\t', c == '\n', c == '\r', c == ']' && digits == 0 && len(out) == 0:
		default:
			return nil
		}
	}
	return out
}
