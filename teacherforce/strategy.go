package teacherforce

import (
	"fmt"

	"github.com/reweigh/reweigh/dataset"
)

// Strategy reads a response's log-prob from a [Pair], without a call. It answers with
// the exact value for the tokens asked for or with a [Reason]; an approximation is not
// an answer. [Forcer.Score] holds every answer to this: an OK has a finite value up to
// 0 and a valid log-prob for every token summed, as many as were sampled if that is
// known; a failure has a reason and no value. An answer that breaks the rule counts
// as a failure.
type Strategy interface {
	Name() string
	Score(Pair) Reading
}

// Reading is what a strategy reads off a pair: its value, or why it has none.
type Reading struct {
	MethodResult
	TokenLogProbs []float64 // one per token summed; nil if the method failed
	Detail        string    // why it failed, for people
	Flags         []Flag
}

func refuse(r Reason, detail string, flags ...Flag) Reading {
	return Reading{MethodResult: failed(r), Detail: detail, Flags: flags}
}

// Strategies returns the methods of this package in order of preference:
// token_ids, token_counting, echo_based, continuation and chat.
func Strategies() []Strategy { return append(textStrategies(), chatStrategy{}) }

// textStrategies are those that need no call beyond the two echoes and, for
// token_ids, the third.
func textStrategies() []Strategy {
	return []Strategy{tokenIDs{}, tokenCounting{}, echoBased{}, continuation{}}
}

// tokenIDs scores the sampled ids after the context's ids: no text is read, so
// there is no seam. It needs a server that returns ids, and one that accepts
// them if the response's text is tokenised otherwise than it was sampled.
type tokenIDs struct{}

// Name returns "token_ids".
func (tokenIDs) Name() string { return MethodTokenIDs }

// Score implements [Strategy].
func (tokenIDs) Score(p Pair) Reading {
	if r, why := p.readable(); r != "" {
		return refuse(r, why)
	}
	ids := p.ids()
	if ids == nil {
		if p.Sampled == nil {
			return refuse(ReasonUnsupported, "the ids that the response was sampled as are not known")
		}
		return refuse(ReasonUnsupported, "the server's echo has no token ids")
	}
	n := len(p.ContextEcho.Tokens)
	if p.jointIsSampled() {
		return sum(p.JointEcho.Tokens[n:], n)
	}
	echo := p.IDsEcho.Tokens
	if len(echo) == 0 {
		return refuse(ReasonUnsupported, "the server does not score token ids")
	}
	if len(echo) != len(ids) {
		return refuse(ReasonAltered, fmt.Sprintf("%d ids were sent and %d tokens came back", len(ids), len(echo)))
	}
	for i, t := range echo {
		if t.ID >= 0 && t.ID != ids[i] {
			return refuse(ReasonAltered, fmt.Sprintf("id %d was sent at position %d and id %d came back", ids[i], i, t.ID))
		}
	}
	return sum(echo[n:], n)
}

// tokenCounting skips as many tokens of the joint echo as the context has by
// itself and sums the rest. That is exact if, and only if, the context's tokens
// are how the joint ones begin; slicing by the count alone sums the wrong
// tokens wherever one of them spans the seam.
type tokenCounting struct{}

// Name returns "token_counting".
func (tokenCounting) Name() string { return MethodTokenCounting }

// Score implements [Strategy].
func (tokenCounting) Score(p Pair) Reading {
	if r, why := p.readable(); r != "" {
		return refuse(r, why)
	}
	if !p.prefixed() {
		return refuse(ReasonSeam, "the context's tokens are not how the joint text's begin")
	}
	n := len(p.ContextEcho.Tokens)
	tail, r, why := p.sampledTail(n)
	if r != "" {
		return refuse(r, why)
	}
	return sum(tail, n)
}

// echoBased finds the seam in the joint echo by byte offset and sums the tokens
// after it. If a token boundary lies at the seam, the tokens after it are
// the response's canonical ones: byte-pair merges are local, so that no merge on
// one side of a boundary depends on the other side. What lies before the seam
// must still be the context's own tokens, because a tokenizer that looks ahead
// before it merges may cut the context's end differently when more follows.
type echoBased struct{}

// Name returns "echo_based".
func (echoBased) Name() string { return MethodEchoBased }

// Score implements [Strategy].
func (echoBased) Score(p Pair) Reading {
	if r, why := p.readable(); r != "" {
		return refuse(r, why)
	}
	at, ok := p.JointEcho.Boundary(len(p.Context))
	if !ok {
		return refuse(ReasonSeam, fmt.Sprintf("no token begins at byte %d, where the response does", len(p.Context)))
	}
	if at != len(p.ContextEcho.Tokens) || !p.prefixed() {
		return refuse(ReasonSeam, "the response changes how the context before it is tokenised")
	}
	tail, r, why := p.sampledTail(at)
	if r != "" {
		return refuse(r, why)
	}
	return sum(tail, at)
}

// continuation subtracts the context's total from the joint one, both without
// the first token, whose log-prob means nothing, and without the second if a
// server gives neither one. It is exact if the context's
// tokens are how the joint ones begin; otherwise the two totals are of
// different tokenisations and their difference is the log-prob of nothing, and
// can be positive.
type continuation struct{}

// Name returns "continuation".
func (continuation) Name() string { return MethodContinuation }

// Score implements [Strategy].
func (continuation) Score(p Pair) Reading {
	if r, why := p.readable(); r != "" {
		return refuse(r, why)
	}
	if p.Borrowed {
		return refuse(ReasonNotCompared, "the context was not scored by a call of its own")
	}
	if !p.prefixed() {
		return refuse(ReasonSeam, "the two totals are of different tokenisations of the context")
	}
	n := len(p.ContextEcho.Tokens)
	tail, r, why := p.sampledTail(n)
	if r != "" {
		return refuse(r, why)
	}
	from := 1
	if n > 2 && !p.JointEcho.Tokens[1].LogProb.Valid() && !p.ContextEcho.Tokens[1].LogProb.Valid() {
		from = 2 // llama-cpp-python gives the second token no log-prob either, of any text
	}
	joint, ctx := sum(p.JointEcho.Tokens[from:], from), sum(p.ContextEcho.Tokens[from:], from)
	for _, total := range []Reading{joint, ctx} {
		if total.Status != OK {
			return total
		}
	}
	d := joint.LogProb.OrNaN() - ctx.LogProb.OrNaN()
	if d > positiveSlack {
		return refuse(ReasonInvalid, fmt.Sprintf("the joint total exceeds the context's by %v: the server scored the "+
			"context differently the second time", d), FlagPositiveDifference)
	}
	return Reading{MethodResult: MethodResult{LogProb: dataset.Known(d), Status: OK},
		TokenLogProbs: sum(tail, n).TokenLogProbs}
}
