package langmodel

import "math"

// region is what the next token belongs to.
type region int

const (
	inRaw      region = iota // a text without header: a response to nothing
	inHeader                 // the name of a role
	inFraming                // the newlines after a header
	inText                   // a message of the system or the user
	inResponse               // a message of the assistant
	between                  // after a message
)

// cursor walks a sequence of ids. Between two tokens, prepare works out the
// parts that the next token's distribution is a mixture of; prob reads one
// probability off them, fill all of them, and advance moves past a token.
// Everything a cursor holds is a pure function of the ids it has passed.
type cursor struct {
	m *Model

	region       region
	family       family
	role         []byte
	system, user []byte
	bos          int
	oddness      int
	hash         uint64

	sit    *situation
	lay    layout
	node   int32              // in sit.quotes while a quote is open; -1 off the trie
	length int                // tokens of the response so far
	weight [numVoices]float64 // of the voices, for the next token
	mix    [numVoices]mixture // valid after prepare
	ready  bool
	atEnd  bool // the last token ended a sentence

	special float64 // probability of each special token
	floor   float64 // mass spread over all ordinary tokens, as Model.floorShare says
	body    float64 // mass of the voices
	lastID  int     // the token whose probabilities are in last
	last    [numVoices]float64
}

// mixture is one voice's distribution over the next token.
type mixture struct {
	end   float64 // of the stop token
	quote float64 // share of the copied phrase in what remains
	chain chain   // of the n-gram, which has the rest
}

func newCursor(m *Model) *cursor {
	c := &cursor{m: m, region: inRaw, hash: mix(m.set.salt, 0)}
	c.begin(m.rawSituation)
	return c
}

// begin starts a response.
func (c *cursor) begin(s *situation) {
	c.sit = s
	c.lay = newLayout()
	c.length = 0
	c.atEnd = false
	for v := range numVoices {
		c.weight[v] = 0
		if !v.closing() {
			c.weight[v] = s.prior[v.style()]
		}
	}
	c.ready = false
}

// prepare works out the distribution of the next token.
func (c *cursor) prepare() {
	if c.ready {
		return
	}
	c.ready, c.lastID = true, -1
	specials := float64(len(c.m.tok.specials))
	switch c.region {
	case inRaw, inResponse:
		c.special, c.floor = specialMass, c.sit.floor
		c.body = 1 - specialMass*specials - c.sit.floor
	case inFraming:
		c.special, c.floor, c.body = 1e-6, 1e-3, 0
		return
	case between, inHeader:
		c.special, c.floor, c.body = 0.9/specials, 0.1, 0
		return
	case inText:
		c.special, c.floor = 0.01/specials, 0.06
		c.body = 1 - 0.01 - 0.06
	}
	for v := range numVoices {
		if c.weight[v] > 0 {
			c.prepareVoice(v)
		}
	}
}

// specialMass is the probability of each special token that is out of place in
// a response: small, and never nothing.
const specialMass = 1e-9

func (c *cursor) prepareVoice(v voice) {
	x := &c.mix[v]
	n := c.m.ngrams[v]
	l := &c.lay
	*x = mixture{}
	if l.slot > 0 {
		// The quote may close as soon as a phrase of the prompt is complete;
		// the mark that closes it is the n-gram's choice.
		hist := [maxOrder]int32{symSlot}
		copy(hist[1:], l.hist[:])
		n.lookup(hist[:min(l.n+1, maxOrder)], &x.chain)
		x.quote = c.openQuote()
	} else {
		n.lookup(l.hist[:l.n], &x.chain)
	}
	if c.region == inText {
		return
	}
	x.end = minEnd
	if l.slot == 0 && c.length > 0 {
		x.end += 0.99 * x.chain.end
		if c.atEnd {
			x.end += (0.99 - x.end) * c.m.set.styles[v.style()].hazard(c.length)
		}
	}
}

// minEnd is the least probability that a response ends at any token: an empty
// response is possible, and next to never seen.
const minEnd = 1e-7

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// openQuote returns the share of the copied phrase at this point of a quote.
func (c *cursor) openQuote() float64 {
	if c.node < 0 {
		return 0
	}
	q := c.phrases()
	nd := &q.nodes[c.node]
	return 1 - nd.end/nd.weight
}

func (c *cursor) phrases() *quotes {
	if c.sit.quotes == nil {
		c.sit.quotes = newQuotes(c.m.tok, c.sit.prompt)
	}
	return c.sit.quotes
}

// copied returns the probability that the copied phrase goes on with id, given
// that it goes on.
func (c *cursor) copied(id int) float64 {
	q := c.phrases()
	nd := &q.nodes[c.node]
	child := q.child(c.node, id)
	if child < 0 {
		return 0
	}
	return q.nodes[child].weight / (nd.weight - nd.end)
}

// voiceProbs sets last to the probability of id under each voice.
func (c *cursor) voiceProbs(id int) {
	if c.lastID == id {
		return
	}
	c.lastID = id
	for v := range numVoices {
		c.last[v] = 0
		if c.weight[v] == 0 {
			continue
		}
		x := &c.mix[v]
		switch {
		case id == c.sit.stop:
			c.last[v] = x.end
		case id < c.m.tok.ordinary:
			q := c.m.ngrams[v].prob(&x.chain, id)
			if x.quote > 0 {
				q = (1-x.quote)*q + x.quote*c.copied(id)
			}
			c.last[v] = (1 - x.end) * q
		}
	}
}

// prob returns the probability of id as the next token.
func (c *cursor) prob(id int) float64 {
	c.prepare()
	p := c.least(id)
	if c.region == inFraming && id == c.framing() {
		p += c.framingMass()
	}
	if c.body > 0 {
		c.voiceProbs(id)
		var q float64
		for v := range numVoices {
			q += c.weight[v] * c.last[v]
		}
		p += c.body * q
	}
	return p
}

// least is the probability that id has whatever the voices say.
func (c *cursor) least(id int) float64 {
	if id >= c.m.tok.ordinary {
		return c.special
	}
	return c.floor * c.m.floorShare[id]
}

// framing returns the token that is due after a header.
func (c *cursor) framing() int {
	if c.family == chatML {
		return '\n'
	}
	return c.m.blankLine
}

func (c *cursor) framingMass() float64 { return 1 - 1e-6*float64(len(c.m.tok.specials)) - 1e-3 }

// fill writes the distribution of the next token to dst.
func (c *cursor) fill(dst []float64) {
	c.prepare()
	ordinary := c.m.tok.ordinary
	for v, share := range c.m.floorShare {
		dst[v] = c.floor * share
	}
	for v := ordinary; v < len(dst); v++ {
		dst[v] = c.special
	}
	if c.region == inFraming {
		dst[c.framing()] += c.framingMass()
	}
	if c.body == 0 {
		return
	}
	for v := range numVoices {
		if c.weight[v] == 0 {
			continue
		}
		x := &c.mix[v]
		mass := c.body * c.weight[v]
		dst[c.sit.stop] += mass * x.end
		mass *= 1 - x.end
		if x.quote > 0 {
			q := c.phrases()
			nd := &q.nodes[c.node]
			for _, e := range nd.children {
				dst[e.tok] += mass * x.quote * q.nodes[e.node].weight / (nd.weight - nd.end)
			}
			mass *= 1 - x.quote
		}
		if mass > 0 {
			c.m.ngrams[v].add(&x.chain, mass, dst)
		}
	}
}
