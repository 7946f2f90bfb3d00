package worlds

import (
	"math"
	"math/rand/v2"
)

// A lossKind says which log-probs of the targets are missing.
type lossKind int

const (
	lossNone lossKind = iota
	lossLongWorse
	lossRandom
	lossLong
)

// A choiceKind says how rows or draws get labels.
type choiceKind int

const (
	chooseRandom   choiceKind = iota
	chooseHigh                // only scores in the upper half of the scale
	chooseByScore             // a design that prefers low scores
	chooseByWeight            // a design in proportion to the targets' mean weight
	chooseByPlain             // a design in proportion to the weight of "plain"
)

const (
	halfScale   = .5
	weightFloor = .3
)

// An observe says what an evaluation sees of a population.
type observe struct {
	loss      lossKind
	lossShare float64 // of the rows under logging, for each target
	noise     float64 // nats of noise in the targets' log-probs
	scoreLoss float64 // share of the rows under logging, on bad responses
	labels    choiceKind
	probes    choiceKind
}

// gaps holds the solved intercepts of the missingness.
type gaps struct {
	observe
	lossShift, scoreShift float64
}

func newGaps(o observe, p *population) gaps {
	g := gaps{observe: o}
	if o.loss != lossNone && o.loss != lossRandom {
		g.lossShift = bisect(-30, 30, true, o.lossShare, func(s float64) float64 {
			return p.expect(func(r response) float64 { return logistic(s + o.loss.slope(r)) })
		})
	}
	if o.scoreLoss > 0 {
		g.scoreShift = bisect(-30, 30, true, o.scoreLoss, func(s float64) float64 {
			return p.expect(func(r response) float64 { return logistic(s + scoreSlope(r)) })
		})
	}
	return g
}

// slope is the log odds of losing a log-prob, up to the intercept.
func (k lossKind) slope(r response) float64 {
	switch k {
	case lossLongWorse:
		return 1.8*r.logLen - 1.2*r.quality
	case lossLong:
		return 3 * r.logLen
	default:
		return 0
	}
}

func scoreSlope(r response) float64 { return -2.5 * r.quality }

func (g gaps) losesLogProb(resp response, r *rand.Rand) bool {
	switch g.loss {
	case lossNone:
		return false
	case lossRandom:
		return r.Float64() < g.lossShare
	default:
		return r.Float64() < logistic(g.lossShift+g.loss.slope(resp))
	}
}

func (g gaps) losesScore(resp response, r *rand.Rand) bool {
	return g.scoreLoss > 0 && r.Float64() < logistic(g.scoreShift+scoreSlope(resp))
}

// showLogProbs writes one target's log-probs, with noise and gaps. Gaps fall
// independently for each target, given the response.
func (w *World) showLogProbs(f full, t int, rows []Row, r *rand.Rand) {
	name := w.Targets[t].Name
	for i, u := range f.rows {
		lp := math.Log(w.pop.probs[t+1][u.at])
		if w.gaps.noise > 0 {
			lp += w.gaps.noise * r.NormFloat64()
		}
		if w.gaps.losesLogProb(w.pop.responses[u.at], r) {
			lp = missing
		}
		rows[i].LogTarget[name] = lp
	}
}

// chooseLabels labels logged rows. A design states its inclusion probabilities
// on all rows, labeled or not.
func (w *World) chooseLabels(f full, m int, rows []Row, r *rand.Rand) {
	var chosen []int
	switch w.gaps.labels {
	case chooseByScore, chooseByWeight, chooseByPlain:
		size := make([]float64, len(rows))
		for i, u := range f.rows {
			size[i] = w.designSize(u.at)
		}
		probs := inclusion(size, m)
		for i := range rows {
			rows[i].InclusionProb = probs[i]
		}
		chosen = systematic(probs, r)
	default:
		chosen = w.choose(w.gaps.labels, f.rows, m, r)
	}
	for _, i := range chosen {
		rows[i].Label = f.rows[i].label
	}
}

func (w *World) chooseProbes(units []unit, m int, r *rand.Rand) []int {
	return w.choose(w.gaps.probes, units, m, r)
}

// choose takes m units at random among those that the kind admits.
func (w *World) choose(kind choiceKind, units []unit, m int, r *rand.Rand) []int {
	var out []int
	for _, i := range r.Perm(len(units)) {
		if len(out) >= m {
			break
		}
		if kind == chooseHigh && w.pop.responses[units[i].at].score < halfScale {
			continue
		}
		out = append(out, i)
	}
	return out
}

// designSize is what a design's inclusion probability is proportional to.
func (w *World) designSize(at int) float64 {
	p := w.pop
	if w.gaps.labels == chooseByScore {
		d := 1 - p.responses[at].score
		return .1 + .9*d*d
	}
	sum, count := 0.0, 0.0
	for t, target := range w.Targets {
		if target.Clone || w.gaps.labels == chooseByPlain && target.Name != "plain" {
			continue
		}
		sum += p.probs[t+1][at] / p.probs[0][at]
		count++
	}
	return math.Max(weightFloor, sum/count)
}

// inclusion scales sizes to probabilities that total m, none above one.
func inclusion(size []float64, m int) []float64 {
	m = min(m, len(size))
	out := make([]float64, len(size))
	full := make([]bool, len(size))
	for {
		sum, left := 0.0, float64(m)
		for i, s := range size {
			if full[i] {
				left--
			} else {
				sum += s
			}
		}
		again := false
		for i, s := range size {
			switch {
			case full[i]:
				out[i] = 1
			case left*s >= sum:
				full[i], again = true, true
			default:
				out[i] = left * s / sum
			}
		}
		if !again {
			return out
		}
	}
}

// systematic samples in a random order with one random start, so that each unit
// enters with exactly its probability and the number chosen is fixed.
func systematic(probs []float64, r *rand.Rand) []int {
	var out []int
	total, start := 0.0, r.Float64()
	for _, i := range r.Perm(len(probs)) {
		before := math.Floor(total + start)
		total += probs[i]
		if math.Floor(total+start) > before {
			out = append(out, i)
		}
	}
	return out
}
