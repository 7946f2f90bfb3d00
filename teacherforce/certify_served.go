package teacherforce

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
)

// servedCertifier puts the probes to an endpoint that renders conversations itself. They are
// of token ids throughout: there is no text whose tokens could be somebody else's.
type servedCertifier struct {
	*certifier
	context []int    // of a prompt, as the server renders it
	action  []int    // a greedy reply, with the token that ended it
	reply   Response // the reply
}

// probesServed are the probes of a policy whose template the server has.
func (c *certifier) probesServed() []probe {
	s := &servedCertifier{certifier: c}
	return []probe{
		{ProbeCoverage, s.coverage},
		{ProbeRepeatability, s.repeatability},
		{ProbeAdditivity, s.additivity},
		{ProbeTemplate, s.template},
		{ProbeKnownAnswer, s.knownAnswer},
		{ProbeMass, c.mass},
	}
}

// draw has p answer the i-th prompt, after the context that it returns.
func (c *certifier) draw(ctx context.Context, p offpolicy.Policy, i int) ([]int, providers.Generation, error) {
	prompt := dataset.Prompt{ID: string(c.probe), Text: replyPrompts[i]}
	ids, err := ContextIDs(ctx, c.g, c.tag(), p, prompt)
	if err != nil {
		return nil, providers.Generation{}, err
	}
	req := GenerateAfter(providers.Tag{}, p, ids, 1)
	if p.Sampling == greedy { // with alternatives, which show whether the token was the likeliest
		g, err := c.generate(ctx, req)
		return ids, g, err
	}
	req.Tag, req.Sampling.MaxTokens = c.tag(), greedy.MaxTokens
	g, err := c.g.Generate(ctx, req)
	c.seen.alternatives(g.Tokens)
	return ids, g, err
}

// scoreIDs scores r after a context of ids.
func (c *certifier) scoreIDs(ctx context.Context, p offpolicy.Policy, context []int, r Response) (Result, error) {
	return c.forcer().ScoreIDs(ctx, c.tag(), p, string(c.probe), context, r)
}

// ids echoes token ids.
func (c *servedCertifier) ids(ctx context.Context, ids []int) (Echo, error) {
	score, err := c.ScorePrompt(ctx, providers.ScoreRequest{Model: c.p.Model, PromptIDs: ids})
	return Echo{Tokens: score.Tokens}, err
}

func (c *servedCertifier) coverage(ctx context.Context) (Probe, error) {
	p := c.p
	p.Sampling = greedy
	context, g, err := c.draw(ctx, p, 1)
	if err != nil {
		if errors.Is(err, errors.ErrUnsupported) {
			return Probe{Detail: cause(err)}, nil
		}
		return Probe{}, err
	}
	c.context, c.reply = context, ResponseOf(c.p, g)
	c.action = slices.Clone(c.reply.TokenIDs)
	if c.reply.Ended && c.reply.EndID != nil {
		c.action = append(c.action, *c.reply.EndID)
	}
	if len(c.action) == 0 || c.reply.Ended && c.reply.EndID == nil {
		return Probe{Detail: "the server does not return the ids of all that it samples, and without a template nothing " +
			"else can be scored"}, nil
	}
	whole := slices.Concat(c.context, c.action)
	e, err := c.ids(ctx, whole)
	switch {
	case errors.Is(err, errors.ErrUnsupported) || err != nil && idsRefused(err):
		return Probe{Detail: "the endpoint gives no log-probs for token ids: " + cause(err)}, nil
	case err != nil:
		return Probe{}, err
	case len(e.Tokens) != len(whole):
		return Probe{Detail: fmt.Sprintf("%d log-probs for %d token ids", len(e.Tokens), len(whole))}, nil
	case e.ids() != nil && !slices.Equal(e.ids(), whole):
		return Probe{Detail: "the endpoint scored other token ids than those that it was sent"}, nil
	}
	bad, zeros, first := 0, 0, ""
	for i, t := range e.Tokens[1:] {
		if a := check(t, i+1); a.Reason != "" {
			if bad++; first == "" {
				first = a.Detail
			}
		}
		if t.LogProb.OrNaN() == 0 {
			zeros++
		}
	}
	switch {
	case bad > 0:
		return Probe{Value: dataset.Known(float64(bad)), Detail: fmt.Sprintf("%d of %d tokens have no valid log-prob; %s",
			bad, len(whole)-1, first)}, nil
	case zeros == len(whole)-1:
		return Probe{Value: dataset.Known(float64(zeros)),
			Detail: "all tokens have log-prob 0: the server claims certainty of every text"}, nil
	}
	if n, of := len(g.Text), len(c.reply.TokenIDs); n > 0 && of > 0 {
		c.cert.BytesPerToken = dataset.Known(float64(n) / float64(of))
	}
	return Probe{OK: true, Value: dataset.Known(0),
		Detail: fmt.Sprintf("tokens without a valid log-prob, of %d", len(whole)-1)}, nil
}

