package main

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// A world is a finite set of prompts, each with a few possible responses. A policy of
// tilt θ and lean λ gives response k the probability
//
//	p_k ∝ exp(b_k + θ x_k + λ y_k)
//
// x_k being a trait that labels follow and y_k one that they do not: every prompt has a
// mirror image with the other sign of y, so that leans of ±λ have the same value. Weights
// are exact, and the value of a policy is a sum. Prompts are drawn with replacement, each
// time under a name of its own.
type world struct {
	name  string
	label func(z, u float64) float64 // of a response of quality z; u is uniform
	width float64                    // half-width that its values are wanted to
	judge float64                    // standard deviation of what the judge adds to the quality

	prompts []prompt
}

type prompt struct {
	bias, trait, neutral, label, score [responses]float64
}

const responses, population = 6, 4000

var worldKinds = []world{
	{name: "graded", label: func(z, _ float64) float64 { return phi(z) }, width: .02, judge: .5},
	{name: "pass or fail", label: func(z, u float64) float64 { return step(u < phi(z-.3)) }, width: .04, judge: .4},
	{name: "rare", label: func(z, u float64) float64 { return min(max(z-.9, 0)/2, 1) }, width: .012, judge: .6},
	{name: "five marks", label: func(z, _ float64) float64 { return math.Round(4*phi(1.4*z)) / 4 }, width: .025,
		judge: 1.5},
}

func phi(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

func step(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func stream(parts ...any) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, parts...)
	return rand.New(rand.NewPCG(h.Sum64(), 21))
}

func newWorld(kind world) *world {
	w, rng := kind, stream("world", kind.name)
	w.prompts = make([]prompt, population)
	for i := 0; i < population; i += 2 {
		p, ease := &w.prompts[i], .5*rng.NormFloat64()
		for k := range responses {
			p.bias[k], p.trait[k], p.neutral[k] = .5*rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()
			z := ease + .5*p.trait[k] + .6*rng.NormFloat64()
			p.label[k] = w.label(z, rng.Float64())
			p.score[k] = phi(z + w.judge*rng.NormFloat64())
		}
		w.prompts[i+1] = *p
		for k := range responses {
			w.prompts[i+1].neutral[k] *= -1
		}
	}
	return &w
}

// probabilities are a policy's.
func (p *prompt) probabilities(by policy) (out [responses]float64) {
	var sum float64
	for k := range out {
		out[k] = math.Exp(p.bias[k] + by.tilt*p.trait[k] + by.lean*p.neutral[k])
		sum += out[k]
	}
	for k := range out {
		out[k] /= sum
	}
	return out
}

func choose(rng *rand.Rand, p [responses]float64) int {
	u := rng.Float64()
	for k, v := range p {
		if u -= v; u < 0 {
			return k
		}
	}
	return responses - 1
}

// value is a policy's.
func (w *world) value(by policy) float64 {
	var sum float64
	for i := range w.prompts {
		for k, v := range w.prompts[i].probabilities(by) {
			sum += v * w.prompts[i].label[k]
		}
	}
	return sum / population
}

// A policy is a tilt and a lean.
type policy struct{ tilt, lean float64 }

type policies map[string]policy

// run is what is drawn of a world.
type run struct {
	logging string // of policies
	prompts int
	labels  int // of the logged responses, at random
	draws   bool
	probes  int // labeled draws of each target
}

func (w *world) samples(rng *rand.Rand, all policies, r run) offpolicy.Samples {
	s := offpolicy.Samples{Logging: r.logging, Judge: "judge", Scored: map[string]dataset.Scored{},
		Draws: map[string][]offpolicy.Draw{}}
	for name := range all {
		s.Scored[name] = dataset.Scored{Distribution: dataset.SamplingDistribution}
	}
	for i := range r.prompts {
		p := &w.prompts[rng.IntN(population)]
		id := fmt.Sprint("prompt ", i)
		k := choose(rng, p.probabilities(all[r.logging]))
		row := offpolicy.Row{PromptID: id, Score: dataset.Known(p.score[k]), LogProbs: map[string]dataset.Float{},
			InclusionProb: dataset.Known(float64(r.labels) / float64(r.prompts))}
		for name, by := range all {
			row.LogProbs[name] = dataset.Known(math.Log(p.probabilities(by)[k]))
		}
		if spread(i, r.labels, r.prompts) { // prompts are in random order
			row.Label = dataset.Known(p.label[k])
		}
		s.Rows = append(s.Rows, row)
		for _, name := range sorted(all) {
			if name == r.logging || !r.draws {
				continue
			}
			k := choose(rng, p.probabilities(all[name]))
			d := offpolicy.Draw{PromptID: id, Score: dataset.Known(p.score[k])}
			if spread(r.prompts-1-i, r.probes, r.prompts) {
				d.Label = dataset.Known(p.label[k])
			}
			s.Draws[name] = append(s.Draws[name], d)
		}
	}
	return s
}

// spread says which m of n are chosen, evenly, so that a part of them has its part of m.
func spread(i, m, n int) bool { return (i+1)*m/n > i*m/n }
