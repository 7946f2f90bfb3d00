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
	floor   float64 // of each ordinary token, at least
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
	m := c.m
	ordinary, specials := float64(m.tok.ordinary), float64(len(specialTexts))
	switch c.region {
	case inRaw, inResponse:
		c.special, c.floor = specialMass, c.sit.floor/ordinary
		c.body = 1 - specialMass*specials - c.sit.floor
	case inFraming:
		c.special, c.floor, c.body = 1e-6, 1e-3/ordinary, 0
		return
	case between, inHeader:
		c.special, c.floor, c.body = 0.9/specials, 0.1/ordinary, 0
		return
	case inText:
		c.special, c.floor = 0.01/specials, 0.06/ordinary
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
	p := c.floor
	if id >= c.m.tok.ordinary {
		p = c.special
	}
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

// framing returns the token that is due after a header.
func (c *cursor) framing() int {
	if c.family == chatML {
		return '\n'
	}
	return c.m.blankLine
}

func (c *cursor) framingMass() float64 { return 1 - 1e-6*float64(len(specialTexts)) - 1e-3 }

// fill writes the distribution of the next token to dst.
func (c *cursor) fill(dst []float64) {
	c.prepare()
	ordinary := c.m.tok.ordinary
	for v := range dst[:ordinary] {
		dst[v] = c.floor
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

// advance moves past id.
func (c *cursor) advance(id int) {
	c.m.tok.check(id)
	c.hash = mix(c.hash, uint64(id))
	if id >= c.m.tok.ordinary {
		c.advanceSpecial(id)
	} else {
		c.advanceOrdinary(id)
	}
	c.ready = false
}

func (c *cursor) advanceOrdinary(id int) {
	m := c.m
	switch c.region {
	case inRaw, inResponse, inText:
		c.prepare()
		c.voiceProbs(id)
		c.learn()
		c.follow(id)
		if c.region == inText {
			c.collect(m.tok.bytes[id])
		}
	case inHeader:
		b := m.tok.bytes[id]
		if c.family == chatML && b[0] == '\n' {
			c.region = inFraming
			c.frame(id)
		} else {
			c.role = append(c.role, b...)
		}
	case inFraming:
		c.frame(id)
	}
}

// learn updates the weights by Bayes' rule. The floor is no voice's: a token that
// only the floor explains teaches nothing.
func (c *cursor) learn() {
	var sum float64
	for v := range c.weight {
		c.weight[v] *= c.floor + c.body*c.last[v]
		sum += c.weight[v]
	}
	kept := sum
	for v := range c.weight {
		if c.weight[v] < negligible*sum {
			kept -= c.weight[v]
			c.weight[v] = 0
		}
	}
	for v := range c.weight {
		c.weight[v] /= kept
	}
}

// negligible is the weight below which a voice is silent until the next
// paragraph.
const negligible = 1e-13

// follow moves the layout and, where a paragraph or an item ends, lets some of
// the weight of each style return to the prior. A new paragraph is the last one
// with a probability that grows with the length of the response.
func (c *cursor) follow(id int) {
	sh := &c.m.shapes[id]
	wasOpen := c.lay.slot > 0
	c.lay.advance(id, sh)
	if c.lay.slot > 0 {
		switch {
		case !wasOpen:
			c.node = 0
		case c.node >= 0:
			c.node = c.phrases().child(c.node, id)
		}
	}
	c.length++
	c.atEnd = sh.sentence && sh.newlines == 0 && c.lay.slot == 0 && !c.lay.code
	if !c.lay.restart {
		return
	}
	for s := range numStyles {
		main, closing := 2*voice(s), 2*voice(s)+1
		old := c.weight[main] + c.weight[closing]
		now := old + c.sit.leak*(c.sit.prior[s]-old)
		var share float64
		switch {
		case c.lay.atParagraph():
			share = c.m.set.styles[s].closing(c.length)
		case old > 0:
			share = c.weight[closing] / old
		}
		c.weight[main], c.weight[closing] = now*(1-share), now*share
	}
}

func (c *cursor) collect(b []byte) {
	if string(c.role) == "system" {
		c.system = append(c.system, b...)
	} else {
		c.user = append(c.user, b...)
	}
}

// frame consumes the token after a header: the newlines due there, perhaps with
// the first of the message's own behind them (a token across the seam).
func (c *cursor) frame(id int) {
	b := c.m.tok.bytes[id]
	due := 2
	if c.family == chatML {
		due = 1
	}
	n := 0
	for n < len(b) && b[n] == '\n' {
		n++
	}
	if n < due {
		c.oddness++
	}
	c.enter()
	if n == 0 {
		// Not a newline at all: the message begins without its framing.
		c.ready = false
		c.advanceOrdinary(id)
	}
}

// enter begins the message whose header has been read.
func (c *cursor) enter() {
	switch string(c.role) {
	case "assistant":
		odd := c.oddness
		if c.family == llama4 && c.bos != 1 {
			odd++
		}
		c.region = inResponse
		c.begin(c.m.situate(c.family, string(c.system), string(c.user), c.hash, odd))
	case "system":
		c.region = inText
		c.begin(c.m.rawSituation)
	default:
		c.region = inText
		c.user = c.user[:0]
		c.begin(c.m.rawSituation)
	}
}

func (c *cursor) advanceSpecial(id int) {
	m := c.m
	switch id {
	case m.special[bosText]:
		c.bos++
		return
	case m.special[headerStartText]:
		c.region, c.family, c.role = inHeader, llama4, c.role[:0]
	case m.special[header3StartText]:
		c.region, c.family, c.role = inHeader, llama3, c.role[:0]
	case m.special[imStartText]:
		c.region, c.family, c.role = inHeader, chatML, c.role[:0]
	case m.special[headerEndText], m.special[header3EndText]:
		if c.region == inHeader {
			c.region = inFraming
		} else {
			c.oddness++
		}
	default: // the end of a message or of everything
		c.region = between
	}
}
