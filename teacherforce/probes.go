package teacherforce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/sync/errgroup"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
)

// Texts of the probes. Their wording does not matter; that they are plain
// English, multi-byte, or end inside a word does.
const (
	probePrompt = "Tell me about the harbour in one or two sentences."
	passage     = "The harbour wakes before the town does. Boats come in with the tide, and the first of them has its " +
		"catch on the quay by five. By seven the nets are drying in long rows and the gulls have gone back to the roofs."
	aside     = "Nobody had expected rain that week, least of all the gardeners, who had counted on three dry days."
	multibyte = "Grüße aus Zürich — naïve café, “quoted”, Ελλάδα, Привет, 東京タワー, 한국어, 🙂🚀é.\n\tDone."
)

func (c *certifier) coverage(ctx context.Context) (Probe, error) {
	e, err := c.echo(ctx, c.context+multibyte)
	if err != nil {
		return Probe{}, err
	}
	if e.Altered != "" {
		return Probe{Detail: e.Altered}, nil
	}
	bad, zeros, positive, first := 0, 0, 0, ""
	scored := e.Tokens[1:]
	for i, t := range scored {
		if i == 0 && !t.LogProb.Valid() && len(scored) > 1 {
			continue // llama-cpp-python gives the second token of a text none: it is the context's
		}
		if a := check(t, i+1); a.Reason != "" {
			if bad++; first == "" {
				first = a.Detail
			}
		}
		if t.LogProb.OrNaN() == 0 {
			zeros++
		}
		if t.LogProb.OrNaN() > 0 {
			positive++
		}
	}
	switch {
	case bad > 0:
		if positive > 0 {
			first += "; values above 0 are logits, or have the wrong sign"
		}
		return Probe{Value: dataset.Known(float64(bad)), Detail: fmt.Sprintf("%d of %d tokens have no valid log-prob; %s",
			bad, len(scored), first)}, nil
	case zeros == len(scored):
		return Probe{Value: dataset.Known(float64(zeros)),
			Detail: fmt.Sprintf("all %d tokens have log-prob 0: the server claims certainty of every text", zeros)}, nil
	}
	return Probe{OK: true, Value: dataset.Known(0),
		Detail: fmt.Sprintf("tokens without a valid log-prob, of %d; the text came back byte for byte", len(scored))}, nil
}

// repeatability asks for one text when the server cannot have met it, at once
// again, when it may have cached all of it or the beginning that it shares with
// others, after other texts, and in their company, as a batch.
func (c *certifier) repeatability(ctx context.Context) (Probe, error) {
	text := c.context + passage
	var echoes []Echo
	for _, s := range []string{text, text, c.context + aside, c.context, text} {
		e, err := c.echo(ctx, s)
		if err != nil {
			return Probe{}, err
		}
		if s == text {
			echoes = append(echoes, e)
		}
	}
	company, err := c.together(ctx, text, c.context+aside, c.context+aside+passage, passage+aside)
	if err != nil {
		return Probe{}, err
	}
	first := echoes[0]
	if at, ok := first.Boundary(len(c.context)); ok {
		c.cert.BytesPerToken = dataset.Known(float64(len(passage)) / float64(len(first.Tokens)-at))
	}
	p := Probe{Limit: dataset.Known(repeatFactor * c.f.noise)}
	again, why := difference(first, echoes[1])
	later, why2 := difference(first, echoes[2])
	batched, why3 := difference(first, company)
	if why+why2+why3 != "" {
		p.Value, p.Detail = dataset.Float{}, "the same text was tokenised differently: "+why+why2+why3
		return p, nil
	}
	p.Value = dataset.Known(max(again, later, batched))
	p.OK = p.Value.OrNaN() <= p.Limit.OrNaN()
	p.Detail = fmt.Sprintf("noise of a token's log-prob in one scoring, nats: %.3g at once, %.3g after other requests, "+
		"%.3g in their company", again, later, batched)
	return p, nil
}

// repeatFactor is how much a single token's log-prob may vary, in units of
// [Config].Repeatability, which bounds means over a text: with [ServerRepeatability] 0.05 nats, a nat on the
// log-ratio of a response of 200 tokens.
const repeatFactor = 2.5

