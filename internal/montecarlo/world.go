package main

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// A design is what is simulated.
type design struct {
	Prompts, Labels int
	Overlap         string // "good", "medium" or "none"
	Transports      bool   // whether E[label | score] is the same under the target
}

// probes is how many labels the target has of its own, where it has any.
const probes = 25

// designs are all of them.
func designs() []design {
	sizes := [][2]int{{100, 25}, {100, 100}, {500, 25}, {500, 125}, {500, 500}, {1000, 50}, {1000, 250}, {1000, 1000}}
	var out []design
	for _, overlap := range []string{"good", "medium", "none"} {
		for _, transports := range []bool{true, false} {
			for _, size := range sizes {
				out = append(out, design{size[0], size[1], overlap, transports})
			}
		}
	}
	return out
}

// The judge cannot see a trait that half of the logged responses have, that moves
// the label by hiddenEffect, and that the target shows more often: with
// probability (1 + hiddenTilt)/2.
const (
	hiddenEffect = .3
	hiddenTilt   = .2
	noise        = .08
)

// shift is by how many standard deviations the target's latent quality lies
// below the logs', where overlap is not good: ESS/n is exp(-shift²), .44 and
// 1.4e-11.
func (d design) shift() float64 {
	if d.Overlap == "medium" {
		return .9
	}
	return 5
}

// truth is the mean label under the target.
//
//	good:    S ~ U(0,1), w = .4 + 1.2 S, so that E[S] = .6 under the target
//	others:  z ~ N(0,1), S = Φ(z), w = exp(-δz - δ²/2), so that E[S] = Φ(-δ/√2)
//	label:   .25 + .5 S + N(0, .08), and the hidden trait's effect where the
//	         judge does not transport; clipped to [0, 1], which moves the mean by
//	         .0005 at most
func (d design) truth() float64 {
	s := .6
	if d.Overlap != "good" {
		s = phi(-d.shift() / math.Sqrt2)
	}
	if d.Transports {
		return .25 + .5*s
	}
	return .25 + .5*s + hiddenEffect*hiddenTilt/2
}

func phi(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// draw returns a response's score, label and log weight. target says under which
// policy it was written.
func (d design) draw(rng *rand.Rand, target bool) (score, label, logw float64) {
	if d.Overlap == "good" {
		score = rng.Float64()
		for target && rng.Float64()*1.6 > .4+1.2*score {
			score = rng.Float64()
		}
		logw = math.Log(.4 + 1.2*score)
	} else {
		z, by := rng.NormFloat64(), d.shift()
		if target {
			z -= by
		}
		score, logw = phi(z), -by*z-by*by/2
	}
	label = .25 + .5*score + noise*rng.NormFloat64()
	if !d.Transports {
		p := .5
		if target {
			p *= 1 + hiddenTilt
		}
		if rng.Float64() < p {
			label += hiddenEffect / 2
			logw += math.Log1p(hiddenTilt)
		} else {
			label -= hiddenEffect / 2
			logw += math.Log1p(-hiddenTilt)
		}
	}
	return score, min(max(label, 0), 1), logw
}

// samples simulates one evaluation. The number of labels is fixed, the labeled
// are chosen at random, each prompt has one fresh draw, and as many of these as
// probes says are labeled.
func (d design) samples(repetition int) offpolicy.Samples {
	h := fnv.New64a()
	fmt.Fprintf(h, "%+v", d)
	rng := rand.New(rand.NewPCG(h.Sum64(), uint64(repetition)))
	sampling := dataset.Scored{Distribution: dataset.SamplingDistribution}
	out := offpolicy.Samples{Logging: "p0", Judge: "judge", Scored: map[string]dataset.Scored{"p0": sampling,
		"target": sampling}, Draws: map[string][]offpolicy.Draw{}}
	for i := range d.Prompts {
		id := fmt.Sprintf("prompt %d", i)
		score, label, logw := d.draw(rng, false)
		row := offpolicy.Row{
			PromptID: id, LogProbs: map[string]dataset.Float{"p0": dataset.Known(-100),
				"target": dataset.Known(-100 + logw)}, Score: dataset.Known(score),
			InclusionProb: dataset.Known(float64(d.Labels) / float64(d.Prompts)),
		}
		if i < d.Labels { // rows are exchangeable: the first are as good as any
			row.Label = dataset.Known(label)
		}
		out.Rows = append(out.Rows, row)
		score, label, _ = d.draw(rng, true)
		draw := offpolicy.Draw{PromptID: id, Score: dataset.Known(score)}
		if d.Prompts-1-i < probes { // others than the labeled, where there is room
			draw.Label = dataset.Known(label)
		}
		out.Draws["target"] = append(out.Draws["target"], draw)
	}
	return out
}
