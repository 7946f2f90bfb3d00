package teacherforce

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// sampledLimit is the least that generation and echo of one reply may lie apart, nats a
// token; noise that is allowed for raises it. Settings of the server's own were seen to
// move them by 0.08.
const sampledLimit = 0.02

// sampled draws a reply as the policy draws its responses, and holds what the server says
// of its tokens against their echo. The two are one distribution unless something that the
// request does not name, such as a penalty or a filter of the model's generation_config,
// came between. A greedy reply would not show it.
func (c *certifier) sampled(ctx context.Context) (Probe, error) {
	p := Probe{Limit: dataset.Known(max(sampledLimit, repeatFactor*c.f.noise))}
	skip := func(why string) (Probe, error) {
		p.OK, p.NotApplicable, p.Detail = true, true, why
		return p, nil
	}
	if !c.sampling.Neutral() {
		return skip("the policy samples at another temperature or with filters: generation and echo may be of different " +
			"distributions")
	}
	seed := int64(1)
	for _, text := range replyPrompts {
		rendered, err := c.f.Render(c.p, dataset.Prompt{ID: string(c.probe), Text: text})
		if err != nil {
			return p, err
		}
		draw := c.sampling
		draw.MaxTokens = greedy.MaxTokens
		g, err := c.g.Generate(ctx, providers.GenerateRequest{Tag: c.tag(), Model: c.p.Model, Prompt: rendered,
			Sampling: draw, Seed: &seed, LogProbs: true})
		if errors.Is(err, errors.ErrUnsupported) {
			return skip("the endpoint does not continue a rendered prompt: " + cause(err))
		}
		if err != nil {
			return p, err
		}
		if len(g.Tokens) == 0 {
			return skip("generation gives no log-probs to compare with")
		}
		own := ResponseOf(c.p, g)
		res, why, err := c.score(ctx, c.forcer(), rendered, own)
		if err != nil {
			return p, err
		}
		n := min(len(g.Tokens), res.Tokens)
		if why != nil || n == 0 || len(g.Tokens)-n > 1 || res.Tokens-n > 1 {
			continue // tokenised otherwise than it was sampled
		}
		total := 0.0
		for i := range n {
			total += math.Abs(g.Tokens[i].LogProb.OrNaN() - res.TokenLogProbs[i])
		}
		if mean := total / float64(n); !math.IsNaN(mean) {
			p.Value, p.OK = dataset.Known(mean), mean <= p.Limit.OrNaN()
			p.Detail = fmt.Sprintf("mean absolute difference of a sampled reply's log-probs at generation and in its echo, "+
				"nats per token, over %d tokens", n)
			if !p.OK {
				p.Detail += ": the server samples from another distribution than the one asked for; it takes settings that " +
					"the request does not name from elsewhere, such as the model's generation_config"
			}
			return p, nil
		}
	}
	return skip("no sampled reply has the tokens of its text")
}
