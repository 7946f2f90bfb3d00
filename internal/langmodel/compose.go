package langmodel

import (
	"math"
	"math/rand/v2"
	"strings"
)

// composer spells out templates. Each choice has weights exp(skew*z), z fixed
// per alternative by a hash of salt, so that composers of different salt prefer
// different wordings of the same text.
type composer struct {
	g    *grammar
	rng  *rand.Rand
	salt uint64
	skew float64
}

func newComposer(g *grammar, salt uint64, skew float64) *composer {
	return &composer{g: g, rng: rand.New(rand.NewPCG(salt, 0x5eed)), salt: salt, skew: skew}
}

// compose writes one paragraph over b. Paragraphs end in a blank line, except
// those that close a response.
func (c *composer) compose(b []byte, t template) []byte {
	b = append(b[:0], fixArticles(c.insertAsides(c.spell(b, t.parts)))...)
	if t.kind != kindClose && (len(b) < 2 || string(b[len(b)-2:]) != "\n\n") {
		for len(b) > 0 && b[len(b)-1] == '\n' {
			b = b[:len(b)-1]
		}
		b = append(b, "\n\n"...)
	}
	return b
}

// asideRate is the share of the sentences fit for it that begin with an aside.
const asideRate = 0.3

// insertAsides begins some sentences with a line of the pool aside: those after
// the first of a paragraph whose first word shows them to be statements.
func (c *composer) insertAsides(b []byte) []byte {
	asides := c.g.pools["aside"]
	if len(asides) == 0 {
		return b
	}
	var out []byte
	from := 0
	for i := 1; i+1 < len(b); i++ {
		if b[i] != ' ' || b[i-1] != '.' && b[i-1] != '!' || i > 1 && classes[b[i-2]] == classDigit {
			continue
		}
		end := i + 1
		for end < len(b) && classes[b[end]] == classLetter {
			end++
		}
		if !statementWords[string(b[i+1:end])] || c.rng.Float64() >= asideRate {
			continue
		}
		out = append(out, b[from:i+1]...)
		out = c.spell(out, asides[c.choose(0, len(asides))].parts)
		out = append(out, ' ', b[i+1]|0x20)
		from = i + 2
	}
	if from == 0 {
		return b
	}
	return append(out, b[from:]...)
}

// statementWords begin sentences that an aside may precede.
var statementWords = func() map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(`A An Each Every Everybody Experts Family Habits It Little Many Missing Most Much
		Neither Nobody None Nothing Online Opinions Patterns People Problems Rules Results Small Some Someone Studies
		Stuff The There These They Things This Those Today Trends We What Whatever Words You`) {
		m[w] = true
	}
	return m
}()

func (c *composer) spell(b []byte, parts []part) []byte {
	for _, p := range parts {
		switch {
		case p.pool != "":
			lines := c.g.pools[p.pool]
			if len(lines) == 0 {
				panic("langmodel: no pool named " + p.pool)
			}
			b = c.spell(b, lines[c.choose(hashString(p.pool), len(lines))].parts)
		case p.choices != nil:
			b = c.spell(b, p.choices[c.choose(p.id, len(p.choices))])
		default:
			b = append(b, p.text...)
		}
	}
	return b
}

func (c *composer) choose(id uint64, n int) int {
	if c.skew == 0 {
		return c.rng.IntN(n)
	}
	var sum float64
	for i := range n {
		sum += c.weight(id, i)
	}
	u := c.rng.Float64() * sum
	for i := range n - 1 {
		if u -= c.weight(id, i); u < 0 {
			return i
		}
	}
	return n - 1
}

func (c *composer) weight(id uint64, i int) float64 {
	return math.Exp(c.skew * signed(mix(c.salt, mix(id, uint64(i)))))
}

// tokenizerText is what the merges are learned from: every style's paragraphs,
// spelled out a few times, and some text in the manner of prompts.
func tokenizerText() string {
	var all strings.Builder
	var b []byte
	for s := range numStyles {
		g := grammars[s]()
		c := newComposer(g, 1, 0)
		for range 3 {
			for _, t := range g.paragraphs {
				b = c.compose(b[:0], t)
				all.Write(b)
			}
		}
		all.WriteString(strings.Repeat(g.extra, 10))
	}
	return strings.ReplaceAll(all.String(), slotMark, "")
}

// mix combines two words into a well-spread third (splitmix64's finaliser).
func mix(a, b uint64) uint64 {
	z := a*0x9E3779B97F4A7C15 + b + 0x632BE59BD9B4E019
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// signed maps a hash to (-1, 1).
func signed(h uint64) float64 { return float64(int64(h)) / (1 << 63) }

func hashString(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// fixArticles writes a before a consonant and an before a vowel.
func fixArticles(b []byte) []byte {
	out := make([]byte, 0, len(b)+8)
	for i := 0; i < len(b); i++ {
		out = append(out, b[i])
		if b[i] != 'a' && b[i] != 'A' || i > 0 && b[i-1] != ' ' && b[i-1] != '\n' {
			continue
		}
		next := i + 1
		if next < len(b) && b[next] == 'n' {
			next++
		}
		if next+1 >= len(b) || b[next] != ' ' || classes[b[next+1]] != classLetter {
			continue
		}
		if vowelSound(string(b[next+1 : min(next+8, len(b))])) {
			out = append(out, 'n')
		}
		i = next - 1
	}
	return out
}

func vowelSound(word string) bool {
	for _, p := range []string{"use", "usu", "uni", "eu", "one ", "one-", "once"} {
		if strings.HasPrefix(word, p) {
			return false
		}
	}
	return strings.IndexByte("aeiou", word[0]) >= 0 || strings.HasPrefix(word, "hour") ||
		strings.HasPrefix(word, "honest")
}