// together asks for the echo of text while the others are asked for.
func (c *certifier) together(ctx context.Context, text string, others ...string) (Echo, error) {
	var g errgroup.Group
	for _, s := range others {
		tag := c.tag()
		g.Go(func() error {
			_, err := c.echoAs(ctx, tag, s)
			return err
		})
	}
	e, err := c.echo(ctx, text)
	return e, cmp.Or(err, g.Wait())
}

// difference is the noise of one scoring that two echoes of one text show, in nats a
// token: the root mean square of their differences over √2.
func difference(a, b Echo) (d float64, why string) {
	if len(a.Tokens) != len(b.Tokens) {
		return 0, fmt.Sprintf("%d tokens, then %d", len(a.Tokens), len(b.Tokens))
	}
	for i := 1; i < len(a.Tokens); i++ {
		if !a.Tokens[i].LogProb.Valid() && !b.Tokens[i].LogProb.Valid() && show(a.Tokens[i]) == show(b.Tokens[i]) {
			continue // of the second token, llama-cpp-python's
		}
		v := math.Abs(a.Tokens[i].LogProb.OrNaN() - b.Tokens[i].LogProb.OrNaN())
		if show(a.Tokens[i]) != show(b.Tokens[i]) || math.IsNaN(v) {
			return 0, fmt.Sprintf("token %d was %q (%v), then %q (%v)", i, a.Tokens[i].Text, a.Tokens[i].LogProb,
				b.Tokens[i].Text, b.Tokens[i].LogProb)
		}
		d += v * v
	}
	return math.Sqrt(d / 2 / float64(max(1, len(a.Tokens)-1))), ""
}

func (c *certifier) additivity(ctx context.Context) (Probe, error) {
	p := Probe{Limit: dataset.Known(c.f.noise)}
	f := c.forcer()
	whole, why, err := c.score(ctx, f, c.context, Response{Text: passage})
	if err != nil || why != nil {
		p.Detail = because(why)
		return p, err
	}
	// A cut before a space is a token boundary in every tokenizer that lets
	// spaces lead words; elsewhere one of a few will be.
	for tries, at := 0, len(passage)/2; tries < 4 && at < len(passage); tries++ {
		at += strings.IndexByte(passage[at:], ' ')
		a, b := passage[:at], passage[at:]
		at++
		first, why, err := c.score(ctx, f, c.context, Response{Text: a})
		if err != nil {
			return p, err
		}
		if why != nil {
			p.Detail = because(why)
			continue
		}
		second, why, err := c.score(ctx, f, c.context+a, Response{Text: b})
		if err != nil {
			return p, err
		}
		if why != nil {
			p.Detail = because(why)
			continue
		}
		p.Value = dataset.Known(math.Abs(whole.LogProb.OrNaN()-first.LogProb.OrNaN()-second.LogProb.OrNaN()) /
			float64(whole.Tokens))
		p.OK = p.Value.OrNaN() <= p.Limit.OrNaN()
		p.Detail = fmt.Sprintf("|log p(ab|c) - log p(a|c) - log p(b|ca)| in nats per token: %.6g against %.6g + %.6g",
			whole.LogProb.OrNaN(), first.LogProb.OrNaN(), second.LogProb.OrNaN())
		return p, nil
	}
	return p, nil
}

func because(why *Error) string {
	if why == nil {
		return ""
	}
	return fmt.Sprintf("no method answered: %s: %s", why.Reason, why.Message)
}

func (c *certifier) seam(ctx context.Context) (Probe, error) {
	p := Probe{OK: true, Value: dataset.Known(0), Limit: dataset.Known(c.f.noise)}
	var found []string
	for _, x := range []struct{ what, context, response string }{
		{"newline after newline", c.context, "\nThe harbour is quiet."},
		{"inside a word", c.context + "I walk to th", "e harbour."}, // " the" is one token in every vocabulary
	} {
		res, why, err := c.score(ctx, c.forcer(), x.context, Response{Text: x.response})
		switch {
		case err != nil:
			return p, err
		case why == nil:
			p.Value = dataset.Known(max(p.Value.OrNaN(), perToken(res, x.context)))
			found = append(found, x.what+": answered")
		case why.Reason == ReasonSeam:
			found = append(found, x.what+": refused")
		default:
			p.OK = false
			found = append(found, x.what+": "+because(why))
		}
	}
	p.OK = p.OK && p.Value.OrNaN() <= p.Limit.OrNaN()
	p.Detail = "largest spread between methods where tokens may span the seam, nats per token; " + strings.Join(found,
		"; ")
	return p, nil
}

