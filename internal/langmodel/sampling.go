package langmodel

import (
	"container/heap"
	"math"
	"math/rand/v2"
)

// Sampling is how a next token is drawn from the model's distribution.
type Sampling struct {
	Temperature float64 // at least 0; 0 is greedy, 1 leaves probabilities alone
	TopP        float64 // in (0, 1]; 1 keeps every token
	TopK        int     // at least 0; 0 keeps every token
}

// neutral reports whether s leaves every distribution alone.
func (s Sampling) neutral() bool { return s.Temperature == 1 && s.TopP == 1 && s.TopK == 0 }

func (s Sampling) check() {
	switch {
	case !(s.Temperature >= 0) || math.IsInf(s.Temperature, 1):
		panic("langmodel: temperature must be finite and at least 0")
	case !(s.TopP > 0 && s.TopP <= 1):
		panic("langmodel: top-p must be in (0, 1]")
	case s.TopK < 0:
		panic("langmodel: top-k must be at least 0")
	}
}

// Apply turns the model's distribution p into the one that is sampled from, in
// place and in this order:
//
//  1. p[v]^(1/T), renormalised; at temperature 0 all mass goes to the most
//     probable token;
//  2. the TopK most probable tokens are kept;
//  3. of those, the shortest leading run (by falling probability) whose share
//     of the kept mass reaches TopP;
//
// and what is kept is divided by its sum. Equal probabilities rank by id, the
// lower first. It panics on settings out of range.
func (s Sampling) Apply(p []float64) {
	s.check()
	if len(p) == 0 || s.neutral() {
		return
	}
	best := 0
	for v := range p {
		if p[v] > p[best] {
			best = v
		}
	}
	if s.Temperature == 0 {
		clear(p)
		p[best] = 1
		return
	}
	if s.Temperature != 1 {
		// Relative to the largest, so that nothing overflows at low temperature.
		peak := math.Log(p[best])
		for v := range p {
			if p[v] > 0 {
				p[v] = math.Exp((math.Log(p[v]) - peak) / s.Temperature)
			}
		}
	}
	if (s.TopK > 0 && s.TopK < len(p)) || s.TopP < 1 {
		s.filter(p)
	}
	var sum float64
	for _, x := range p {
		sum += x
	}
	for v := range p {
		p[v] /= sum
	}
}

// filter zeroes all but the tokens kept by top-k and top-p. Popping a heap costs
// far less than sorting when few tokens are kept, as is usual.
func (s Sampling) filter(p []float64) {
	k := s.TopK
	if k == 0 || k > len(p) {
		k = len(p)
	}
	h := &ranking{p: p, ids: make([]int32, len(p))}
	for v := range p {
		h.ids[v] = int32(v)
	}
	heap.Init(h)
	kept := make([]int32, 0, min(k, 64))
	var mass float64
	if k == len(p) {
		// Without top-k the mass to reach is known before ranking.
		for _, x := range p {
			mass += x
		}
		var sum float64
		for h.Len() > 0 && sum < s.TopP*mass {
			v := heap.Pop(h).(int32)
			kept = append(kept, v)
			sum += p[v]
		}
	} else {
		for len(kept) < k {
			v := heap.Pop(h).(int32)
			kept = append(kept, v)
			mass += p[v]
		}
		var sum float64
		n := 0
		for n < k && sum < s.TopP*mass {
			sum += p[kept[n]]
			n++
		}
		if s.TopP < 1 {
			kept = kept[:n]
		}
	}
	values := make([]float64, len(kept))
	for i, v := range kept {
		values[i] = p[v]
	}
	clear(p)
	for i, v := range kept {
		p[v] = values[i]
	}
}

// ranking is a heap of ids, the most probable first, the lowest id among equals.
type ranking struct {
	p   []float64
	ids []int32
}

func (r *ranking) Len() int { return len(r.ids) }
func (r *ranking) Less(i, j int) bool {
	a, b := r.ids[i], r.ids[j]
	if r.p[a] != r.p[b] {
		return r.p[a] > r.p[b]
	}
	return a < b
}
func (r *ranking) Swap(i, j int) { r.ids[i], r.ids[j] = r.ids[j], r.ids[i] }
func (r *ranking) Push(x any)    { r.ids = append(r.ids, x.(int32)) }
func (r *ranking) Pop() any {
	v := r.ids[len(r.ids)-1]
	r.ids = r.ids[:len(r.ids)-1]
	return v
}

// draw returns an index drawn with probability p[v] by inversion, from one
// uniform number.
func draw(p []float64, rng *rand.Rand) int {
	u := rng.Float64()
	last := -1
	for v, x := range p {
		if x <= 0 {
			continue
		}
		last = v
		if u -= x; u < 0 {
			return v
		}
	}
	return last // u exceeded a sum a rounding error below 1
}
