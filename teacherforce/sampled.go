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
	seed := int64(1)
	for _, text := range replyPrompts {
		rendered, err := c.f.Render(p, dataset.Prompt{ID: string(c.probe), Text: text})
		if err != nil {
			return out, err
		}
		draw := p.Sampling
		draw.MaxTokens = greedy.MaxTokens
		g, err := c.g.Generate(ctx, providers.GenerateRequest{Tag: c.tag(), Model: p.Model, Prompt: rendered,
			Sampling: draw, Seed: &seed, LogProbs: true})
		if errors.Is(err, errors.ErrUnsupported) {
			return skip("the endpoint does not continue a rendered prompt: " + cause(err))
		}
		if err != nil {
			return out, err
		}
		if len(g.Tokens) == 0 {
			return skip("generation gives no log-probs to compare with")
		}
		res, why, err := c.score(ctx, c.forcer(), rendered, ResponseOf(c.p, g))
		if err != nil {
			return out, err
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
		err = c.sampledAs(ctx, &out, p, rendered, g, n)
		return out, err
	}
	return skip("no sampled reply has the tokens of its text")
}

// sampledAs says what the values of a reply are of that a policy which tempers or filters drew.
func (c *certifier) sampledAs(ctx context.Context, out *Probe, p offpolicy.Policy, rendered string,
	g providers.Generation, n int) error {
	said, drawn := 0.0, dataset.Known(0)
	for _, t := range g.Tokens[:n] {
		said += t.LogProb.OrNaN()
		drawn = dataset.Known(drawn.OrNaN() + t.Sampling.OrNaN())
	}
	whole := p.Sampling
	whole.TopP, whole.TopK = 1, 0
	under, shown, err := c.bounds(ctx, p, p.Sampling, rendered, g)
	if err != nil {
		return err
	}
	if !shown {
		out.OK, out.NotApplicable = true, !out.OK
		out.Detail += "; the server shows no alternatives, by which the distribution drawn from could be known"
		return nil
	}
	tempered, _, err := c.bounds(ctx, p, whole, rendered, g)
	if err != nil {
		return err
	}
	what := "of the model's own distribution"
	for _, other := range []struct {
		v    temper.Value
		what string
	}{{under, "of the distribution drawn from"}, {tempered, "of the tempered distribution, before the filters"}} {
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
	case out.OK:
		out.Detail += "; the values at generation are " + what
	default:
		out.Detail += ", and they are of none that the policy's settings give: " + elsewhere
	}
	return nil
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

// bounds are those of a reply's log-prob under p with other sampling; shown is false if the
// server shows no alternatives.
func (c *certifier) bounds(ctx context.Context, p offpolicy.Policy, s offpolicy.Sampling, rendered string,
	g providers.Generation) (v temper.Value, shown bool, err error) {
	p.Sampling = s
	r := ResponseOf(offpolicy.Policy{Model: p.Model}, g) // nobody's, so that the alternatives alone decide
	res, err := c.forcer().scoreIn(ctx, providers.Tag{}, p, c.t, string(c.probe), rendered, nil, nil, r)
	var why *Error
	if errors.As(err, &why) {
		return v, false, nil
	}
	if err != nil || res.Distribution != dataset.SamplingDistribution {
		return v, false, err
	}
	b := res.Record("", "").Bounds()
	switch v = (temper.Value{Kind: temper.Exact, Lower: b[0], Upper: b[1]}); {
	case res.OutsideSupport:
		v.Kind = temper.Outside
	case res.Interval != nil:
		v.Kind = temper.Interval
	}
	return v, true, nil
}
