package offpolicy

import "math"

// empirical is the empirical likelihood of the mean of n values that are centred: x
// averages 0.
type empirical struct {
	x      []float64
	lo, hi float64 // the least and the largest of x
}

func newEmpirical(x []float64) *empirical {
	var mean float64
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	e := &empirical{x: make([]float64, len(x)), lo: math.Inf(1), hi: math.Inf(-1)}
	for i, v := range x {
		e.x[i] = v - mean
		e.lo, e.hi = min(e.lo, v-mean), max(e.hi, v-mean)
	}
	return e
}

// ratio returns -2 log R(μ), R the ratio of the largest likelihood of a distribution on
// the values with mean μ to the largest of all, and its derivative by μ. It is +Inf
// outside of the values' range.
//
//	-2 log R = 2 Σ log(1 + λ (x - μ))   at the λ where   Σ (x - μ) / (1 + λ (x - μ)) = 0
//
// Source: Owen, "Empirical likelihood ratio confidence regions", Ann. Stat. 18 (1990),
// 90-120.
func (e *empirical) ratio(mu float64) (value, slope float64) {
	if mu == 0 {
		return 0, 0
	}
	if !(mu > e.lo && mu < e.hi) {
		return math.Inf(1), math.Inf(1)
	}
	n := float64(len(e.x))
	// No value has a probability above 1, so that 1 + λ (x - μ) >= 1/n.
	lo, hi := (1/n-1)/(e.hi-mu), (1/n-1)/(e.lo-mu)
	var square float64
	for _, v := range e.x {
		square += (v - mu) * (v - mu)
	}
	lambda := min(max(-mu*n/square, lo), hi) // one step of Newton's from 0
	for range 100 {
		var g, dg float64
		for _, v := range e.x {
			d := v - mu
			q := d / (1 + lambda*d)
			g += q
			dg -= q * q
		}
		if g > 0 { // it falls in λ
			lo = lambda
		} else {
			hi = lambda
		}
		next := lambda - g/dg
		if !(next > lo && next < hi) {
			next = (lo + hi) / 2
		}
		done := math.Abs(next-lambda) <= 1e-12*math.Abs(next)
		if lambda = next; done {
			break
		}
	}
	for _, v := range e.x {
		value += math.Log1p(lambda * (v - mu))
	}
	return 2 * max(value, 0), -2 * n * lambda
}

// limit returns the μ above 0 at which -2 log R(μ) is c, or below 0 if down.
func (e *empirical) limit(c float64, down bool) float64 {
	near, far := 0.0, e.hi
	if down {
		far = e.lo
	}
	if c <= 0 || near == far {
		return near
	}
	var ss float64
	for _, v := range e.x {
		ss += v * v
	}
	mu := math.Copysign(math.Sqrt(c*ss)/float64(len(e.x)), far) // as if normal
	if math.Abs(mu) >= math.Abs(far) {
		mu = far / 2
	}
	for range 200 {
		v, slope := e.ratio(mu)
		if v < c {
			near = mu
		} else {
			far = mu
		}
		next := mu - (v-c)/slope
		if !((next-near)*(next-far) < 0) {
			next = (near + far) / 2
		}
		done := math.Abs(next-mu) <= 1e-12*math.Abs(far)
		if mu = next; done {
			break
		}
	}
	return mu
}
