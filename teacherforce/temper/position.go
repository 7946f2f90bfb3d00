package temper

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Token is a token that a server shows, with its log-prob under the model's own
// distribution, in nats.
type Token struct {
	ID      int    // -1 if unknown
	Text    string // tells tokens apart if ids are unknown
	LogProb float64
}

// Position is what a server shows of one position of a text.
type Position struct {
	Scored Token // the token that stands there
	// Top are the likeliest tokens, in any order. The scored one may be among
	// them, or appended to them though it is less likely.
	Top []Token
	// Asked is how many alternatives were asked for.
	Asked int
	// Vocabulary is the number of tokens that the model can emit, or any larger
	// number; 0 if unknown.
	Vocabulary int
	// Drawn says that the policy drew the scored token itself: it is kept, unless what is
	// shown excludes that.
	Drawn bool
	// Noise is how far two answers for one text may lie apart, in nats a token. What
	// depends on less is undecided.
	Noise float64
}

// shown is a position made ready: probabilities relative to that of the likeliest
// token, so that no power of them overflows.
type shown struct {
	top      []float64 // log-probs relative to the likeliest, falling
	x        float64   // the scored token's
	at       int       // its index in top, -1 if it is appended
	rLo, rHi float64   // probability of the tokens not shown, relative
	q        float64   // bound on each of them, relative
	m        int       // how many there are at most, -1 if unknown
	noise    float64
	drawn    bool // the scored token is kept if it may be
}

// read makes p ready, or says why its alternatives cannot be used.
func (p Position) read() (shown, string) {
	s := shown{at: -1, m: -1, drawn: p.Drawn, noise: max(p.Noise, 0) + 1e-12} // 1e-12 is float64's own rounding
	if !(p.Scored.LogProb <= 0) || math.IsInf(p.Scored.LogProb, 0) {
		return s, "the token has no finite log-prob"
	}
	if len(p.Top) == 0 || p.Asked < 1 {
		return s, "the server shows no alternatives to the token"
	}
	top := slices.Clone(p.Top)
	for _, t := range top {
		if !(t.LogProb <= 0) {
			return s, "an alternative has no log-prob"
		}
	}
	for _, t := range append(top, p.Scored) {
		if p.Vocabulary > 0 && t.ID >= p.Vocabulary {
			return s, fmt.Sprintf("token id %d is outside the vocabulary of %d tokens that was stated", t.ID, p.Vocabulary)
		}
	}
	slices.SortStableFunc(top, func(a, b Token) int { return cmp.Compare(b.LogProb, a.LogProb) })
	byID := p.Scored.ID >= 0 && !slices.ContainsFunc(top, func(t Token) bool { return t.ID < 0 })
	if why := distinct(top, byID); why != "" {
		return s, why
	}
	s.at = slices.IndexFunc(top, func(t Token) bool {
		if byID {
			return t.ID == p.Scored.ID
		}
		return t.Text == p.Scored.Text
	})
	unit := precision(append(slices.Clone(top), p.Scored))
	if s.at >= 0 && math.Abs(top[s.at].LogProb-p.Scored.LogProb) > p.Noise+2*unit(p.Scored.LogProb) {
		return s, "the token's log-prob is not that of the alternative of its name"
	}
	if len(top) > p.Asked+1 || len(top) == p.Asked+1 && s.at < 0 {
		return s, "the server shows more alternatives than it was asked for"
	}
	if s.at >= 0 && len(top) == p.Asked+1 {
		// Appended, and then it is the last; a tie may have put it before another.
		if s.at < p.Asked && top[s.at].LogProb > top[p.Asked].LogProb {
			return s, "the server shows more alternatives than it was asked for"
		}
		top = slices.Delete(top, s.at, s.at+1)
		s.at = -1
	} else if !byID && p.Vocabulary != len(top) && (len(top) < p.Asked || s.at == len(top)-1) {
		// A map keyed by text merges two tokens that decode alike, and the scored token
		// may stand in the place of the one that was lost.
		return s, "the alternatives are known by their text, and two tokens may share one"
	}
	peak := top[0].LogProb
	if math.IsInf(peak, 0) {
		return s, "the likeliest alternative has probability 0"
	}
	mass, off := 0.0, 0.0 // r is a difference of rounded numbers
	add := func(logprob float64) {
		mass += math.Exp(logprob)
		off += math.Exp(logprob)*math.Expm1(unit(logprob)) + 1e-15
	}
	s.top = make([]float64, len(top))
	for i, t := range top {
		s.top[i] = t.LogProb - peak
		add(t.LogProb)
	}
	known := len(top)
	s.x = p.Scored.LogProb - peak
	if s.at < 0 {
		known++
		add(p.Scored.LogProb)
	} else {
		s.x = s.top[s.at]
	}
	if p.Vocabulary > 0 {
		s.m = max(p.Vocabulary-known, 0)
	}
	if mass > 1+2*off+p.Noise {
		return s, "the alternatives' probabilities sum to more than 1"
	}
	if s.m != 0 {
		s.rLo, s.rHi = max(1-mass-off, 0), max(1-mass+off, 0)
	}
	scale := math.Exp(-peak)
	s.rLo, s.rHi = s.rLo*scale, s.rHi*scale
	least := top[len(top)-1].LogProb
	s.q = math.Exp(least - peak + unit(least))
	if s.m >= 0 { // m tokens of q each have no more, whatever the rounding
		s.rHi = min(s.rHi, float64(s.m)*s.q)
		s.rLo = min(s.rLo, s.rHi)
	}
	return s, ""
}

