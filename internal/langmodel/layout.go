package langmodel

// layout follows the structure of a response: which paragraph and sentence this
// is, which item of a list, whether a quoted phrase is open. What the n-grams
// condition on is not the raw last tokens but its history, in which structure
// has tokens of its own: a paragraph begins with a clean slate, the second item
// of a list knows that it is the second, and a phrase copied from the prompt
// counts as one word whatever it says. It is a pure function of the tokens.
type layout struct {
	hist  [maxOrder]int32 // most recent first
	n     int             // how many of hist are set
	para  int             // paragraphs begun, the first not counted
	sent  int             // sentences ended in this paragraph
	item  int             // list item this line is, 0 for none
	items int             // items so far in this list
	intro int32           // the symbol before the colon that announced this list
	slot  int             // tokens since the opening quote, 1 being the quote itself; 0 outside

	lineStart, number, code bool
	restart                 bool // an item or a paragraph has just ended
}

// maxOrder is the longest history, in tokens.
const maxOrder = 7

// maxSlot is how long a quoted phrase may be before it is taken for ordinary
// text.
const maxSlot = 64

// Structural tokens of a history, above all token ids.
const (
	symOpen     = 1<<14 + iota // the response begins
	symSlot                    // a phrase copied from the prompt
	symSentence                // + index of the sentence that ended, 0..3
	symItem     = 1<<14 + 16   // + item that ended
	symBody     = 1<<14 + 64   // + group of the paragraph that begins
)

const (
	maxItems   = 40
	bodyGroups = 4 // groups of body paragraphs, taken in turn
)

// shape is what layout must know of a token, computed once per token.
type shape struct {
	newlines     uint8 // it ends in
	colon        bool  // the text before the newlines ends in a colon
	sentence     bool  // ... in a sentence's end
	fence        bool  // contains ```
	quoteFirst   bool  // begins with "
	opensQuote   bool  // is ` "`
	number, dash bool  // is digits; is -
	dot          bool  // is "."
	value        uint8 // of a number below 20
}

func shapeOf(b []byte) shape {
	var s shape
	text := b
	for len(text) > 0 && text[len(text)-1] == '\n' {
		text = text[:len(text)-1]
		if s.newlines < 3 {
			s.newlines++
		}
	}
	if len(text) > 0 {
		switch text[len(text)-1] {
		case ':':
			s.colon = true
		case '.', '!', '?':
			s.sentence = true
		}
	}
	s.quoteFirst = b[0] == '"'
	s.opensQuote = string(b) == ` "`
	s.dash, s.dot = string(b) == "-", string(b) == "."
	v := 0
	s.number = len(b) <= 2
	for _, c := range b {
		if classes[c] != classDigit {
			s.number = false
			break
		}
		v = 10*v + int(c-'0')
	}
	s.value = uint8(min(v, maxItems/2-1))
	for i := 0; i+3 <= len(b); i++ {
		if string(b[i:i+3]) == "```" {
			s.fence = true
		}
	}
	return s
}

func newLayout() layout {
	l := layout{lineStart: true, restart: true}
	l.push(symOpen)
	return l
}

func (l *layout) push(sym int32) {
	copy(l.hist[1:], l.hist[:maxOrder-1])
	l.hist[0] = sym
	l.n = min(l.n+1, maxOrder)
}

func (l *layout) reset(sym int32) {
	l.hist[0], l.n = sym, 1
	l.restart = true
}

// atParagraph reports whether a paragraph other than the first begins here.
func (l *layout) atParagraph() bool { return l.n == 1 && l.hist[0] >= symBody }

// startBody begins body paragraph k, counted from 0.
func (l *layout) startBody(k int) {
	l.para = k + 1
	l.sent, l.item, l.items = 0, 0, 0
	l.lineStart = true
	l.reset(symBody + int32(k%bodyGroups))
}

// advance moves past one token.
func (l *layout) advance(id int, s *shape) {
	l.restart = false
	if l.slot > 0 {
		if s.quoteFirst {
			l.slot = 0
			l.push(symSlot)
		} else if l.slot++; l.slot > maxSlot {
			l.slot = 0
		} else {
			return
		}
	}
	wasStart, wasNumber := l.lineStart, l.number
	l.lineStart, l.number = false, false
	if s.fence {
		l.code = !l.code
	}
	switch {
	case l.code:
		l.push(int32(id))
	case s.newlines >= 2 && !s.colon:
		l.startBody(l.para)
	case s.newlines >= 2:
		l.intro = l.hist[0] // "... tips" + ":\n\n"
		l.lineStart = true
		l.push(int32(id))
	case s.newlines > 0 && l.item > 0:
		l.hist[1], l.n = l.intro, 2
		l.hist[0] = symItem + int32(l.item)
		l.item = 0
		l.lineStart, l.restart = true, true
	case s.newlines > 0:
		l.startBody(l.para) // a lone newline, unknown to the text, reads as a break
	case wasStart && s.number:
		l.item, l.number = int(s.value), true
		l.push(int32(id))
	case wasStart && s.dash:
		l.items = min(l.items+1, maxItems/2-1)
		l.item = maxItems/2 + l.items
		l.push(int32(id))
	case wasNumber && s.dot:
		l.push(int32(id)) // "1." opens an item and ends no sentence
	case s.sentence:
		l.push(symSentence + int32(min(l.sent, 3)))
		l.sent++
	case s.opensQuote:
		l.push(int32(id))
		l.slot = 1
	default:
		l.push(int32(id))
	}
}
