package teacherforce

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// Pair holds everything known of one context and response. A [Strategy] reads its
// answer from it.
type Pair struct {
	Context string // c, as sent
	Header  string // what announces the answer: Context ends with it
	Joint   string // c followed by a, and by the end-of-turn text if it counts
	// EndOfTurn is the end-of-turn text if it counts, else empty.
	EndOfTurn string
	// Sampled are the ids that the response was sampled as, without the
	// end-of-turn token; nil if unknown.
	Sampled []int
	// Ambiguous says why the response's text does not tell how it was sampled,
	// if that is so: it spells a special token, or is cut inside a character.
	// It matters only if Sampled is unknown.
	Ambiguous string

	ContextEcho Echo
	JointEcho   Echo
	// Borrowed says that ContextEcho is the beginning of JointEcho, known to be
	// the context by its ids, and not the echo of a call of its own.
	Borrowed bool
	// IDsEcho is the echo of the ids asked for; it has no tokens if it was not
	// needed or could not be had.
	IDsEcho Echo
	// ChatEcho is the conversation as the server renders and scores it; Sent is
	// what it says it rendered, if it says. It has no tokens if it was not
	// asked for or could not be had: NoChat and NoChatDetail say why.
	ChatEcho     Echo
	NoChat       Reason
	NoChatDetail string
}

// IDs returns the token ids whose log-prob is asked for: the context's, the
// sampled ones, the end-of-turn token if it counts. It is nil if any of
// them is unknown.
func (p Pair) ids() []int {
	ctx := p.ContextEcho.ids()
	if p.Sampled == nil || len(ctx) == 0 {
		return nil
	}
	ids := slices.Concat(ctx, p.Sampled)
	if p.EndOfTurn != "" {
		n := len(p.JointEcho.Tokens)
		if n == 0 || p.JointEcho.Tokens[n-1].ID < 0 {
			return nil
		}
		ids = append(ids, p.JointEcho.Tokens[n-1].ID)
	}
	return ids
}

// jointIsSampled reports whether the joint echo scored exactly the ids asked for, so
// that scoring the ids by themselves would tell nothing new.
func (p Pair) jointIsSampled() bool {
	ids := p.ids()
	return ids != nil && slices.Equal(ids, p.JointEcho.ids())
}

// prefixed reports whether the context's tokens are how the joint ones begin.
// Ids settle it. Without them the texts must agree and the boundary must lie at
// the seam for certain: two different pieces of characters can both read U+FFFD.
func (p Pair) prefixed() bool {
	ctx, joint := p.ContextEcho.Tokens, p.JointEcho.Tokens
	if len(ctx) == 0 || len(ctx) > len(joint) {
		return false
	}
	settled := true
	for i, t := range ctx {
		u := joint[i]
		switch {
		case t.ID >= 0 && u.ID >= 0:
			if t.ID != u.ID {
				return false
			}
		case len(t.Bytes) > 0 && len(u.Bytes) > 0:
			if !bytes.Equal(t.Bytes, u.Bytes) {
				return false
			}
		default:
			settled = false
			if t.Text != u.Text {
				return false
			}
		}
	}
	if settled {
		return true
	}
	at, ok := p.JointEcho.Boundary(len(p.Context))
	return ok && at == len(ctx)
}

// readable reports why the two text echoes cannot be read at all, if so.
func (p Pair) readable() (Reason, string) {
	switch {
	case p.Context == "":
		return ReasonUnsupported, "the context is empty: the first token of a text has no log-prob"
	case p.ContextEcho.Altered != "":
		return ReasonAltered, "the context's echo is not of what was sent: " + p.ContextEcho.Altered
	case p.JointEcho.Altered != "":
		return ReasonAltered, "the joint echo is not of what was sent: " + p.JointEcho.Altered
	case p.ContextEcho.Added != p.JointEcho.Added:
		return ReasonAltered, "the server put a token of its own before one of the two texts only"
	}
	return "", ""
}

// sampledTail returns the joint tokens from n on if they are those whose
// log-prob is asked for, else the reason why they are not.
func (p Pair) sampledTail(n int) ([]providers.Token, Reason, string) {
	tail := p.JointEcho.Tokens[n:]
	if p.Sampled == nil {
		if p.Ambiguous != "" {
			return nil, ReasonRetokenised, p.Ambiguous
		}
		return tail, "", ""
	}
	want := p.sampledTokens()
	if len(tail) != want {
		return nil, ReasonRetokenised, fmt.Sprintf("the response was sampled as %d tokens and its text is read as %d", want,
			len(tail))
	}
	for i, id := range p.Sampled {
		if tail[i].ID >= 0 && tail[i].ID != id {
			return nil, ReasonRetokenised, fmt.Sprintf("token %d of the response was sampled as id %d and its text is read "+
				"as id %d", i, id, tail[i].ID)
		}
	}
	return tail, "", ""
}

// sampledTokens is how many tokens were sampled, the end-of-turn token included if
// it counts. It means nothing if Sampled is not known.
func (p Pair) sampledTokens() int {
	if p.EndOfTurn != "" {
		return len(p.Sampled) + 1
	}
	return len(p.Sampled)
}

// positiveSlack is how far above 0 rounding may put the log-prob of a certain
// token.
const positiveSlack = 1e-9

// infiniteLogProb is what several servers write if they mean -Inf. It is a
// stand-in, not a value.
const infiniteLogProb = -9999

// sum adds the tokens' log-probs, and refuses if one of them is missing.
// from is the position of the first, for the message.
func sum(tokens []providers.Token, from int) Reading {
	values := make([]float64, len(tokens))
	var total, lost float64 // lost: what rounding took, after Neumaier
	for i, t := range tokens {
		v := t.LogProb.OrNaN()
		if bad := check(t, from+i); bad.Reason != "" {
			return bad
		}
		values[i] = v
		next := total + v
		if math.Abs(total) >= math.Abs(v) {
			lost += (total - next) + v
		} else {
			lost += (v - next) + total
		}
		total = next
	}
	return Reading{MethodResult: MethodResult{LogProb: dataset.Known(total + lost), Status: OK}, TokenLogProbs: values}
}

func check(t providers.Token, at int) Reading {
	v := t.LogProb.OrNaN()
	switch {
	case math.IsNaN(v):
		return refuse(ReasonMissing, fmt.Sprintf("token %d (%q) has no log-prob", at, t.Text), FlagNull)
	case math.IsInf(v, 0), v <= infiniteLogProb:
		return refuse(ReasonInvalid, fmt.Sprintf("token %d (%q) has log-prob %v", at, t.Text, v), FlagInfinite)
	case v > positiveSlack:
		return refuse(ReasonInvalid, fmt.Sprintf("token %d (%q) has log-prob %+g: a probability above 1", at, t.Text, v),
			FlagPositive)
	}
	return Reading{}
}