// greedy is how the probes draw: short, and the same every time.
var greedy = offpolicy.Sampling{Temperature: 0, TopP: 1, TopK: 0, MaxTokens: 24}

// replyPrompts are what the model is asked. Several, because a reply whose text
// is tokenised otherwise than it was sampled cannot be compared.
var replyPrompts = []string{
	"Count from one to ten in words.",
	probePrompt,
	"Repeat after me: the quick brown fox jumps over the lazy dog.",
}

func (c *certifier) template(ctx context.Context) (Probe, error) {
	p := Probe{Limit: dataset.Known(templateLimit)}
	if c.t.EndOfTurn() == "" {
		return Probe{OK: true, NotApplicable: true, Limit: dataset.Known(templateLimit),
			Detail: "the raw template renders nothing that chat could render differently"}, nil
	}
	for _, text := range replyPrompts {
		prompt := dataset.Prompt{ID: string(c.probe), Text: text}
		rendered, err := c.f.Render(c.p, prompt)
		if err != nil {
			return p, err
		}
		msgs := turns(c.p, prompt)
		g, err := c.generate(ctx, providers.GenerateRequest{Model: c.p.Model, Messages: msgs})
		if errors.Is(err, errors.ErrUnsupported) {
			return Probe{OK: true, NotApplicable: true, Limit: p.Limit,
				Detail: "the endpoint has no chat to compare with: " + cause(err)}, nil
		}
		if err != nil {
			return p, err
		}
		if g.Hidden != "" {
			p.Detail = "the reply's text is not the whole action, and its log-prob not that of what was done: " + g.Hidden
			return p, nil
		}
		res, why, err := c.scoreAfter(ctx, c.conversant(), rendered, msgs, ResponseOf(c.p, g))
		if err != nil {
			return p, err
		}
		if why != nil {
			p.Detail = because(why)
			continue
		}
		got, ok := c.compareReply(g, res)
		if !ok {
			p.Detail = "the reply's tokens by chat are not those of its text"
			continue
		}
		got.conversation(res)
		if g.PromptIDs == nil {
			return got, nil
		}
		// A confident reply can hide a small difference of the contexts; ids
		// cannot.
		e, err := c.echo(ctx, rendered)
		if err != nil {
			return p, err
		}
		if ids := e.ids(); ids != nil && !slices.Equal(ids, g.PromptIDs) {
			got.OK = false
			got.Detail += fmt.Sprintf("; chat makes %d tokens of the conversation and our rendering %d, which differ from "+
				"token %d on", len(g.PromptIDs), len(ids), firstDifference(ids, g.PromptIDs))
		}
		return got, nil
	}
	return p, nil
}

// conversation adds what the server's own rendering says of the reply, if it
// was asked.
func (p *Probe) conversation(res Result) {
	m, ok := res.Methods[MethodChat]
	switch {
	case !ok:
	case m.Status == OK:
		d := math.Abs(m.LogProb.OrNaN()-res.LogProb.OrNaN()) / float64(res.Tokens)
		p.OK = p.OK && d <= templateLimit
		p.Detail += fmt.Sprintf("; the conversation scored as the server renders it differs by %.3g a token", d)
	case slices.Contains(res.Flags, FlagTemplate):
		p.OK = false
		p.Detail += "; asked to score the conversation, the server renders its context otherwise than our template"
	default:
		p.Detail += "; the conversation as the server renders it was not compared: " + string(m.Reason)
	}
}

