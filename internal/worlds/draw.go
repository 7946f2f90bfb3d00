package worlds

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
)

var missing = math.NaN()

// stream returns a generator for one purpose. Streams differ by world, purpose
// and seed, so dropping a target leaves everything else as it was.
func stream(seed uint64, world, purpose string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(world + "\x00" + purpose))
	key := h.Sum64()
	return rand.New(rand.NewPCG(mix(seed^mix(key)), mix(seed+key)))
}

// mix is the finaliser of SplitMix64. It separates neighbouring seeds.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// A full holds a complete draw: every label and score, and which response of
// the population stands behind each.
type full struct {
	prompts []int
	rows    []unit
	draws   [][]unit // by target
}

// A unit is one response that somebody wrote.
type unit struct {
	prompt int // position in full.prompts
	index  int // position within the prompt
	at     int // index into the population's responses
	label  float64
}

// Draw returns an evaluation of n prompts drawn with replacement from the
// population. It labels the given number of logged rows, and own draws of every
// target that has labels of its own, as far as there are that many to choose.
func (w *World) Draw(n, labels, own int, seed uint64) Data {
	f := w.sample(n, seed)
	return w.show(f, labels, own, seed)
}

// sample draws prompts, responses and labels, with nothing hidden.
func (w *World) sample(n int, seed uint64) full {
	if w.FixedPrompts > 0 {
		n = w.FixedPrompts
	}
	r := stream(seed, w.Name, "prompts")
	shared := make([]float64, n)
	f := full{prompts: make([]int, n)}
	for i := range n {
		f.prompts[i] = r.IntN(populationSize)
		shared[i] = r.NormFloat64()
	}
	f.rows = w.units(f.prompts, shared, 0, w.RowsPerPrompt, stream(seed, w.Name, "rows"))
	for t, target := range w.Targets {
		r := stream(seed, w.Name, "draws "+target.Name)
		f.draws = append(f.draws, w.units(f.prompts, shared, t+1, w.DrawsPerPrompt, r))
	}
	return f
}

// units draws responses of one policy and their labels.
func (w *World) units(prompts []int, shared []float64, policy, per int, r *rand.Rand) []unit {
	p := w.pop
	out := make([]unit, 0, len(prompts)*per)
	for i, x := range prompts {
		for j := range per {
			at := x*p.spec.k + pick(p.probs[policy][x*p.spec.k:(x+1)*p.spec.k], r.Float64())
			label := p.spec.label.sample(r, p.responses[at].loc, p.spec.common, shared[i])
			out = append(out, unit{prompt: i, index: j, at: at, label: label})
		}
	}
	return out
}

// pick inverts the distribution function at u.
func pick(probs []float64, u float64) int {
	for j, q := range probs {
		if u < q {
			return j
		}
		u -= q
	}
	// Rounding left a sliver: the most likely response takes it.
	best := 0
	for j, q := range probs {
		if q > probs[best] {
			best = j
		}
	}
	return best
}

// show turns a complete draw into what the evaluation sees.
func (w *World) show(f full, labels, own int, seed uint64) Data {
	p := w.pop
	data := Data{Rows: make([]Row, len(f.rows)), Draws: map[string][]Draw{}}
	for i, u := range f.rows {
		resp := p.responses[u.at]
		data.Rows[i] = Row{
			Prompt:        promptID(u.prompt),
			Index:         u.index,
			LogP0:         math.Log(p.probs[0][u.at]),
			LogTarget:     make(map[string]float64, len(w.Targets)),
			Score:         resp.score,
			Label:         missing,
			InclusionProb: missing,
			Length:        resp.length,
			Segment:       segments[p.segment[f.prompts[u.prompt]]],
		}
	}
	for t, target := range w.Targets {
		w.showLogProbs(f, t, data.Rows, stream(seed, w.Name, "log-probs "+target.Name))
	}
	w.chooseLabels(f, labels, data.Rows, stream(seed, w.Name, "labels"))
	r := stream(seed, w.Name, "scores")
	for i, u := range f.rows {
		if w.gaps.losesScore(p.responses[u.at], r) {
			data.Rows[i].Score = missing
		}
	}
	for t, target := range w.Targets {
		count := 0
		if target.Own {
			count = own
		}
		data.Draws[target.Name] = w.showDraws(f.draws[t], count, seed, target.Name)
	}
	return data
}

func (w *World) showDraws(units []unit, own int, seed uint64, name string) []Draw {
	out := make([]Draw, len(units))
	scores := stream(seed, w.Name, "scores "+name)
	for i, u := range units {
		resp := w.pop.responses[u.at]
		out[i] = Draw{
			Prompt:        promptID(u.prompt),
			Index:         u.index,
			Score:         resp.score,
			Label:         missing,
			InclusionProb: missing,
			Length:        resp.length,
		}
		if w.gaps.losesScore(resp, scores) {
			out[i].Score = missing
		}
	}
	for _, i := range w.chooseProbes(units, own, stream(seed, w.Name, "probes "+name)) {
		out[i].Label = units[i].label
	}
	return out
}

func promptID(i int) string { return fmt.Sprintf("p%05d", i) }
