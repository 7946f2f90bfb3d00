package langmodel

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
)

// Size selects one of the two models.
type Size int

const (
	// Small stands for the smaller of two models of one family.
	Small Size = iota
	// Large conditions on more context, discounts less and words things
	// differently: no probability of one size is that of the other.
	Large
)

// Model is an immutable language model over the tokens of [DefaultTokenizer],
// safe for concurrent use.
type Model struct {
	tok          *Tokenizer
	set          settings
	ngrams       [numVoices]*ngram
	shapes       []shape
	special      map[string]int
	blankLine    int
	rawSituation *situation
}

// settings are the constants that make a model.
type settings struct {
	salt      uint64
	own       int     // copies of each line of text beyond those that both sizes read, on average
	skew      float64 // how much their wording differs
	discounts []float64
	prior     [numStyles]float64 // logits
	leak      float64
	floor     float64
	styles    [numStyles]pacing
}

// pacing is a style's sense of length.
type pacing struct {
	closeAt, closeWidth float64 // tokens at which half of the next paragraphs are the last; and how sharply
	rush                float64 // tokens after which a response ends at the next sentence
}

// closing is the probability that a paragraph that begins after so many tokens
// is the last.
func (p *pacing) closing(length int) float64 {
	return logistic((float64(length) - p.closeAt) / p.closeWidth)
}

// hazard is the probability that a response of so many tokens ends at the end of
// a sentence, whatever that says.
func (p *pacing) hazard(length int) float64 {
	x := float64(length)
	return 0.002*logistic((x-60)/8) + 0.5*logistic((x-p.rush)/15)
}

// voice is a style either in the course of a response or in its last paragraph:
// the hidden state of the model, and an index into what is kept for it.
type voice int

const numVoices = 2 * voice(numStyles)

func (v voice) style() style  { return style(v / 2) }
func (v voice) closing() bool { return v%2 == 1 }

var sizes = [...]settings{
	Small: {
		salt:      0x5c007,
		discounts: []float64{0.003, 0.2, 0.25, 0.3, 0.35},
		prior:     [numStyles]float64{0, -3.2, -4.2},
		leak:      0.72, floor: 1e-4,
		styles: [numStyles]pacing{
			helpful:  {closeAt: 255, closeWidth: 40, rush: 430},
			stepwise: {closeAt: 310, closeWidth: 40, rush: 450},
			evasive:  {closeAt: 78, closeWidth: 20, rush: 220},
		},
	},
	Large: {
		salt: 0x3a4e41c, own: 10, skew: 0.7,
		discounts: []float64{0.002, 0.12, 0.18, 0.22, 0.25, 0.3},
		prior:     [numStyles]float64{0, -3.1, -4.4},
		leak:      0.7, floor: 0.8e-4,
		styles: [numStyles]pacing{
			helpful:  {closeAt: 260, closeWidth: 40, rush: 435},
			stepwise: {closeAt: 315, closeWidth: 40, rush: 455},
			evasive:  {closeAt: 80, closeWidth: 20, rush: 225},
		},
	},
}

var models = [...]func() *Model{
	Small: sync.OnceValue(func() *Model { return build(sizes[Small]) }),
	Large: sync.OnceValue(func() *Model { return build(sizes[Large]) }),
}

// New returns the model of a size. It is built on first use and shared. It
// panics on an unknown size.
func New(size Size) *Model {
	if size < 0 || int(size) >= len(models) {
		panic("langmodel: unknown size")
	}
	return models[size]()
}

func build(set settings) *Model {
	t := DefaultTokenizer()
	m := &Model{tok: t, set: set, special: t.special, shapes: make([]shape, t.ordinary)}
	for id := range m.shapes {
		m.shapes[id] = shapeOf(t.bytes[id])
	}
	blank := t.EncodeOrdinary("\n\n")
	if len(blank) != 1 {
		panic("langmodel: a blank line is not one token")
	}
	m.blankLine = blank[0]
	for s := range numStyles {
		m.train(s)
	}
	m.rawSituation = m.situate(noFamily, "", "", mix(set.salt, 1), 0)
	m.rawSituation.floor = 0.01
	m.rawSituation.quotes = newQuotes(t, "")
	return m
}

