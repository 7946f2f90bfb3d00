package langmodel

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
	least := c.least(c.lastID)
	for v := range c.weight {
		c.weight[v] *= least + c.body*c.last[v]
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
