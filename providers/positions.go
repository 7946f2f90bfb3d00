package providers

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// position is a place in a conversation that a server scored: the token that
// stands there among its alternatives.
type position []candidate

type candidate struct {
	id      int
	text    string
	logProb dataset.Float
}

// maxCandidates is more alternatives than servers give.
const maxCandidates = 64

// positions reads vLLM's prompt_logprobs: for each position null (nothing
// precedes the first) or the token that stands there among its alternatives, by
// id.
//
//	[null, {"791": {"logprob": -1.2, "rank": 1, "decoded_token": "The"}, "32": {…}}, …]
func (r *reader) positions(w want) []position {
	var list []position
	n := 0
	for ok := r.enter('['); ok; ok = r.more(']') {
		if len(list) >= w.entries() {
			r.fail("more than %d positions", len(list))
			return nil
		}
		var p position
		for ok := r.enter('{'); ok; ok = r.more('}') {
			c := candidate{id: asID(r.key())}
			if c.id >= 0 && slices.ContainsFunc(p, func(o candidate) bool { return o.id == c.id }) {
				r.fail("token %d stands twice", c.id)
			}
			if len(p) >= maxCandidates {
				r.fail("more than %d alternatives", len(p))
			}
			if n++; n > w.alternatives() {
				r.fail("more than %d alternatives in all", w.alternatives())
			}
			var seen uint32
			for ok := r.enter('{'); ok; ok = r.more('}') {
				switch string(r.key()) {
				case "logprob":
					r.once(&seen, 0, "logprob")
					c.logProb = r.logProb()
				case "decoded_token":
					r.once(&seen, 1, "decoded_token")
					c.text = r.piece()
				default:
					r.skip()
				}
			}
			p = append(p, c)
		}
		list = append(list, p)
	}
	return list
}

// asID is a token id that is the name of a member, -1 where it is none.
func asID(key []byte) int {
	n := 0
	for _, c := range key {
		if c < '0' || c > '9' || n > 1<<31 {
			return -1
		}
		n = 10*n + int(c-'0')
	}
	if len(key) == 0 {
		return -1
	}
	return n
}

// standing is the conversation's tokens. Which of several stands at a position,
// ids say; without them only a position with a single entry can be read.
func standing(list []position, ids []int) ([]Token, error) {
	if ids != nil && len(list) != 0 && len(ids) != len(list) {
		return nil, fmt.Errorf("%d entries of prompt_logprobs for %d token ids", len(list), len(ids))
	}
	out := make([]Token, len(list))
	for i, p := range list {
		out[i] = Token{ID: -1, Offset: -1}
		if ids != nil {
			out[i].ID = ids[i]
		}
		if len(p) == 0 {
			continue
		}
		at := 0
		if ids != nil {
			at = slices.IndexFunc(p, func(c candidate) bool { return c.id == ids[i] })
			if at < 0 {
				return nil, fmt.Errorf("position %d of prompt_logprobs has no entry for token %d, which stands there", i, ids[i])
			}
		} else if len(p) > 1 || p[0].id < 0 {
			return nil, fmt.Errorf("position %d of prompt_logprobs does not tell which token stands there", i)
		}
		out[i].ID, out[i].Text, out[i].LogProb = p[at].id, p[at].text, p[at].logProb
	}
	return out, nil
}

// identify gives tokens the alternatives that vLLM lists by id beside a map by text, in which two
// tokens that decode alike are one. A list that is not of these tokens and values says nothing.
func identify(tokens []Token, list []position) {
	if len(list) != len(tokens) {
		return
	}
	for i, p := range list {
		t := &tokens[i]
		at := slices.IndexFunc(p, func(c candidate) bool { return c.id >= 0 && c.id == t.ID })
		if at < 0 || !t.LogProb.Valid() || p[at].logProb != t.LogProb ||
			slices.ContainsFunc(p, func(c candidate) bool { return c.id < 0 || !c.logProb.Valid() }) {
			continue
		}
		t.Top = make([]Alternative, len(p))
		for k, c := range p {
			t.Top[k] = Alternative{Text: c.text, ID: c.id, LogProb: c.logProb}
		}
		slices.SortFunc(t.Top, func(a, b Alternative) int {
			return cmp.Or(cmp.Compare(b.LogProb.OrNaN(), a.LogProb.OrNaN()), cmp.Compare(a.ID, b.ID))
		})
	}
}
