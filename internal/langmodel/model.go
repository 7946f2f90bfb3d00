package langmodel

import (
	"math"
	"math/rand/v2"
	"sync"
	"unicode/utf8"
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

// Model is an immutable language model over the tokens of a [Tokenizer], safe for concurrent use.
type Model struct {
	tok          *Tokenizer
	set          settings
	ngrams       [numVoices]*ngram
	shapes       []shape
	floorShare   []float64 // of the floor's mass, by ordinary token; sums to 1
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
		salt: 0x3a4e41c, own: 14, skew: 1.1,
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
	Small: sync.OnceValue(func() *Model { return build(sizes[Small], DefaultTokenizer()) }),
	Large: sync.OnceValue(func() *Model { return build(sizes[Large], DefaultTokenizer()) }),
}

var polyglot = sync.OnceValue(func() *Model { return build(sizes[Small], PolyglotTokenizer()) })

// New returns the model of a size. It is built on first use and shared. It
// panics on an unknown size.
func New(size Size) *Model {
	if size < 0 || int(size) >= len(models) {
		panic("langmodel: unknown size")
	}
	return models[size]()
}

// Polyglot returns the small model over [PolyglotTokenizer], built on first use
// and shared. It is for tests of what is sent to a model, not of what it answers:
// a context in the format of a family that the models were not "trained" on is
// scored like any other text without a header, and its special tokens count.
func Polyglot() *Model { return polyglot() }

func build(set settings, t *Tokenizer) *Model {
	m := &Model{tok: t, set: set, special: t.special, shapes: make([]shape, t.ordinary)}
	for id := range m.shapes {
		m.shapes[id] = shapeOf(t.bytes[id])
	}
	m.floorShare = floorShares(t)
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

// fragmentShare is the floor's weight of a token that is no whole UTF-8 text,
// where that of another token is 1. Pieces of characters out of place are rarer
// in real models' responses than words out of place.
const fragmentShare = 0.01

func floorShares(t *Tokenizer) []float64 {
	shares := make([]float64, t.ordinary)
	var sum float64
	for id := range shares {
		shares[id] = 1
		if !utf8.Valid(t.bytes[id]) {
			shares[id] = fragmentShare
		}
		sum += shares[id]
	}
	for id := range shares {
		shares[id] /= sum
	}
	return shares
}

// Tokenizer returns the tokenizer of the model's tokens.
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
	// Penalised are those after the penalty of [Model.GeneratePenalised], before the sampling.
	Penalised []float64
	Stopped   bool // a stop id was drawn, else maxTokens were
	StopID    int  // that id, where Stopped
}

// Generate draws a response to ctx, one uniform number of rng per token, until a
// stop id is drawn or maxTokens tokens are, the stop token counted. It panics on
// sampling settings out of range.
func (m *Model) Generate(ctx []int, s Sampling, maxTokens int, stop []int, rng *rand.Rand) Draw {
	return m.GeneratePenalised(ctx, s, 1, maxTokens, stop, rng)
}

// GeneratePenalised is Generate with an engine's repetition penalty, the log-probs being its
// logits: before s applies, each token that occurred in the context or the response so far has
// its probability raised to the power of penalty, at least 0. 1 leaves it alone.
func (m *Model) GeneratePenalised(ctx []int, s Sampling, penalty float64, maxTokens int, stop []int,
	rng *rand.Rand) Draw {
	s.check()
	var penalised []float64
	seen := map[int]bool{}
	for _, id := range ctx {
		seen[id] = true
	}
	var d Draw
	c := m.after(ctx)
	p := make([]float64, m.tok.Size())
	for range maxTokens {
		c.fill(p)
		if penalty != 1 {
			penalise(p, penalty, seen)
		}
		penalised = append(penalised[:0], p...)
		s.Apply(p)
		id := draw(p, rng)
		d.Penalised = append(d.Penalised, math.Log(penalised[id]))
		logProb := math.Log(c.prob(id))
		sampled := logProb
		if !s.neutral() || penalty != 1 {
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
		seen[id] = true
		c.advance(id)
	}
	return d
}

// penalise raises the probabilities of the tokens seen to a power, and divides by the sum.
func penalise(p []float64, power float64, seen map[int]bool) {
	for id := range seen {
		p[id] = math.Pow(p[id], power)
	}
	var sum float64
	for _, x := range p {
		sum += x
	}
	for v := range p {
		p[v] /= sum
	}
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
		other := c.least(id) / p
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
