package worlds

import (
	"fmt"
)

// A familyKind is a set of targets.
type familyKind int

const (
	familyPair      familyKind = iota // one better, one wordier and a little worse
	familySegments                    // effects that change sign by segment
	familyIdentical                   // two names for one policy
	familyNear                        // ten policies a hair apart
	familyHeavy                       // mass on rare responses, which are better
	familyNone                        // mass on responses the logs never show
)

// A policySpec tilts the logging policy: log w is a multiple of the tilt plus a
// constant of the prompt, so weights average one within each prompt.
type policySpec struct {
	name  string
	own   bool
	clone bool
	tilt  feature
	bySeg [3]float64
}

var everywhere = [3]float64{1, 1, 1}

// policies lists the targets of a family. Every family ends with a clone of the
// logging policy.
func (f familyKind) policies() []policySpec {
	up := feature{e: 1}
	wordy := feature{e: -.4, v: .9}
	var out []policySpec
	switch f {
	case familySegments:
		out = []policySpec{
			{name: "probed", own: true, tilt: up, bySeg: [3]float64{1.4, -.7, 0}},
			{name: "plain", tilt: feature{e: .8, v: .6}, bySeg: [3]float64{-.6, 1.2, .8}},
		}
	case familyIdentical:
		out = []policySpec{
			{name: "probed", own: true, tilt: up, bySeg: everywhere},
			{name: "plain", tilt: up, bySeg: everywhere},
		}
	case familyNear:
		for i := range 10 {
			step := float64(i) - 4.5
			out = append(out, policySpec{
				name:  fmt.Sprintf("near%d", i),
				own:   i == 0,
				tilt:  feature{e: 1 + .015*step, v: .03 * step},
				bySeg: everywhere,
			})
		}
	case familyHeavy:
		out = []policySpec{
			{name: "probed", own: true, tilt: feature{e: .2, r: 1}, bySeg: everywhere},
			{name: "plain", tilt: feature{v: .3, r: 1}, bySeg: everywhere},
		}
	default:
		out = []policySpec{
			{name: "probed", own: true, tilt: up, bySeg: everywhere},
			{name: "plain", tilt: wordy, bySeg: everywhere},
		}
	}
	return append(out, policySpec{name: "clone", clone: true})
}

// setPolicies adds the targets, each as strong as the wanted overlap allows.
func (p *population) setPolicies(feats []feature) {
	strength := 0.0
	for n, ps := range p.spec.family.policies() {
		probs := make([]float64, len(p.responses))
		switch {
		case ps.clone:
			copy(probs, p.probs[0])
		default:
			// Near-equal policies keep the strength of the first.
			if p.spec.family != familyNear || n == 0 {
				strength = p.solveStrength(ps, feats)
			}
			p.tilted(ps, feats, strength, populationSize, probs)
		}
		p.names = append(p.names, ps.name)
		p.own = append(p.own, ps.own)
		p.clone = append(p.clone, ps.clone)
		p.probs = append(p.probs, probs)
	}
}

func (p *population) solveStrength(ps policySpec, feats []feature) float64 {
	if p.spec.family == familyNone {
		return .3
	}
	k := p.spec.k
	probs := make([]float64, solvePrompts*k)
	return bisect(0, 12, true, 1/p.spec.ess, func(s float64) float64 {
		p.tilted(ps, feats, s, solvePrompts, probs)
		sum := 0.0
		for i, q := range probs {
			sum += q * q / p.probs[0][i]
		}
		return sum / solvePrompts
	})
}

// tilted writes the probabilities of the first prompts under a tilt.
func (p *population) tilted(ps policySpec, feats []feature, strength float64, prompts int, out []float64) {
	k := p.spec.k
	for x := range prompts {
		s := strength * ps.bySeg[p.segment[x]]
		for i := x * k; i < (x+1)*k; i++ {
			f := feats[i]
			out[i] = -f.r + s*(ps.tilt.e*f.e+ps.tilt.v*f.v+ps.tilt.r*f.r)
			if p.spec.family == familyNone && i-x*k >= k/2 {
				out[i] += favouredLogOdd - unseenLogOdds
			}
		}
		softmax(out[x*k : (x+1)*k])
	}
}