// train composes a style's text and counts its n-grams.
func (m *Model) train(s style) {
	g := grammars[s]()
	c := newComposer(g, mix(m.set.salt, uint64(s)), m.set.skew)
	text := shared[s]()
	for i, t := range g.paragraphs {
		// Some paragraphs are more to a model's taste than others.
		taste := math.Exp(m.set.skew * signed(mix(c.salt, uint64(i)+1<<32)))
		for range int(math.Round(float64(m.set.own) * taste)) {
			text = append(text, encoded{t.kind, m.tok.encodeComposed(c, t)})
		}
	}
	size := 0
	for _, p := range text {
		size += len(p.ids)
	}
	main := newNgramBuilder(m.tok.ordinary, m.set.discounts, size)
	closing := newNgramBuilder(m.tok.ordinary, m.set.discounts, size/4)
	for _, p := range text {
		if p.kind == kindClose {
			m.count(closing, g, p.kind, p.ids)
		} else {
			m.count(main, g, p.kind, p.ids)
		}
	}
	m.ngrams[2*voice(s)], m.ngrams[2*voice(s)+1] = main.finish(), closing.finish()
}

// encoded is a paragraph of training text.
type encoded struct {
	kind kind
	ids  []int
}

// sharedCopies is how often each line of text is spelled out for both sizes.
const sharedCopies = 20

// shared is the part of a style's training text that both sizes read, clipped so
// that each may append its own.
var shared = func() (compose [numStyles]func() []encoded) {
	for s := range numStyles {
		compose[s] = sync.OnceValue(func() []encoded {
			g := grammars[s]()
			c := newComposer(g, uint64(s)+2, 0)
			var text []encoded
			for _, t := range g.paragraphs {
				for range sharedCopies {
					text = append(text, encoded{t.kind, DefaultTokenizer().encodeComposed(c, t)})
				}
			}
			return slices.Clip(text)
		})
	}
	return compose
}()

const (
	// slotID stands for a copied phrase among the ids of composed text.
	slotID = -1
	// splitRate is the share of tokens that are spelled as the two they were
	// merged from: what teaches a model to write, now and then, ids that are not
	// the canonical ones of their text.
	splitRate = 2.5e-4
)

// encodeComposed composes one paragraph and encodes it.
func (t *Tokenizer) encodeComposed(c *composer, p template) []int {
	text := string(c.compose(nil, p))
	var ids []int
	for {
		i := strings.IndexByte(text, slotMark[0])
		if i < 0 {
			ids = t.appendOrdinary(ids, text)
			break
		}
		ids = append(t.appendOrdinary(ids, text[:i]), slotID)
		text = text[i+1:]
	}
	for i := 0; i < len(ids); i++ {
		if id := ids[i]; id >= 256 && c.rng.Float64() < splitRate && classes[t.bytes[id][len(t.bytes[id])-1]] == classLetter {
			parts := t.parents[id-256]
			ids = slices.Replace(ids, i, i+1, int(parts[0]), int(parts[1]))
		}
	}
	return ids
}

// count walks one paragraph as a cursor would, in every place of a response where
// it may stand, and counts each token after the history it will be looked up by.
func (m *Model) count(b *ngramBuilder, g *grammar, k kind, ids []int) {
	if k == kindOpen {
		m.countFrom(b, k, newLayout(), ids)
		return
	}
	for place := range bodyGroups {
		if k == kindClose || place%g.groups == int(k-kindBody) {
			l := newLayout()
			l.startBody(place)
			m.countFrom(b, k, l, ids)
		}
	}
}

func (m *Model) countFrom(b *ngramBuilder, k kind, l layout, ids []int) {
	for _, id := range ids {
		hist := l.hist[:l.n]
		switch {
		case id == slotID:
			continue // the mark that closes the quote pushes symSlot itself
		case l.slot > 0:
			hist = append([]int32{symSlot}, hist...)
			hist = hist[:min(len(hist), maxOrder)]
		}
		b.observe(hist, id)
		l.advance(id, &m.shapes[id])
	}
	if k == kindClose {
		b.observe(l.hist[:l.n], endMark)
	}
}

// Tokenizer returns [DefaultTokenizer].
func (m *Model) Tokenizer() *Tokenizer { return m.tok }

// LogProbs returns the log-probability of every token given all before it, in
// nats, at temperature 1: out[i] = ln p(ids[i] | ids[:i]), and out[0] is under
// the empty context. out[i] is a pure function of ids[:i+1], bit for bit. It
// panics if an id is not a token.
func (m *Model) LogProbs(ids []int) []float64 {
	out := make([]float64, len(ids))
	c := newCursor(m)
	for i, id := range ids {
		m.tok.check(id)
		out[i] = math.Log(c.prob(id))
		c.advance(id)
	}
	return out
}

