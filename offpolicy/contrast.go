package offpolicy

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// exactPrompts is up to how many prompts the limits of a difference take the
// empirical likelihood, which needs every prompt's part. Above it sums suffice.
const exactPrompts = 10_000

// contrast is the difference of two estimates a - b on the same prompts, as its
// interval needs it. A label k counts for it by c_k, its normalised coefficient in a
// less that in b; labels of a direct estimate have theirs in that alone.
type contrast struct {
	value   float64   // a - b, less its bias
	se      float64   // enlarged where the labels' coefficients came out too even
	seParts float64   // √Σ parts²
	df      float64   // of t
	parts   []float64 // by prompt, summing to about value - truth; nil: too many prompts
	judge   float64   // the part of se² that is not the labels'
	up      labelGroup
	down    labelGroup
	slack   slack // of the value
}

// labelGroup are the labels with a positive, or with a negative, coefficient.
type labelGroup struct {
	mass    float64 // Σ |c|
	sum     float64 // Σ |c| Y
	squares float64 // Σ c²
}

func (g *labelGroup) add(c, y float64) {
	g.mass += c
	g.sum += c * y
	g.squares += c * c
}

func (g *labelGroup) mean() float64 { return g.sum / g.mass }

// effective is the labels' effective number (Kish).
func (g *labelGroup) effective() float64 { return g.mass * g.mass / g.squares }

// reach returns how far below and above its mean a group's mean may be: by Wilson's
// interval at t for a share of so many values as the dispersion leaves of the labels.
func (g *labelGroup) reach(dispersion, t float64) (below, above float64) {
	if g.mass == 0 {
		return 0, 0
	}
	v := min(max(g.mean(), 0), 1)
	m := g.effective()
	lo, hi := wilson(v, m/dispersion, t)
	if dispersion < 1 {
		// As a single estimate's, and no farther than if the labels were shares.
		l, u := stretchInterval(v, math.Sqrt(v*(1-v)*dispersion/m), t, lo, hi)
		shareLo, shareHi := wilson(v, m, t)
		lo, hi = min(lo, max(l, shareLo)), max(hi, min(u, shareHi))
	}
	return v - lo, hi - v
}

// wilson is Wilson's score interval of a share v of n values at t:
// all θ with |v - θ| <= t √(θ(1-θ)/n).
func wilson(v, n, t float64) (lo, hi float64) {
	d := t * t / n
	mid, half := (v+d/2)/(1+d), math.Sqrt(d*(v*(1-v)+d/4))/(1+d)
	return max(min(mid-half, v), 0), min(max(mid+half, v), 1)
}

// sampled returns limits of the difference at t, and the two-sided p of no
// difference if exact.
//
// The inner limit, the one nearer 0, is the nearer of value ± t SE and, if exact, of
//
//	{δ: -2 log R(value + (δ - value) SE_parts/SE) <= t²}
//
// with R the empirical likelihood of the parts (Owen 1990), which knows how skewed they
// are: misses lie on the other side. The outer limit is the farther of both
// and of Newcombe's: the two groups' means vary as shares do, with one dispersion that
// makes their variance the labels' part of SE²,
//
//	U = value + √(C₊² (u₊ - ȳ₊)² + C₋² (ȳ₋ - l₋)² + t² judge),    L its mirror image
//
// (l, u) being Wilson's limits at the groups' effective numbers. A draw of labels that
// came out all alike in one group has too small an error, and only this limit knows
// that labels lie in [0, 1]. Where the inner rule covers 0, both limits are the farther
// ones, so that interval and p agree.
//
// Sources: Newcombe, Stat. Med. 17 (1998), 873-890, method 10; Zou and Donner, Stat.
// Med. 27 (2008), 1693-1702; Owen, Ann. Stat. 18 (1990), 90-120.
func (c *contrast) sampled(t float64, exact bool) (lo, hi, p float64) {
	dist := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: c.df}
	outerLo, outerHi := c.newcombe(t)
	if !(c.seParts > 1e-12) { // no label differs from another that counts as it does
		return max(outerLo, -1), min(outerHi, 1), c.newcombeP()
	}
	nearLo, nearHi := c.value-t*c.se, c.value+t*c.se
	lo, hi = min(outerLo, nearLo), max(outerHi, nearHi)
	p = 2 * dist.Survival(math.Abs(c.value)/c.se)
	if exact && c.parts != nil {
		// The likelihood is of the mean of n parts, each n times what it adds.
		scale := float64(len(c.parts)) * c.se / c.seParts
		e := newEmpirical(c.parts)
		down, up := c.value+scale*e.limit(t*t, true), c.value+scale*e.limit(t*t, false)
		lo, hi = min(lo, down), max(hi, up)
		nearLo, nearHi = max(nearLo, down), min(nearHi, up)
		at, _ := e.ratio(-c.value / scale)
		p = min(p, 2*dist.Survival(math.Sqrt(at)))
	}
	switch {
	case nearLo > 0:
		lo = nearLo
	case nearHi < 0:
		hi = nearHi
	}
	return max(lo, -1), min(hi, 1), p
}

// interval returns the limits and the p of all values that the weights leave open: the least
// one's lower limit, the largest one's upper limit, and the largest p.
func (c *contrast) interval(t float64, exact bool) (lo, hi, p float64) {
	if c.slack == (slack{}) {
		return c.sampled(t, exact)
	}
	least, most := *c, *c
	least.value, most.value = c.value-c.slack.below, c.value+c.slack.above
	lo, _, p = least.sampled(t, exact)
	_, hi, other := most.sampled(t, exact)
	if p = max(p, other); least.value <= 0 && most.value >= 0 {
		p = 1
	}
	return lo, hi, p
}

// t is the two-sided 95% quantile of Student's t, times widen.
func (c *contrast) t(widen float64) float64 {
	return widen * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: c.df}.Quantile(.975)
}

// newcombe returns Newcombe's limits at t.
func (c *contrast) newcombe(t float64) (lo, hi float64) {
	variance := 0.0 // of the groups' means if labels were shares
	for _, g := range []*labelGroup{&c.up, &c.down} {
		if g.mass > 0 {
			m := min(max(g.mean(), 0), 1)
			variance += g.squares * m * (1 - m)
		}
	}
	dispersion := 1.0
	if labels := c.se*c.se - c.judge; variance > 0 && labels > 0 {
		dispersion = labels / variance
	}
	upBelow, upAbove := c.up.reach(dispersion, t)
	downBelow, downAbove := c.down.reach(dispersion, t)
	reach := func(a, b float64) float64 {
		return math.Sqrt(c.up.mass*c.up.mass*a*a + c.down.mass*c.down.mass*b*b + t*t*c.judge)
	}
	return c.value - reach(upBelow, downAbove), c.value + reach(upAbove, downBelow)
}

// newcombeP is the two-sided p at which one of Newcombe's limits is 0.
func (c *contrast) newcombeP() float64 {
	beyond := func(t float64) bool {
		lo, hi := c.newcombe(t)
		return lo > 0 || hi < 0
	}
	lo, hi := 0.0, 1e6
	switch {
	case beyond(hi):
		return 0
	case !beyond(1e-6):
		return 1
	}
	for range 100 {
		if mid := (lo + hi) / 2; beyond(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: c.df}.Survival(lo)
}
