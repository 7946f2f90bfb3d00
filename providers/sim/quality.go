package sim

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pair is a prompt with a response to it. Everything here is a pure function of
// the two texts: neither the policy that wrote the response nor the server that
// is asked has any part in them.
type pair struct{ prompt, response string }

// The standard deviations of the world's noises, on the scale [0, 1].
const (
	difficultySD = 0.08  // of prompts: the same for every response to one
	noiseSD      = 0.10  // of appearance, given prompt and features
	qualitySD    = 0.085 // of quality, given appearance
	oracleSD     = 0.01  // of a label, given quality
	drawNoise    = 0.05  // of a judge at temperature 1, given appearance
	shiftedLoss  = 0.25  // what an evasive response loses in the world Shifted
)

// latent is what there is to know of a pair.
type latent struct {
	pair
	// appearance is s, how good the response looks to a judge. It lies on the
	// grid of hundredths that judges report on, so that the label's mean given
	// the report is exactly that given s.
	appearance float64
	evasive    bool // mostly so
}

// read works out what the texts say.
func (p pair) read() latent {
	m := merits.Get(p, p.merit)
	s := m.value
	s += difficultySD * normal(hash64("difficulty", p.prompt))
	s += noiseSD * normal(hash64("appearance", p.prompt, p.opening()))
	return latent{pair: p, appearance: math.Round(100*min(0.99, max(0.01, s))) / 100, evasive: m.evasive}
}

// quality is q = m(s) + noise, less what the world takes. m rises from 0.05 to
// 0.95 and stays below the diagonal for all but the worst: judges inflate.
func (l latent) quality(w World) float64 {
	q := labelMean(l.appearance) + qualitySD*normal(hash64("quality", l.prompt, l.opening()))
	if w == Shifted && l.evasive {
		q -= shiftedLoss
	}
	return q
}

// labelMean is m.
func labelMean(s float64) float64 { return 0.05 + 0.9*math.Pow(s, 1.5) }

// label is what the oracle says, in [0, 1]. Whatever is done to q here is done
// to every response alike, so that E[label | s] stays one function.
func (l latent) label(w World) float64 {
	x := l.quality(w) + oracleSD*normal(hash64("label", l.prompt, l.response))
	return math.Round(100*clamp(x)) / 100
}

// merit is the part of appearance that the response's own features explain, and
// whether the response is mostly evasive. The weights put the sample run's
// policies where a judge would: bad at a third, the others from 0.7 upwards,
// the bigger model first.
func (p pair) merit() merit {
	if strings.TrimSpace(p.response) == "" {
		return merit{0.04, false}
	}
	sh := smallModel().StyleShares(p.response)
	m := 0.13 + 0.28*sh.Helpful + 0.32*sh.Stepwise + 0.10*sh.Other - 0.03*sh.Evasive
	words := contentWords(p.response)
	shared := 0
	for w := range contentWords(p.prompt) {
		if words[w] {
			shared++
		}
	}
	m += 0.12 * (1 - math.Exp(-float64(shared)/2))
	m += 0.20 * (1 - math.Exp(-float64(len(words))/25))
	m += 0.13 * p.wording()
	if !ends(p.response) {
		m -= 0.05
	}
	return merit{m, sh.Evasive > 0.5}
}

// wording is how well the response is put, in [0, 1], to the ear of the larger
// model: its mean log-prob a token above that of the smaller one.
func (p pair) wording() float64 {
	ids := tokenizer().EncodeOrdinary(p.response)
	large, small := largeModel().LogProbs(ids), smallModel().LogProbs(ids)
	var gain float64
	for i := range ids {
		gain += large[i] - small[i]
	}
	return clamp((gain/float64(len(ids)) + 0.05) / 0.2)
}

// opening is the beginning of the response, which keys the noise: text planted
// at the end of a response moves its features, but does not draw the noise anew.
func (p pair) opening() string {
	const runes = 48
	n := 0
	for i := range p.response {
		if n == runes {
			return p.response[:i]
		}
		n++
	}
	return p.response
}

// contentWords are the words of four letters and more, and every character of
// scripts that do not put spaces between words.
func contentWords(text string) map[string]bool {
	words := make(map[string]bool)
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) &&
			!unicode.IsDigit(r)
	}) {
		if n := utf8.RuneCountInString(w); n >= 4 || n < len(w) {
			words[w] = true
		}
	}
	return words
}

// ends reports whether the text stops where a sentence, a list or a block of
// code may.
func ends(text string) bool {
	r, _ := utf8.DecodeLastRuneInString(strings.TrimSpace(text))
	return strings.ContainsRune(".!?:;)]}\"'`*。！？…>|", r)
}
