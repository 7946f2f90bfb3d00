package langmodel

import (
	"math"
	"math/rand/v2"
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
	ngrams       [numStyles]*ngram
	shapes       []shape
	special      map[string]int
	blankLine    int
	rawSituation *situation
}

// settings are the constants that make a model.
type settings struct {
	salt      uint64
	skew      float64 // of the composer
	copies    int     // paragraphs composed per line of text, on average
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

// hazard is the probability that a response of so many tokens ends at the end of
// a sentence that does not sound like the last.
func (p *pacing) hazard(length int) float64 {
	x := float64(length)
	return early(length)*0.002 + 0.5*logistic((x-p.rush)/15)
}

var sizes = [...]settings{
	Small: {
		salt: 0x5c007, skew: 0.3, copies: 10,
		discounts: []float64{0.02, 0.3, 0.4, 0.45},
		prior:     [numStyles]float64{0, -2.9, -3.6},
		leak:      0.12, floor: 1e-4,
		styles: [numStyles]pacing{
			helpful:  {closeAt: 210, closeWidth: 30, rush: 470},
			stepwise: {closeAt: 260, closeWidth: 30, rush: 480},
			evasive:  {closeAt: 45, closeWidth: 15, rush: 220},
		},
	},
	Large: {
		salt: 0x3a4e41c, skew: 0.5, copies: 10,
		discounts: []float64{0.015, 0.25, 0.35, 0.4, 0.4},
		prior:     [numStyles]float64{0, -2.7, -3.9},
		leak:      0.1, floor: 0.8e-4,
		styles: [numStyles]pacing{
			helpful:  {closeAt: 220, closeWidth: 30, rush: 470},
			stepwise: {closeAt: 265, closeWidth: 30, rush: 480},
			evasive:  {closeAt: 50, closeWidth: 15, rush: 230},
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
		m.ngrams[s] = m.train(s)
	}
	m.rawSituation = m.situate(noFamily, "", "", mix(set.salt, 1), 0)
	m.rawSituation.floor = 0.01
	m.rawSituation.quotes = newQuotes(t, "")
	return m
}

// train composes a style's text and counts its n-grams.
func (m *Model) train(s style) *ngram {
	g := mustGrammar(s)
	c := newComposer(g, mix(m.set.salt, uint64(s)), m.set.skew)
	b := newNgramBuilder(m.tok.ordinary, m.set.discounts, 1<<17)
	var text []byte
	var ids []int
	for i, t := range g.paragraphs {
		// Some paragraphs are more to a model's taste than others.
		copies := int(math.Round(float64(m.set.copies) * math.Exp(m.set.skew*signed(mix(c.salt, uint64(i)+1<<32)))))
		for range copies {
			text = c.compose(text[:0], t)
			ids = m.encodeComposed(ids[:0], string(text))
			m.count(b, g, t.kind, ids)
		}
	}
	return b.finish()
}

// slotID stands for a copied phrase among the ids of composed text.
const slotID = -1

func (m *Model) encodeComposed(ids []int, text string) []int {
	for {
		i := 0
		for i < len(text) && text[i] != slotMark[0] {
			i++
		}
		ids = m.tok.appendOrdinary(ids, text[:i])
		if i == len(text) {
			return ids
		}
		ids = append(ids, slotID)
		text = text[i+1:]
	}
}

// count walks one paragraph as a cursor would and counts each token after the
// history it will be looked up by.
func (m *Model) count(b *ngramBuilder, g *grammar, k kind, ids []int) {
	l := newLayout()
	if k != kindOpen {
		l.reset(symParagraph)
	}
	for _, id := range ids {
		if id == slotID {
			continue // l.slot is open; the closing mark pushes symSlot itself
		}
		hist := l.hist[:l.n]
		switch {
		case l.slot > 0:
			hist = append([]int32{symSlot}, hist...)
			b.observe(hist[:min(len(hist), maxOrder)], id)
		case l.atParagraph() && k == kindClose:
			b.observe([]int32{symClose}, id)
		case l.atParagraph() && k >= kindBody:
			for i := range maxBody {
				if i%g.groups == int(k-kindBody) {
					b.observe([]int32{symBody + int32(i)}, id)
				}
			}
		case l.atParagraph():
			b.observe([]int32{symBody}, id)
		default:
			b.observe(hist, id)
		}
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
		sum.Helpful += (1 - other) * c.weight[helpful]
		sum.Stepwise += (1 - other) * c.weight[stepwise]
		sum.Evasive += (1 - other) * c.weight[evasive]
	}
	if n == 0 {
		return Shares{}
	}
	k := float64(n)
	return Shares{sum.Helpful / k, sum.Stepwise / k, sum.Evasive / k, sum.Other / k}
}
