package temper

import "math"

// concentrated is Σ p^a of tokens of probability at most q each and r together, if as
// few as possible share it: n q^a + (r - n q)^a, n = floor(r/q). It is the largest sum
// for a > 1 and the smallest for a < 1.
func concentrated(r, q, a float64) float64 {
	q = min(q, r)
	if q <= 0 {
		return 0
	}
	n := math.Floor(r / q)
	return n*math.Pow(q, a) + math.Pow(max(r-n*q, 0), a)
}

// even is Σ p^a of m tokens that share r evenly: m^(1-a) r^a. It is the smallest sum
// for a > 1 and the largest for a < 1; without a number of tokens, 0 and +Inf.
func even(r, a float64, m int) float64 {
	switch {
	case r <= 0 || m == 0:
		return 0
	case m < 0 && a > 1:
		return 0
	case m < 0 && a < 1:
		return math.Inf(1)
	case m < 0:
		return r
	}
	return math.Exp((1-a)*math.Log(float64(m)) + a*math.Log(r))
}

// spread bounds Σ p^a of at most m tokens of probability at most q each and between
// rLo and rHi together.
func spread(rLo, rHi, q, a float64, m int) (lo, hi float64) {
	switch {
	case m == 0:
		return 0, 0
	case a == 1:
		return rLo, rHi
	case a > 1:
		return even(rLo, a, m), concentrated(rHi, q, a)
	}
	return concentrated(rLo, q, a), even(rHi, a, m)
}

// leading is the largest Σ p^a of h tokens of probability at most q each and at most r
// together: min(r, h q) q^(a-1) at a ≥ 1, and h^(1-a) min(r, h q)^a at a < 1.
func leading(r, q, a float64, h int) float64 {
	q = min(q, r)
	if q <= 0 {
		return 0
	}
	mass := min(r, float64(h)*q)
	if a >= 1 {
		return mass * math.Pow(q, a-1)
	}
	return even(mass, a, h)
}

// total bounds Σ p^a over the vocabulary.
func (s shown) total(a float64) (lo, hi float64) {
	sum := s.leadingSum(a, len(s.top))
	if s.at < 0 {
		sum += math.Exp(a * s.x)
	}
	lo, hi = spread(s.rLo, s.rHi, s.q, a, s.m)
	return sum + lo, sum + hi
}

// leadingSum is C_j, Σ p^a over the first j ranks.
func (s shown) leadingSum(a float64, j int) float64 {
	sum := 0.0
	for _, v := range s.top[:j] {
		sum += math.Exp(a * v)
	}
	return sum
}

// tail is what lies below the K shown: the tokens not shown, and the scored one if it
// is appended. It returns their largest probability together and the number of them.
func (s shown) tail() (rLo, rHi float64, m int) {
	rLo, rHi, m = s.rLo, s.rHi, s.m
	if s.at < 0 {
		x := math.Exp(s.x)
		rLo, rHi = rLo+x, rHi+x
		if m >= 0 {
			m++
		}
	}
	return rLo, rHi, m
}

// topK bounds Σ p^a over the k likeliest tokens; k = 0 is all of them. With ties, what is as
// likely as the k-th may be kept, too.
func (s shown) topK(a float64, k int, ties bool) (lo, hi float64) {
	n := len(s.top)
	lo, hi = s.total(a)
	_, r, m := s.tail()
	switch {
	case k == 0 || m >= 0 && k >= n+m:
		return lo, hi
	case k <= n:
		c := s.leadingSum(a, k)
		if ties {
			return c, s.withTies(a, k)
		}
		return c, c
	}
	c := s.leadingSum(a, n)
	if ties && s.coarse() {
		return c, hi
	}
	return c, min(hi, c+leading(r, s.q, a, k-n))
}

// withTies is the largest Σ p^a of the first j ranks and of all that are as likely as the last
// of them.
func (s shown) withTies(a float64, j int) float64 {
	end := j
	for end < len(s.top) && s.top[end] >= s.top[j-1]-equal {
		end++
	}
	sum := s.leadingSum(a, end)
	if end == len(s.top) && s.coarse() { // so may be others, as many as the rest has room for
		_, r, _ := s.tail()
		_, hi := s.total(a)
		return min(hi, sum+r*math.Exp((a-1)*s.top[end-1]))
	}
	return sum
}

// equal is the most by which the log-probs of equal logits differ.
const equal = 1e-12

// coarse reports that tokens which are not shown may tie: the last two that are shown do, or all
// lie on a grid, as logits of 16 bits.
func (s shown) coarse() bool {
	n := len(s.top)
	if n > 1 && s.top[n-2]-s.top[n-1] <= equal {
		return true
	}
	for i := 1; i < n; i++ {
		d := s.top[i-1] - s.top[i]
		if math.Abs(d-math.Round(d*grid)/grid) > gridNoise {
			return false
		}
	}
	return n > 3 // fewer may lie on it by accident
}

// Logits of 16 bits between 1 and 32 are multiples of 1/128 and more; sums in 32 bits move their
// differences by less than gridNoise.
const (
	grid      = 128
	gridNoise = 4e-6
)

// before bounds what ranks before the scored token: the number of tokens, and their
// Σ p^a. Those that it may tie with count in the upper bounds alone.
func (s shown) before(a float64) (nLo, nHi int, lo, hi float64) {
	for i, v := range s.top {
		if i == s.at {
			continue
		}
		if v > s.x+s.noise {
			nLo++
			lo += math.Exp(a * v)
		}
		if v >= s.x-s.noise {
			nHi++
			hi += math.Exp(a * v)
		}
	}
	x := math.Exp(s.x - s.noise)
	if q := min(s.q, s.rHi); q >= x && s.m != 0 { // tokens not shown may rank before it
		n := math.Floor(s.rHi / x)
		if s.m > 0 {
			n = min(n, float64(s.m))
		}
		nHi += int(min(n, 1<<30))
		hi += min(s.rHi, n*q) * max(math.Pow(q, a-1), math.Pow(x, a-1))
	}
	return nLo, nHi, lo, hi
}