func firstDifference(a, b []int) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// compareReply holds the log-probs that the chat endpoint gave its own reply
// against those of the same tokens in our rendering.
func (c *certifier) compareReply(g providers.Generation, res Result) (Probe, bool) {
	n := min(len(g.Tokens), res.Tokens)
	if len(g.Tokens) == 0 {
		mean := res.LogProb.OrNaN() / float64(res.Tokens)
		return Probe{
			OK: mean > greedyFloor, Value: dataset.Known(mean), Limit: dataset.Known(greedyFloor),
			Detail: "mean log-prob per token of a greedy chat reply in our rendering, which must exceed the limit; chat " +
				"gave no log-probs to compare with",
		}, true
	}
	// Chat may or may not list the end-of-turn token; nothing else may differ.
	if len(g.Tokens)-n > 1 || res.Tokens-n > 1 {
		return Probe{}, false
	}
	var total float64
	for i := range n {
		total += math.Abs(g.Tokens[i].LogProb.OrNaN() - res.TokenLogProbs[i])
	}
	mean := total / float64(n)
	p := Probe{OK: mean <= templateLimit, Value: dataset.Known(mean), Limit: dataset.Known(templateLimit),
		Detail: fmt.Sprintf("mean absolute difference of a greedy reply's log-probs by chat and by our rendering, nats "+
			"per token, over %d tokens", n)}
	if !p.OK {
		p.Detail += fmt.Sprintf(": chat does not render as template %q does; name the template of the model's own family",
			c.t.Name())
	}
	return p, !math.IsNaN(mean)
}

func (c *certifier) knownAnswer(ctx context.Context) (Probe, error) {
	p := Probe{Limit: dataset.Known(0)}
	for _, text := range replyPrompts {
		rendered, err := c.f.Render(c.p, dataset.Prompt{ID: string(c.probe), Text: text})
		if err != nil {
			return p, err
		}
		g, err := c.generate(ctx, providers.GenerateRequest{Model: c.p.Model, Prompt: rendered})
		if errors.Is(err, errors.ErrUnsupported) {
			p.Detail = "the endpoint does not continue a rendered prompt: " + err.Error()
			return p, nil
		}
		if err != nil {
			return p, err
		}
		own := ResponseOf(c.p, g)
		own.Ended = false // compare the words alone
		f := c.forcer()
		right, why, err := c.score(ctx, f, rendered, own)
		if err != nil {
			return p, err
		}
		if why != nil {
			p.Detail = because(why)
			continue
		}
		wrong, why, err := c.score(ctx, f, rendered, Response{Text: shuffled(own.Text)})
		if err != nil {
			return p, err
		}
		if why != nil {
			p.Detail = because(why)
			continue
		}
		c.seen.own(g, right)
		p.Value = dataset.Known(right.LogProb.OrNaN() - wrong.LogProb.OrNaN())
		p.OK = p.Value.OrNaN() > p.Limit.OrNaN()
		p.Detail = fmt.Sprintf("nats by which the model's own reply (%.4g) is likelier than its words in reverse (%.4g); "+
			"must exceed the limit", right.LogProb.OrNaN(), wrong.LogProb.OrNaN())
		return p, nil
	}
	return p, nil
}

// shuffled reverses the words of s, or is nonsense if s has too few to be
// another text afterwards. White space in front stays: it decides where the
// first token begins.
func shuffled(s string) string {
	words := strings.Fields(s)
	slices.Reverse(words)
	out := strings.Join(words, " ")
	if len(words) < 3 || out == strings.Join(strings.Fields(s), " ") {
		out = "zq vxk jwq pfk zzv qxj"
	}
	lead := s[:len(s)-len(strings.TrimLeftFunc(s, unicode.IsSpace))]
	return lead + out
}

func (c *certifier) methods(context.Context) (Probe, error) {
	if Served(c.p.Template) {
		return Probe{OK: true, NotApplicable: true,
			Detail: "only " + MethodTokenIDs + " scores without a template: no second method is there to compare"}, nil
	}
	p := Probe{Value: c.worst, Limit: dataset.Known(c.f.noise)}
	p.OK = c.full > 0 && p.Value.OrNaN() <= p.Limit.OrNaN()
	p.Detail = fmt.Sprintf("largest spread between methods, nats per token; every text method answered on %d pairs",
		c.full)
	return p, nil
}
