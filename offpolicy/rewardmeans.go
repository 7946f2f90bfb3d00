package offpolicy

import "math"

// Means of rewards as they are given; see [Estimators].
const (
	IPS   Estimator = "ips"   // Σ w R / n
	SNIPS Estimator = "snips" // Σ w R / Σ w
	// ClippedIPS is Σ min(w, c) R / n, with Config.Clip for c.
	ClippedIPS Estimator = "clipped_ips"
)

var (
	ips   = rewardMean{}.method(IPS)
	snips = rewardMean{normalised: true}.method(SNIPS)
	// Its weights are raw: they do not overflow.
	clippedIPS = rewardMean{clips: true}.method(ClippedIPS)
)

// rewardMean says how a mean of rewards is made.
type rewardMean struct {
	normalised bool // by Σ w, not by n
	clips      bool
}

func (m rewardMean) method(name Estimator) method {
	s := &streamed{rest: func(a *Accumulator, e *Estimate, s *streamSum) float64 { return a.restOfRewards(e, s, m) }}
	switch {
	case m.normalised:
		s.units = [2]int{1, 1}
	case !m.clips:
		s.units = [2]int{1, 0}
	}
	s.row = func(a *Accumulator, r *streamTerm) (n, d float64, ok bool) {
		w, d := r.w, 1.0
		switch {
		case m.clips:
			w = min(math.Exp(r.log), a.clip)
		case m.normalised:
			d = r.w
		}
		return w * r.reward, d, !math.IsNaN(r.reward) && !(m.clips && a.clip == 0)
	}
	return method{name: name, build: func(b *builder, e *Estimate) built { return b.rewards(e, m) }, stream: s}
}

const noCoverage = "claims no coverage: rewards are taken as they are"

func noRewards(policy string) Refusal {
	return refusal(RuleRewards, 0, 1, "no logged response has both a weight under %s and a reward", policy)
}

// rewards builds a mean of rewards.
func (b *builder) rewards(e *Estimate, m rewardMean) built {
	if !b.weighted(e) {
		return built{}
	}
	fr := b.r.frame
	stat := &ratioMean{num: make([]float64, len(fr.prompts)), den: make([]float64, len(fr.prompts)), scale: 1}
	clip := math.Inf(1)
	e.Basis.Rows, e.Basis.Prompts = 0, 0
	if m.clips {
		if clip = b.c.Clip; clip == 0 {
			clip = math.Sqrt(float64(b.weights.N))
		}
		e.Basis.Clip = clip
	}
	last := int32(-1) // rows are sorted by prompt
	for i := range fr.invP {
		l := b.weights.Log[i]
		if math.IsNaN(l) {
			continue
		}
		reward, fromLabel := b.reward(i)
		if math.IsNaN(reward) {
			e.Basis.Missing++
			continue
		}
		if b.c.Reward == nil {
			if fromLabel {
				e.Basis.FromLabels++
			} else {
				e.Basis.FromJudge++
			}
		}
		e.Basis.Rows++
		p := fr.prompt[i]
		if p != last {
			e.Basis.Prompts++
			last = p
		}
		u := b.rel[i]
		if m.clips {
			if u = math.Exp(l); u > clip {
				u = clip
				e.Basis.Clipped++
			}
		}
		stat.num[p] += u * reward
		if m.normalised {
			stat.den[p] += u
		} else {
			stat.den[p]++
		}
	}
	if !m.normalised && !m.clips {
		stat.scale = math.Exp(largest(b.weights.Log))
	}
	if e.Basis.Rows == 0 {
		e.refuse(noRewards(b.policy))
		return built{}
	}
	e.Notes = append(e.Notes, noCoverage)
	unit, fixed, den := largest(b.weights.Log), 0.0, 1.0
	if m.clips {
		unit = 0
	}
	if !m.normalised {
		fixed, den = float64(e.Basis.Rows), 0
	}
	open := b.open(unit, clip, fixed, func(i int) (float64, float64, bool) {
		reward, _ := b.reward(i)
		return stat.scale * reward, den, !math.IsNaN(reward)
	})
	return built{stat: stat, df: float64(e.Basis.Prompts - 1), factor: besselFactor(e.Basis.Prompts), slack: open}
}

// reward is a row's reward, and whether it is the label.
func (b *builder) reward(i int) (float64, bool) {
	fr := b.r.frame
	switch {
	case b.c.Reward != nil:
		return b.c.Reward(fr.t.row(i)), false
	case fr.invP[i] > 0:
		return fr.label[i], true
	case fr.fits == nil || math.IsNaN(fr.score[i]):
		return math.NaN(), false
	}
	return b.w.f[i], false
}
