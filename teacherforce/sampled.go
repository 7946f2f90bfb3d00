package teacherforce

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce/temper"
)

// sampledLimit is the least that generation and echo of one reply may lie apart, nats a
// token; noise that is allowed for raises it. Settings of the server's own were seen to
// move them by 0.08.
const sampledLimit = 0.02

// elsewhere is the cause of a reply that was drawn otherwise than was asked for.
const elsewhere = "the server samples from another distribution than the one asked for; it takes settings that the " +
	"request does not name from elsewhere, such as the model's generation_config"

// sampled draws a reply as p draws its responses, and holds what the server says of its
// tokens against their echo. The two are one distribution unless something that the
// request does not name, such as a penalty or a filter of the model's generation_config,
// came between. A greedy reply shows that only if another token is likelier by its own
// values.
//
// If p samples otherwise than its model, the values are of the model's own distribution, of
// the tempered one, or of the one drawn from, as servers differ: the probe finds out which,
// and fails if they are of none. A token that p's filters exclude fails it, too.
func (c *certifier) sampled(ctx context.Context, p offpolicy.Policy) (Probe, error) {
	out := Probe{Name: ProbeSampled, Limit: dataset.Known(max(sampledLimit, repeatFactor*c.f.noise))}
	skip := func(why string) (Probe, error) {
		out.OK, out.NotApplicable, out.Detail = true, true, why
		return out, nil
	}
	if c.seen.unlikely != "" {
		out.Detail = c.seen.unlikely + ": " + elsewhere
		return out, nil
	}
	ask := c.drawnIn
	if Served(p.Template) {
		ask = c.drawnAfter
	}
	for i := range replyPrompts {
		g, res, score, why, err := ask(ctx, p, i)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return skip("the endpoint does not continue a rendered prompt: " + cause(err))
		case err != nil:
			return out, err
		case len(g.Tokens) == 0:
			return skip("generation gives no log-probs to compare with")
		}
		n := min(len(g.Tokens), res.Tokens)
		if why != nil || n == 0 || len(g.Tokens)-n > 1 || res.Tokens-n > 1 {
			continue // tokenised otherwise than it was sampled
		}
		total := 0.0
		for i := range n {
			total += math.Abs(g.Tokens[i].LogProb.OrNaN() - res.TokenLogProbs[i])
		}
		mean := total / float64(n)
		if math.IsNaN(mean) {
			continue
		}
		out.Value, out.OK = dataset.Known(mean), mean <= out.Limit.OrNaN()
		out.Detail = fmt.Sprintf("mean absolute difference of a sampled reply's log-probs at generation and in its echo, "+
			"nats per token, over %d tokens", n)
		if p.Sampling.Neutral() {
			if !out.OK {
				out.Detail += ": " + elsewhere
			}
			return out, nil
		}
		err = c.sampledAs(&out, p, g, n, score)
		return out, err
	}
	return skip("no sampled reply has the tokens of its text")
}

// drawnIn is the reply of p to the i-th prompt and its value in its own context, with what
// scores it under other settings; why says that it has no value.
func (c *certifier) drawnIn(ctx context.Context, p offpolicy.Policy, i int) (g providers.Generation, res Result,
	score scoreReply, why *Error, err error) {
	rendered, err := c.f.Render(p, dataset.Prompt{ID: string(c.probe), Text: replyPrompts[i]})
	if err != nil {
		return g, res, nil, nil, err
	}
	draw, seed := p.Sampling, int64(1)
	draw.MaxTokens = greedy.MaxTokens
	g, err = c.g.Generate(ctx, providers.GenerateRequest{Tag: c.tag(), Model: p.Model, Prompt: rendered, Sampling: draw,
		Seed: &seed, LogProbs: true})
	if err != nil || len(g.Tokens) == 0 {
		return g, res, nil, nil, err
	}
	score = func(p offpolicy.Policy, r Response) (Result, error) {
		return c.forcer().scoreIn(ctx, providers.Tag{}, p, c.t, string(c.probe), rendered, nil, nil, r)
	}
	res, why, err = c.score(ctx, c.forcer(), rendered, ResponseOf(c.p, g))
	return g, res, score, why, err
}

