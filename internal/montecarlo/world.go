package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/reweigh/reweigh/offpolicy"
)

// A cell is one design: how much is logged and labelled, how far the target lies
// from the logs, and whether the judge means the same under both.
type cell struct {
	N, Labels  int
	Overlap    string // "good", "medium" or "none"
	Transports bool
	Probes     int // labels of the target's own
}

// cells are all designs, those that share their logs together.
func cells() []cell {
	sizes := [][2]int{{100, 25}, {100, 100}, {500, 25}, {500, 125}, {500, 500}, {1000, 50}, {1000, 250}, {1000, 1000}}
	var out []cell
	for _, overlap := range []string{"good", "medium", "none"} {
		for _, transports := range []bool{true, false} {
			for _, size := range sizes {
				for _, probes := range []int{0, 25} {
					out = append(out, cell{size[0], size[1], overlap, transports, probes})
				}
			}
		}
	}
	return out
}

// hidden is what the judge cannot see: a trait that half of the logged responses
// have, that moves the label by hiddenEffect, and that the target shows more
// often by hiddenTilt.
const (
	hiddenEffect = .3
	hiddenTilt   = .2
	noise        = .08
)

// shift is by how many standard deviations the target's latent quality lies
// below the logs', in the worlds where overlap is not good: ESS/n = exp(-shift²).
func (c cell) shift() float64 {
	if c.Overlap == "medium" {
		return .9
	}
	return 5
}

// truth is the mean label under the target.
//
//	good:    S ~ U(0,1), w = .4 + 1.2 S, so E[S] = .6 under the target
//	others:  z ~ N(0,1), S = Φ(z), w = exp(-δz - δ²/2), so E[S] = Φ(-δ/√2)
//	label:   .25 + .5 S + N(0, .08), and the hidden trait's effect where the
//	         judge does not transport; clipped to [0, 1], which moves the mean by
//	         less than 1e-5
func (c cell) truth() float64 {
	s := .6
	if c.Overlap != "good" {
		s = phi(-c.shift() / math.Sqrt2)
	}
	v := .25 + .5*s
	if !c.Transports {
		v += hiddenEffect * hiddenTilt / 2
	}
	return v
}

func phi(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// draw returns a response: its score, label and log weight. target says under
// which policy it was written.
func (c cell) draw(rng *rand.Rand, target bool) (s, y, logw float64) {
	switch {
	case c.Overlap == "good":
		s = rng.Float64()
		for target && rng.Float64()*1.6 > .4+1.2*s {
			s = rng.Float64()
		}
		logw = math.Log(.4 + 1.2*s)
	default:
		d := c.shift()
		z := rng.NormFloat64()
		if target {
			z -= d
		}
		s, logw = phi(z), -d*z-d*d/2
	}
	y = .25 + .5*s + noise*rng.NormFloat64()
	if !c.Transports {
		p := .5
		if target {
			p += hiddenTilt / 2
		}
		if rng.Float64() < p {
			y += hiddenEffect / 2
			logw += math.Log1p(hiddenTilt)
		} else {
			y -= hiddenEffect / 2
			logw += math.Log1p(-hiddenTilt)
		}
	}
	return s, min(max(y, 0), 1), logw
}

// samples simulates one evaluation: label counts are fixed, the labelled are
// chosen at random, and each prompt has one fresh draw.
func (c cell) samples(seed uint64) offpolicy.Samples {
	rng := rand.New(rand.NewPCG(seed, uint64(c.N)<<32|uint64(c.Labels)))
	out := offpolicy.Samples{Logging: "p0", Judge: "judge", Draws: map[string][]offpolicy.Draw{}}
	for i := range c.N {
		s, y, logw := c.draw(rng, false)
		id := fmt.Sprintf("prompt %d", i)
		row := offpolicy.Row{
			PromptID: id, LogProb: -100, Targets: map[string]float64{"target": -100 + logw},
			Score: s, Label: math.NaN(), InclusionProb: float64(c.Labels) / float64(c.N), Length: math.NaN(),
		}
		if i < c.Labels {
			row.Label = y
		}
		out.Rows = append(out.Rows, row)
		s, y, _ = c.draw(rng, true)
		d := offpolicy.Draw{PromptID: id, Score: s, Label: math.NaN(), InclusionProb: math.NaN()}
		// The probed prompts are others than the labelled where there is room.
		if c.N-1-i < c.Probes {
			d.Label = y
		}
		out.Draws["target"] = append(out.Draws["target"], d)
	}
	return out
}
