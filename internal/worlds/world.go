// Package worlds draws synthetic evaluations whose truth is known.
//
// A world is a finite population of prompts. Each prompt has K possible
// responses with explicit probabilities under the logging policy and under
// every target, so a weight is exact and averages one within each prompt. The
// value of a policy is a sum over the population, not an estimate.
package worlds

import (
	"fmt"
	"sync"
)

// Logging names the policy that wrote the logs. Truth and ESS hold it too.
const Logging = "p0"

// A Row is one logged response. NaN marks what the data lack.
type Row struct {
	Prompt        string
	Index         int // position among the rows of the prompt
	LogP0         float64
	LogTarget     map[string]float64
	Score         float64
	Label         float64
	InclusionProb float64 // stated only where a design chose the labels
	Length        float64 // tokens
	Segment       string
}

// A Draw is one fresh response of a target. NaN marks what the data lack.
type Draw struct {
	Prompt        string
	Index         int // position among the target's draws for the prompt
	Score         float64
	Label         float64
	InclusionProb float64
	Length        float64
}

// Data is what an evaluation sees.
type Data struct {
	Rows  []Row
	Draws map[string][]Draw
}

// A Target is a policy to evaluate.
type Target struct {
	Name  string
	Own   bool // some of its draws carry labels
	Clone bool // it equals the logging policy
}

// A World is a population, its policies and the way data become visible.
// A World does not change after its construction, so goroutines may share it.
type World struct {
	Name     string
	Sentence string
	Targets  []Target

	// Truth holds the exact mean label of every policy.
	Truth map[string]float64
	// SegmentTruth holds the same by segment, then by policy.
	SegmentTruth map[string]map[string]float64
	// ESS holds 1/E[w^2] over the population: the limit of ESS/n.
	ESS map[string]float64

	// RowsPerPrompt and DrawsPerPrompt count logged rows and fresh draws.
	RowsPerPrompt  int
	DrawsPerPrompt int
	// FixedPrompts, where positive, replaces the number of prompts asked for.
	FixedPrompts int

	spec spec
	pop  *population
	gaps gaps
}

// Difference returns the exact value of policy a minus that of policy b.
func (w *World) Difference(a, b string) float64 { return w.Truth[a] - w.Truth[b] }

// all returns every world, each at its own overlap.
var all = sync.OnceValue(func() []*World {
	out := make([]*World, 0, len(catalog))
	for _, s := range catalog {
		out = append(out, newWorld(s))
	}
	return out
})

// ByName returns one world.
func ByName(name string) (*World, error) {
	for _, s := range catalog {
		if s.name == name {
			return newWorld(s), nil
		}
	}
	return nil, fmt.Errorf("worlds: no world is named %q", name)
}

// Levels of overlap, as ESS/n.
const (
	good   = .9
	medium = .5
	poor   = .1
)

func newWorld(s spec) *World {
	pop := cachedPopulation(s.pop)
	w := &World{
		Name:           s.name,
		Sentence:       s.sentence,
		Truth:          map[string]float64{},
		SegmentTruth:   map[string]map[string]float64{},
		ESS:            map[string]float64{Logging: 1},
		RowsPerPrompt:  max(s.perPrompt, 1),
		DrawsPerPrompt: max(s.perPrompt, 1),
		FixedPrompts:   s.fixedPrompts,
		spec:           s,
		pop:            pop,
		gaps:           newGaps(s.observe, pop),
	}
	for i := range segments {
		w.SegmentTruth[segments[i]] = map[string]float64{}
	}
	for i, name := range pop.names {
		all, bySegment := pop.truth(i)
		w.Truth[name] = all
		for g, v := range bySegment {
			w.SegmentTruth[segments[g]][name] = v
		}
		if i > 0 {
			w.ESS[name] = pop.essShare(i)
			w.Targets = append(w.Targets, Target{name, pop.own[i], pop.clone[i]})
		}
	}
	return w
}

// Many worlds share a population and differ in what they show of it.
var cache = struct {
	sync.Mutex
	m map[popSpec]*population
}{m: map[popSpec]*population{}}

func cachedPopulation(s popSpec) *population {
	cache.Lock()
	defer cache.Unlock()
	p, ok := cache.m[s]
	if !ok {
		p = newPopulation(s)
		cache.m[s] = p
	}
	return p
}

// Names are the names of all worlds.
func Names() []string {
	out := make([]string, len(catalog))
	for i, s := range catalog {
		out[i] = s.name
	}
	return out
}
