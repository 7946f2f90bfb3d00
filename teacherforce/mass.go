package teacherforce

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// massLimit is what the probabilities of distinct tokens at one position may sum
// to: 1, and the rounding of half precision. Logits pass it at once. So do
// logarithms to base 10 that are read as natural ones: p becomes p^0.43, and a
// distribution's sum is 1 for no other power than the first.
const massLimit = 1.01

// alternatives are how many a probe's own replies are asked for, as far as
// completions go.
const alternatives = 5

// seen is what the other probes met by the way, for mass.
type seen struct {
	mu       sync.Mutex
	lists    int                 // positions with alternatives
	mass     float64             // the largest sum of one of them
	text     string              // the token that stands there
	echoes   [][]providers.Token // of the texts of the known answer
	unlikely string              // a greedy reply's token that is not the likeliest by its own values
	ownWrong string              // greedy tokens whose values in the echo are not those of generation
}

// alternatives looks at the alternatives of each token.
func (s *seen) alternatives(tokens []providers.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tokens {
		sum := massOf(t)
		if len(t.Top) > 0 {
			s.lists++
		}
		if sum > s.mass {
			s.mass, s.text = sum, show(t)
		}
	}
}

// greedy notes a token of a greedy reply that another one is likelier than, by the values that
// the reply itself came with: what it was drawn from is not what they are of.
func (s *seen) greedy(tokens []providers.Token) {
	for _, t := range tokens {
		for _, a := range t.Top {
			other := a.Text != t.Text || a.ID >= 0 && t.ID >= 0 && a.ID != t.ID
			if d := a.LogProb.OrNaN() - t.LogProb.OrNaN(); other && d > templateLimit && s.unlikely == "" {
				s.unlikely = fmt.Sprintf("a greedy reply says %q, and by its own log-probs %q is likelier by %.2g nats", show(t),
					a.Text, d)
			}
		}
	}
}

// massOf is the probability that a token's alternatives sum to.
func massOf(t providers.Token) (sum float64) {
	for _, a := range t.Top {
		if v, ok := a.LogProb.Get(); ok {
			sum += math.Exp(v)
		}
	}
	return sum
}

// echo notes a text of the known answer, whose beginnings are alike.
func (s *seen) echo(tokens []providers.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.echoes = append(s.echoes, tokens)
}

// own compares what generation said of its own tokens with their echo.
func (s *seen) own(g providers.Generation, echoed Result) {
	n := min(len(g.Tokens), echoed.Tokens)
	if n == 0 || len(g.Tokens)-n > 1 || echoed.Tokens-n > 1 {
		return // other tokens, or none to compare with
	}
	total := 0.0
	for i := range n {
		total += math.Abs(g.Tokens[i].LogProb.OrNaN() - echoed.TokenLogProbs[i])
	}
	if mean := total / float64(n); mean > templateLimit {
		s.ownWrong = fmt.Sprintf("in the echo of a greedy reply the log-probs differ from those that it was generated with "+
			"by %.3g nats a token on average", mean)
	}
}

// mass says whether values are log-probs of the tokens that they stand by. It
// makes no calls of its own.
func (c *certifier) mass(context.Context) (Probe, error) {
	s := &c.seen
	p := Probe{OK: true, Limit: dataset.Known(massLimit), Detail: "no reply showed alternatives"}
	if s.lists > 0 {
		p.Value = dataset.Known(s.mass)
		p.OK = s.mass <= massLimit
		p.Detail = fmt.Sprintf("largest probability that the alternatives of a position sum to, over %d positions", s.lists)
		if !p.OK {
			p.Detail += fmt.Sprintf(": at %q; the values are no natural log-probs (logits, or another base)", s.text)
		}
	}
	if s.ownWrong != "" {
		p.OK = false
		p.Detail = s.ownWrong + "; " + p.Detail
	}
	if said := alike(s.echoes); said != "" {
		p.OK = false
		p.Detail = said + ": a value is not that of its own token; " + p.Detail
	}
	return p, nil
}

// alike reports that wherever two texts part, both next tokens have one value, as
// they have where values stand by the token before. Of the texts of the known
// answer one goes on as the model would and another does not, so that no law
// but this one makes them equal.
func alike(echoes [][]providers.Token) (said string) {
	for i, a := range echoes {
		for _, b := range echoes[:i] {
			n := 0
			for n < min(len(a), len(b)) && show(a[n]) == show(b[n]) {
				n++
			}
			if n == min(len(a), len(b)) {
				continue // one begins the other
			}
			x, y := a[n].LogProb.OrNaN(), b[n].LogProb.OrNaN()
			if x != y { // or one has none
				return ""
			}
			said = fmt.Sprintf("%q and %q both have log-prob %.4g after one context", show(a[n]), show(b[n]), x)
		}
	}
	return said
}

// generate asks for a greedy reply with log-probs, and with alternatives unless
// the server refuses those.
func (c *certifier) generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	req.Sampling, req.LogProbs, req.TopLogProbs = greedy, true, alternatives
	req.Tag = c.tag()
	g, err := c.g.Generate(ctx, req)
	var e *providers.Error
	if errors.As(err, &e) && e.Class == providers.ClassBadRequest && !errors.Is(err, errors.ErrUnsupported) {
		req.Tag, req.TopLogProbs = c.tag(), 0
		g, err = c.g.Generate(ctx, req)
	}
	c.seen.alternatives(g.Tokens)
	c.seen.greedy(g.Tokens)
	return g, err
}