// sampledAs says what the values of a reply are of that a policy which tempers or filters drew.
// score gives the reply a value under another sampling.
func (c *certifier) sampledAs(out *Probe, p offpolicy.Policy, g providers.Generation, n int, score scoreReply) error {
	said, drawn := 0.0, dataset.Known(0)
	for _, t := range g.Tokens[:n] {
		said += t.LogProb.OrNaN()
		drawn = dataset.Known(drawn.OrNaN() + t.Sampling.OrNaN())
	}
	whole := p.Sampling
	whole.TopP, whole.TopK = 1, 0
	under, underTokens, shown, err := bounds(p, p.Sampling, g, score)
	if err != nil {
		return err
	}
	if !shown {
		out.OK, out.NotApplicable = true, !out.OK
		out.Detail += "; the server shows no alternatives, by which the distribution drawn from could be known"
		return nil
	}
	tempered, temperedTokens, _, err := bounds(p, whole, g, score)
	if err != nil {
		return err
	}
	what := ofModel
	out.Of = c.distributionOf(out.Value.OrNaN(), g.Tokens[:n], underTokens, temperedTokens, p.Sampling != whole)
	for _, other := range []struct {
		v    temper.Value
		what string
	}{{under, ofDrawn}, {tempered, "of the tempered distribution, before the filters"}} {
		if d := away(other.v, said) / float64(n); d < out.Value.OrNaN() {
			out.Value, what = dataset.Known(d), other.what
		}
	}
	out.OK = out.Value.OrNaN() <= out.Limit.OrNaN()
	switch {
	case under.Kind == temper.Outside:
		out.OK = false
		out.Detail += "; the reply has a token that the policy's filters exclude: " + elsewhere
	case drawn.Valid() && away(under, drawn.OrNaN())/float64(n) > out.Limit.OrNaN():
		out.OK = false
		out.Detail += "; what the server says of the distribution drawn from is not what the alternatives allow: " +
			elsewhere
	case out.OK && out.Of == "":
		out.Detail += "; the values at generation may be " + what
	case out.OK && out.Of == dataset.RawDistribution:
		out.Detail += "; the values at generation are " + ofModel
	case out.OK:
		out.Detail += "; the values at generation are " + ofDrawn
	default:
		out.Detail += ", and they are of none that the policy's settings give: " + elsewhere
	}
	return nil
}

// What the values of a reply may be of.
const (
	ofModel = "of the model's own distribution"
	ofDrawn = "of the distribution drawn from"
)

// saidNoise is the least difference allowed, in nats a token, between a log-prob that
// generation reports and the same one from an echo: servers round what they write.
const saidNoise = 1e-4

// distributionOf is what the values of generated tokens are of: the distribution drawn from, or
// the model's own, if they are near it and far from every other; empty if that is undecided.
// raw is how far they lie from the model's own, nats a token. A value that nothing bounds is
// near every distribution: if most are such, nothing can be said. If the policy filters, one
// such value is enough, because filtered and unfiltered cannot be told apart by it.
func (c *certifier) distributionOf(raw float64, said []providers.Token, under, tempered []temper.Value,
	filters bool) dataset.Distribution {
	near := saidNoise
	for _, p := range c.cert.Probes {
		if v, ok := p.Value.Get(); ok && p.Name == ProbeRepeatability {
			near = max(near, repeatFactor*v)
		}
	}
	far := func(d float64) bool { return d > 2*near }
	drawn, whole, apart, unbounded := meanAway(under, said), meanAway(tempered, said), 0.0, 0
	for i, v := range under {
		if v.Kind == temper.Unbounded {
			unbounded++
		}
		switch {
		case i >= len(tempered):
		case filters && (v.Kind == temper.Unbounded || tempered[i].Kind == temper.Unbounded):
			apart = math.Inf(1)
		default:
			apart += math.Abs(v.Upper-tempered[i].Upper) + math.Abs(v.Lower-tempered[i].Lower)
		}
	}
	switch {
	case 2*unbounded > len(under):
		return ""
	case raw <= near && far(drawn) && far(whole):
		return dataset.RawDistribution
	case drawn <= near && far(raw) && (far(whole) || apart <= near):
		return dataset.SamplingDistribution
	}
	return ""
}

// meanAway is how far the tokens' values lie from what they may be, nats a token; 0 if
// nothing bounds them.
func meanAway(of []temper.Value, said []providers.Token) float64 {
	total := 0.0
	for i, t := range said[:min(len(of), len(said))] {
		total += away(of[i], t.LogProb.OrNaN())
	}
	return total / float64(max(1, len(said)))
}

// away is how far v lies from what a value may be.
func away(of temper.Value, v float64) float64 {
	switch of.Kind {
	case temper.Unbounded:
		return 0
	case temper.Outside:
		return math.Inf(1)
	}
	return max(of.Lower-v, v-of.Upper, 0)
}

// scoreReply scores a reply under a policy, in the context that it was drawn in.
type scoreReply func(p offpolicy.Policy, r Response) (Result, error)

// bounds are those of a reply's log-prob under p with other sampling; shown is false if the
// server shows no alternatives.
func bounds(p offpolicy.Policy, s offpolicy.Sampling, g providers.Generation, score scoreReply) (v temper.Value,
	tokens []temper.Value, shown bool, err error) {
	p.Sampling = s
	r := ResponseOf(offpolicy.Policy{Model: p.Model}, g) // nobody's, so that the alternatives alone decide
	res, err := score(p, r)
	var why *Error
	if errors.As(err, &why) {
		return v, nil, false, nil
	}
	if err != nil || res.Distribution != dataset.SamplingDistribution {
		return v, nil, false, err
	}
	b := res.Record("", "").Bounds()
	switch v = (temper.Value{Kind: temper.Exact, Lower: b[0], Upper: b[1]}); {
	case res.OutsideSupport:
		v.Kind = temper.Outside
	case res.Interval != nil:
		v.Kind = temper.Interval
	}
	return v, res.bounds, true, nil
}
