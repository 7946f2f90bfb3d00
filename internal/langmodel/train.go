package langmodel

import (
	"math"
	"slices"
	"strings"
	"sync"
)

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
		if id := ids[i]; id >= 256 && c.rng.Float64() < splitRate &&
			classes[t.bytes[id][len(t.bytes[id])-1]] == classLetter {
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