func (c *servedCertifier) repeatability(ctx context.Context) (Probe, error) {
	whole := slices.Concat(c.context, c.action)
	var echoes []Echo
	for _, ids := range [][]int{whole, whole, c.context, whole[:len(whole)-1], whole} {
		e, err := c.ids(ctx, ids)
		if err != nil {
			return Probe{}, err
		}
		if len(ids) == len(whole) {
			echoes = append(echoes, e)
		}
	}
	p := Probe{Limit: dataset.Known(repeatFactor * c.f.noise)}
	again, why := difference(echoes[0], echoes[1])
	later, why2 := difference(echoes[0], echoes[2])
	if why+why2 != "" {
		p.Detail = "the same ids came back otherwise: " + why + why2
		return p, nil
	}
	p.Value = dataset.Known(max(again, later))
	p.OK = p.Value.OrNaN() <= p.Limit.OrNaN()
	p.Detail = fmt.Sprintf("noise of a token's log-prob in one scoring, nats: %.3g at once, %.3g after other requests",
		again, later)
	return p, nil
}

func (c *servedCertifier) additivity(ctx context.Context) (Probe, error) {
	p := Probe{Limit: dataset.Known(c.f.noise)}
	at := len(c.action) / 2
	if at == 0 {
		return Probe{OK: true, NotApplicable: true, Detail: "the reply is a single token, which has no parts"}, nil
	}
	sums := [3]float64{}
	for i, part := range []struct{ context, action []int }{
		{c.context, c.action}, {c.context, c.action[:at]}, {slices.Concat(c.context, c.action[:at]), c.action[at:]},
	} {
		res, err := c.scoreIDs(ctx, c.p, part.context, Response{TokenIDs: part.action, Model: c.p.Model})
		if err != nil {
			return p, unlessOwn(err, &p)
		}
		sums[i] = res.LogProb.OrNaN()
	}
	p.Value = dataset.Known(math.Abs(sums[0]-sums[1]-sums[2]) / float64(len(c.action)))
	p.OK = p.Value.OrNaN() <= p.Limit.OrNaN()
	p.Detail = fmt.Sprintf("|log p(ab|c) - log p(a|c) - log p(b|ca)| in nats per token: %.6g against %.6g + %.6g",
		sums[0], sums[1], sums[2])
	return p, nil
}

// unlessOwn is err, unless it says that a pair has no value, which the probe then says.
func unlessOwn(err error, p *Probe) error {
	var why *Error
	if errors.As(err, &why) && why.Methods[MethodTokenIDs].Reason != ReasonError {
		p.Detail = because(why)
		return nil
	}
	return err
}

// template asks whether chat answers in the context that the server says it makes.
func (c *servedCertifier) template(ctx context.Context) (Probe, error) {
	p := Probe{Limit: dataset.Known(0)}
	kwargs, err := kwargsOf(c.p.Template)
	if err != nil {
		return p, err
	}
	g, err := c.g.Generate(ctx, byChat(c.tag(), c.p, dataset.Prompt{ID: string(c.probe), Text: replyPrompts[1]}, kwargs))
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return Probe{OK: true, NotApplicable: true, Detail: "the endpoint has no chat to compare with: " + cause(err)}, nil
	case err != nil:
		return p, err
	case len(g.PromptIDs) == 0:
		return Probe{OK: true, NotApplicable: true, Detail: "chat does not return the ids of its context"}, nil
	}
	p.OK, p.Value = slices.Equal(g.PromptIDs, c.context), dataset.Known(0)
	p.Detail = fmt.Sprintf("tokens of the context by which chat differs from the server's rendering, of %d",
		len(c.context))
	if !p.OK {
		at := firstDifference(g.PromptIDs, c.context)
		p.Value = dataset.Known(float64(max(len(g.PromptIDs), len(c.context)) - at))
		p.Detail += fmt.Sprintf(": chat makes %d, which differ from token %d on", len(g.PromptIDs), at)
	}
	return p, nil
}

func (c *servedCertifier) knownAnswer(ctx context.Context) (Probe, error) {
	p := Probe{Limit: dataset.Known(0)}
	right, err := c.scoreIDs(ctx, c.p, c.context, Response{TokenIDs: c.reply.TokenIDs, Model: c.p.Model})
	if err != nil {
		return p, unlessOwn(err, &p)
	}
	other := slices.Clone(c.reply.TokenIDs)
	if slices.Reverse(other); slices.Equal(other, c.reply.TokenIDs) {
		return Probe{OK: true, NotApplicable: true, Detail: "the reply is the same in reverse"}, nil
	}
	wrong, err := c.scoreIDs(ctx, c.p, c.context, Response{TokenIDs: other, Model: c.p.Model})
	if err != nil {
		return p, unlessOwn(err, &p)
	}
	p.Value = dataset.Known(right.LogProb.OrNaN() - wrong.LogProb.OrNaN())
	p.OK = p.Value.OrNaN() > 0
	p.Detail = fmt.Sprintf("nats by which the model's own reply (%.4g) is likelier than its tokens in reverse (%.4g); "+
		"must exceed the limit", right.LogProb.OrNaN(), wrong.LogProb.OrNaN())
	return p, nil
}

// drawnAfter is drawnIn for a context that the server renders.
func (c *certifier) drawnAfter(ctx context.Context, p offpolicy.Policy, i int) (g providers.Generation, res Result,
	score scoreReply, why *Error, err error) {
	context, g, err := c.draw(ctx, p, i)
	if err != nil {
		return g, res, nil, nil, err
	}
	score = func(p offpolicy.Policy, r Response) (Result, error) { return c.scoreIDs(ctx, p, context, r) }
	if res, err = score(c.p, ResponseOf(c.p, g)); errors.As(err, &why) &&
		why.Methods[MethodTokenIDs].Reason != ReasonError {
		err = nil
	} else {
		why = nil
	}
	return g, res, score, why, err
}
