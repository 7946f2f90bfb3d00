package sim

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pair is a prompt with a response to it. What follows are pure functions of
// the two texts: neither the policy that wrote the response nor the server that
// is asked has any part in them.
type pair struct{ prompt, response string }

// The standard deviations of the world's noises, on the scale [0, 1].
const (
	noiseSD     = 0.10  // of appearance, given the text's features
	qualitySD   = 0.085 // of quality, given appearance
	oracleSD    = 0.01  // of a label, given quality
	drawNoise   = 0.05  // of a judge at temperature 1, given appearance
	shiftedLoss = 0.25  // what an evasive response loses in the world Shifted
)

// appearance is s, how good the response looks to a judge. It lies on the grid
// of hundredths that judges report on, so that the label's mean given the
// report is exactly that given s.
func (p pair) appearance() float64 {
	s := p.merit() + noiseSD*normal(hash64("appearance", p.prompt, p.opening()))
	return math.Round(100*min(0.99, max(0.01, s))) / 100
}

// merit is the part of appearance that the text explains.
func (p pair) merit() float64 {
	if strings.TrimSpace(p.response) == "" {
		return 0.04
	}
	sh := smallModel().StyleShares(p.response)
	words := contentWords(p.response)
	shared := 0
	for w := range contentWords(p.prompt) {
		if words[w] {
			shared++
		}
	}
	length := 1 - math.Exp(-float64(len(words))/25)
	m := 0.20 + 0.30*sh.Helpful + 0.36*sh.Stepwise + 0.10*sh.Other - 0.18*sh.Evasive
	m += 0.12*(1-math.Exp(-float64(shared)/2)) + 0.20*length
	if !ends(p.response) {
		m -= 0.05
	}
	return m
}

// quality is q = m(s) + noise, before the world takes its share. m rises from
// 0.05 to 0.95 and stays below the diagonal in between: judges inflate.
func (p pair) quality(w World) float64 {
	q := 0.05 + 0.9*math.Pow(p.appearance(), 1.5)
	q += qualitySD * normal(hash64("quality", p.prompt, p.opening()))
	if w == Shifted && smallModel().StyleShares(p.response).Evasive > 0.5 {
		q -= shiftedLoss
	}
	return q
}

// label is what the oracle says, in [0, 1]. Whatever is done to q here is done
// to every response alike, so that E[label | s] stays one function.
func (p pair) label(w World) float64 {
	x := p.quality(w) + oracleSD*normal(hash64("label", p.prompt, p.response))
	return math.Round(100*clamp(x)) / 100
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
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
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
