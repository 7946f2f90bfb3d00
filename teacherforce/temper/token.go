package temper

import (
	"math"

	"github.com/reweigh/reweigh/offpolicy"
)

// LogProb returns the log-prob, in nats, of the scored token under how s samples from
// the model's distribution, on an engine that filters in order o.
//
// A value is as exact as the numbers it is computed from: their rounding and noise are
// not part of the interval, unless the answer to whether the token is kept depends on it.
func LogProb(p Position, s offpolicy.Sampling, o Order) Value {
	if s.Neutral() {
		if !(p.Scored.LogProb <= 0) || math.IsInf(p.Scored.LogProb, 0) {
			return unbounded("the token has no finite log-prob")
		}
		return between(p.Scored.LogProb, p.Scored.LogProb)
	}
	d, why := p.read()
	if why != "" {
		return unbounded(why)
	}
	if s.Temperature == 0 {
		return d.greedy()
	}
	var v Value
	for i, r := range o.rules() {
		w := d.under(s, r)
		switch {
		case i == 0 || p.Drawn && v.Kind == Outside:
			v = w
		case p.Drawn && w.Kind == Outside: // the engine's order is another
		default:
			v = either(v, w)
		}
	}
	return v
}

// greedy is the value at temperature 0: the likeliest token has probability 1.
func (s shown) greedy() Value {
	nLo, nHi, _, _ := s.before(1)
	switch {
	case nLo > 0:
		return Value{Kind: Outside}
	case nHi > 0 && !s.drawn:
		return Value{Kind: Interval, Lower: math.Inf(-1)}
	}
	return Value{Kind: Exact}
}

// Excluded returns the share of the model's own distribution that the filters of s
// exclude at a position, at least: 0 if the alternatives do not tell. A policy that
// samples from the whole distribution says what is excluded, and the filtered one never does.
func Excluded(p Position, s offpolicy.Sampling, o Order) float64 {
	d, why := p.read()
	if why != "" || s.TopP == 1 && s.TopK == 0 && s.Temperature > 0 {
		return 0
	}
	peak := math.Inf(-1)
	for _, t := range p.Top {
		peak = max(peak, t.LogProb)
	}
	least := 1.0
	for _, r := range o.rules() {
		end := len(d.top) + 1
		if s.TopK > 0 {
			end = min(end, s.TopK)
		}
		if s.Temperature == 0 {
			end = 1
		} else if s.TopP < 1 {
			_, hi := d.reach(r.power(1/s.Temperature), s, r)
			end = min(end, d.end(r.power(1/s.Temperature), hi))
		}
		if end > len(d.top) {
			return 0
		}
		kept := d.leadingSum(1, end)
		if r.ties && s.Temperature > 0 {
			kept = d.withTies(1, end)
		}
		least = min(least, 1-math.Exp(peak)*kept)
	}
	return max(least, 0)
}

// membership is whether a token is kept.
type membership int

const (
	perhaps membership = iota
	kept
	dropped
)

func (m membership) and(o membership) membership {
	switch {
	case m == dropped || o == dropped:
		return dropped
	case m == kept && o == kept:
		return kept
	}
	return perhaps
}

// under is the value of the scored token under one order of the filters.
func (s shown) under(p offpolicy.Sampling, r rules) Value {
	a := 1 / p.Temperature
	member := s.inTopK(p.TopK)
	lo, hi := s.topK(a, p.TopK, r.ties)
	if p.TopP < 1 {
		member = member.and(s.inNucleus(a, p, r))
		if n := s.nucleus(a, p, r); r.both { // two leading runs: the shorter is kept
			lo, hi = min(lo, n.lo), min(hi, n.hi)
		} else {
			lo, hi = n.lo, min(hi, n.hi)
		}
	}
	if member == dropped {
		return Value{Kind: Outside}
	}
	x := a * s.x
	if s.at < 0 { // it is kept, and so are the K that rank before it
		lo = max(lo, s.leadingSum(a, len(s.top))+math.Exp(x))
	}
	upper := x - math.Log(lo)
	switch {
	case member == perhaps && !s.drawn:
		return Value{Kind: Interval, Lower: math.Inf(-1), Upper: min(upper, 0)}
	case math.IsInf(hi, 1):
		return unbounded(NoVocabulary)
	}
	return between(x-math.Log(max(hi, lo)), upper)
}

// inTopK is whether the scored token is among the k likeliest.
func (s shown) inTopK(k int) membership {
	if k == 0 {
		return kept
	}
	nLo, nHi, _, _ := s.before(1)
	switch {
	case nLo >= k:
		return dropped
	case nHi < k:
		return kept
	}
	return perhaps
}

// reach bounds the sum that the nucleus has to reach, top_p Σ p^b, over the tokens that
// top-p looks at.
func (s shown) reach(b float64, p offpolicy.Sampling, r rules) (lo, hi float64) {
	k := p.TopK
	if r.both {
		k = 0
	}
	lo, hi = s.topK(b, k, r.ties)
	return p.TopP * lo * math.Exp(-b*s.noise), p.TopP * hi * math.Exp(b*s.noise)
}

// power is the exponent of the probabilities that the filters look at.
func (r rules) power(a float64) float64 {
	if r.raw {
		return 1
	}
	return a
}

// inNucleus is whether what ranks before the scored token falls short of the nucleus.
func (s shown) inNucleus(a float64, p offpolicy.Sampling, r rules) membership {
	b := r.power(a)
	_, _, before, beforeHi := s.before(b)
	lo, hi := s.reach(b, p, r)
	switch {
	case before >= hi:
		return dropped
	case beforeHi < lo:
		return kept
	}
	return perhaps
}

// run is the Σ p^a of a leading run of tokens, between lo and hi.
type run struct{ lo, hi float64 }

// nucleus bounds Σ p^a over the nucleus: rank j is its end if C_(j-1) < top_p Z ≤ C_j.
func (s shown) nucleus(a float64, p offpolicy.Sampling, r rules) run {
	b := r.power(a)
	lo, hi := s.reach(b, p, r)
	n := len(s.top)
	endLo, endHi := s.end(b, lo), s.end(b, hi)
	var out run
	c := s.leadingSum(a, n)
	_, tail, m := s.tail()
	q := min(s.q, tail)
	switch {
	case endLo <= n:
		out.lo = s.leadingSum(a, endLo)
	case !r.raw:
		out.lo = max(c, lo)
	default: // at least lo - C_K of the model's own probability follows
		least, _ := spread(max(0, lo-s.leadingSum(b, n)), tail, q, a, m)
		out.lo = c + least
	}
	switch {
	case r.ties && endHi <= n:
		out.hi = s.withTies(a, endHi)
	case endHi <= n:
		out.hi = s.leadingSum(a, endHi)
	case r.ties && s.coarse():
		_, out.hi = s.total(a)
	case !r.raw:
		out.hi = hi + math.Pow(q, a)
	default: // at most hi - C_K and one token more
		most := min(tail, max(0, hi-s.leadingSum(b, n))+q)
		if p.TopK > n && (m < 0 || p.TopK-n < m) {
			m = p.TopK - n
		}
		_, rest := spread(0, most, q, a, m)
		out.hi = c + rest
	}
	return out
}

// end is the first rank j with C_j ≥ want, K + 1 if it is not shown.
func (s shown) end(b, want float64) int {
	sum := 0.0
	for i, v := range s.top {
		if sum += math.Exp(b * v); sum >= want {
			return i + 1
		}
	}
	return len(s.top) + 1
}