// Candidate is a possible next token and its log-probability in nats.
type Candidate struct {
	ID      int
	LogProb float64
}

// Top returns the n most probable tokens after ctx, the most probable first and
// the lower id among equals. Their values are those of [Model.LogProbs], bit for
// bit.
func (m *Model) Top(ctx []int, n int) []Candidate {
	c := m.after(ctx)
	p := make([]float64, m.tok.Size())
	c.fill(p)
	return c.top(p, n)
}

// Distribution returns p(. | ctx) over the whole vocabulary, by id, in dst if
// its capacity is enough.
func (m *Model) Distribution(ctx []int, dst []float64) []float64 {
	if cap(dst) < m.tok.Size() {
		dst = make([]float64, m.tok.Size())
	}
	dst = dst[:m.tok.Size()]
	m.after(ctx).fill(dst)
	return dst
}

func (m *Model) after(ctx []int) *cursor {
	c := newCursor(m)
	for _, id := range ctx {
		c.advance(id)
	}
	return c
}

// Draw is a generated response.
type Draw struct {
	IDs []int // without the stop token
	// LogProbs and Sampling have one value per generated token, the stop
	// token's last where Stopped: the log-probability under the model itself
	// (those of [Model.LogProbs], bit for bit), and under the distribution that
	// was sampled from. They are equal at temperature 1 without filters.
	LogProbs, Sampling []float64
	Stopped            bool // a stop id was drawn, else maxTokens were
	StopID             int  // that id, where Stopped
}

// Generate draws a response to ctx, one uniform number of rng per token, until a
// stop id is drawn or maxTokens tokens are, the stop token counted. It panics on
// sampling settings out of range.
func (m *Model) Generate(ctx []int, s Sampling, maxTokens int, stop []int, rng *rand.Rand) Draw {
	s.check()
	var d Draw
	c := m.after(ctx)
	p := make([]float64, m.tok.Size())
	for range maxTokens {
		c.fill(p)
		s.Apply(p)
		id := draw(p, rng)
		logProb := math.Log(c.prob(id))
		sampled := logProb
		if !s.neutral() {
			sampled = math.Log(p[id])
		}
		d.LogProbs = append(d.LogProbs, logProb)
		d.Sampling = append(d.Sampling, sampled)
		for _, x := range stop {
			if id == x {
				d.Stopped, d.StopID = true, id
				return d
			}
		}
		d.IDs = append(d.IDs, id)
		c.advance(id)
	}
	return d
}

func (c *cursor) top(p []float64, n int) []Candidate {
	n = max(0, min(n, len(p)))
	out := make([]Candidate, 0, n)
	taken := make([]bool, len(p))
	for range n {
		best := -1
		for v := range p {
			if !taken[v] && (best < 0 || p[v] > p[best]) {
				best = v
			}
		}
		taken[best] = true
		out = append(out, Candidate{best, math.Log(c.prob(best))})
	}
	return out
}

// Shares tell how far a text reads as each style; they sum to 1. Other is what
// no style explains better than chance.
type Shares struct{ Helpful, Stepwise, Evasive, Other float64 }

// StyleShares returns the average responsibility of each style for the tokens
// of response: a pure function of the text, whatever prompt it answered. It is
// zero for the empty text.
func (m *Model) StyleShares(response string) Shares {
	c := newCursor(m)
	s := *m.rawSituation
	s.floor, s.leak = 0.02, 0.1
	s.prior = [numStyles]float64{1. / 3, 1. / 3, 1. / 3}
	c.begin(&s)
	var sum Shares
	n := 0
	for _, id := range m.tok.EncodeOrdinary(response) {
		quoted := c.lay.slot > 0 && !m.shapes[id].quoteFirst
		p := c.prob(id)
		other := c.floor / p
		c.advance(id)
		if quoted {
			continue // the prompt's words, not the style's
		}
		n++
		sum.Other += other
		sum.Helpful += (1 - other) * c.styleWeight(helpful)
		sum.Stepwise += (1 - other) * c.styleWeight(stepwise)
		sum.Evasive += (1 - other) * c.styleWeight(evasive)
	}
	if n == 0 {
		return Shares{}
	}
	k := float64(n)
	return Shares{sum.Helpful / k, sum.Stepwise / k, sum.Evasive / k, sum.Other / k}
}

func (c *cursor) styleWeight(s style) float64 { return c.weight[2*s] + c.weight[2*s+1] }