// distinct reports why the tokens may not all be different ones.
func distinct(top []Token, byID bool) string {
	ids, texts := make(map[int]bool, len(top)), make(map[string]bool, len(top))
	for _, t := range top {
		if byID && ids[t.ID] || !byID && texts[t.Text] {
			return "two alternatives have one name"
		}
		if byID {
			ids[t.ID] = true
		} else {
			texts[t.Text] = true
		}
	}
	return ""
}

// singlePrecision is how far a log-prob that was computed in 32 bits may be off, in
// nats: some units in the last place of a logit of size 10 to 30.
const singlePrecision = 1.0 / (1 << 20)

// precision returns how far a shown log-prob may be off for being written with so many
// digits, in nats. Servers round to so many decimals, or to so many digits; both are
// the most that any of the tokens has, because zeros at the end are not seen.
func precision(tokens []Token) func(logprob float64) float64 {
	decimals, digits, double := 0, 1, false
	for _, t := range tokens {
		if t.LogProb == 0 || math.IsInf(t.LogProb, 0) {
			continue
		}
		mantissa, exponent := scientific(t.LogProb)
		digits = max(digits, mantissa)
		decimals = max(decimals, mantissa-1-exponent)
		double = double || mantissa > singleDigits && float64(float32(t.LogProb)) != t.LogProb
	}
	least := singlePrecision
	if double {
		least = 1e-14
	}
	return func(logprob float64) float64 {
		unit := 0.5 * math.Pow10(-decimals)
		if logprob != 0 && !math.IsInf(logprob, 0) {
			_, exponent := scientific(logprob)
			unit = max(unit, 0.5*math.Pow10(exponent-digits+1))
		}
		return max(least, unit)
	}
}

// singleDigits is how many digits tell every two numbers of 32 bits apart.
const singleDigits = 9

// scientific returns the number of v's digits, and the power of ten of the first.
func scientific(v float64) (digits, exponent int) {
	mantissa, power, _ := strings.Cut(strconv.FormatFloat(math.Abs(v), 'e', -1, 64), "e")
	exponent, _ = strconv.Atoi(power)
	return len(mantissa) - strings.Count(mantissa, "."), exponent
}
