package worlds

import (
	"math"
	"math/rand/v2"
)

const (
	populationSize = 10_000
	fewResponses   = 10
	manyResponses  = 24
	// Tilts are solved on this many prompts; they are iid, so all is close.
	solvePrompts = 2_500
	// Log odds that the logging policy gives responses it practically never
	// writes, and the log odds that the targets without overlap give them.
	unseenLogOdds  = -18
	favouredLogOdd = 3.5
)

var (
	segments     = [3]string{"a", "b", "c"}
	segmentShare = [3]float64{.5, .3, .2}
)

// A judgeKind maps the judge's latent opinion to a score.
type judgeKind int

const (
	judgeSmooth  judgeKind = iota
	judgeInteger           // 1 to 10, rescaled to [0, 1]
)

// A popSpec determines a population. It is comparable, so it is a cache key.
type popSpec struct {
	k      int
	label  labelKind
	mean   float64 // the logging policy's mean label, where it is solved for
	judge  judgeKind
	family familyKind
	ess    float64
	// between is the loading of quality on the prompt.
	between float64
	// common is the share of label noise that a prompt's rows have in common.
	common float64
}

// A feature holds what the policies can tilt on.
type feature struct {
	e float64 // quality beyond the prompt's level
	v float64 // style, unrelated to quality; longer when high
	r float64 // rarity: minus the log-probability under logging, exactly
}

// A response is one of the K answers a prompt can get.
type response struct {
	quality float64
	score   float64
	loc     float64 // parameter of the label distribution
	mean    float64 // exact mean of the label
	logLen  float64 // standardised log length
	length  float64
}

// A population lists responses and probabilities, prompt by prompt.
type population struct {
	spec      popSpec
	names     []string // the logging policy first
	own       []bool
	clone     []bool
	segment   []int
	responses []response
	probs     [][]float64 // by policy, then prompt*k + response
}

func newPopulation(s popSpec) *population {
	p := &population{spec: s}
	feats := p.drawResponses(stream(0, "population", ""))
	p.setLabels()
	p.setPolicies(feats)
	return p
}

// drawResponses fills everything but labels and targets.
func (p *population) drawResponses(r *rand.Rand) []feature {
	k, total := p.spec.k, populationSize*p.spec.k
	p.segment = make([]int, populationSize)
	p.responses = make([]response, total)
	logging := make([]float64, total)
	feats := make([]feature, total)
	within := math.Sqrt(1 - p.spec.between*p.spec.between)
	for x := range populationSize {
		p.segment[x] = segmentOf(r.Float64())
		level := r.NormFloat64()
		for j := range k {
			i := x*k + j
			e, v, u := r.NormFloat64(), r.NormFloat64(), r.NormFloat64()
			judge, length := r.NormFloat64(), r.NormFloat64()
			unseen := p.spec.family == familyNone && j >= k/2
			if unseen {
				e += .6
			}
			quality := p.spec.between*level + within*e
			logLen := .5*v - .35*e + .79*length
			p.responses[i] = response{
				quality: quality,
				score:   p.spec.judge.score(quality + .6*judge),
				logLen:  logLen,
				length:  math.Max(1, math.Round(math.Exp(5.3+.55*logLen))),
			}
			switch p.spec.family {
			case familyHeavy:
				logging[i] = 1.8*u - .6*e
			case familyNone:
				logging[i] = .8 * u
				if unseen {
					logging[i] += unseenLogOdds
				}
			default:
				logging[i] = .8*u + .3*e
			}
			feats[i] = feature{e: e, v: v}
		}
		row := logging[x*k : (x+1)*k]
		softmax(row)
		for j := range row {
			feats[x*k+j].r = -math.Log(row[j])
		}
	}
	p.names, p.own, p.clone = []string{Logging}, []bool{false}, []bool{false}
	p.probs = [][]float64{logging}
	return feats
}

func segmentOf(u float64) int {
	for g, share := range segmentShare[:len(segmentShare)-1] {
		if u < share {
			return g
		}
		u -= share
	}
	return len(segmentShare) - 1
}

func (j judgeKind) score(latent float64) float64 {
	s := logistic(1.3 * latent)
	if j == judgeInteger {
		return math.Round(9*s) / 9
	}
	return s
}

// setLabels gives each response its distribution, and the population the mean
// that its world names.
func (p *population) setLabels() {
	kind, shift := p.spec.label, 0.0
	if p.spec.mean > 0 {
		rising := kind != labelSkewHigh
		shift = bisect(-12, 12, rising, p.spec.mean, func(s float64) float64 {
			sum := 0.0
			for i, resp := range p.responses {
				sum += p.probs[0][i] * kind.mean(kind.location(resp.quality, s))
			}
			return sum / populationSize
		})
	}
	for i := range p.responses {
		resp := &p.responses[i]
		resp.loc = kind.location(resp.quality, shift)
		resp.mean = kind.mean(resp.loc)
	}
}

// truth enumerates the mean label of a policy, over all prompts and by segment.
func (p *population) truth(policy int) (float64, [3]float64) {
	var sum, count [3]float64
	for x, g := range p.segment {
		count[g]++
		for i := x * p.spec.k; i < (x+1)*p.spec.k; i++ {
			sum[g] += p.probs[policy][i] * p.responses[i].mean
		}
	}
	all := (sum[0] + sum[1] + sum[2]) / populationSize
	for g := range sum {
		sum[g] /= count[g]
	}
	return all, sum
}

// essShare enumerates 1/E[w^2] for a target.
func (p *population) essShare(policy int) float64 {
	sum := 0.0
	for i, q := range p.probs[policy] {
		sum += q * q / p.probs[0][i]
	}
	return populationSize / sum
}

// expect enumerates the logging policy's mean of a function of the response.
func (p *population) expect(f func(response) float64) float64 {
	sum := 0.0
	for i, resp := range p.responses {
		sum += p.probs[0][i] * f(resp)
	}
	return sum / populationSize
}

// bisect solves f(x) = want for a monotone f.
func bisect(lo, hi float64, rising bool, want float64, f func(float64) float64) float64 {
	for range 30 {
		mid := (lo + hi) / 2
		if (f(mid) < want) == rising {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// softmax turns logits into probabilities in place.
func softmax(x []float64) {
	top := math.Inf(-1)
	for _, v := range x {
		top = math.Max(top, v)
	}
	sum := 0.0
	for i, v := range x {
		x[i] = math.Exp(v - top)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}
