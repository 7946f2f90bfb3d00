package offpolicy

import "math"

// ratioMean is a weighted mean whose parts do not depend on the fit: of rewards
// or of labels.
type ratioMean struct {
	num, den []float64 // by prompt
	scale    float64   // of the mean
	// leave makes a prompt's part nearly what leaving the prompt out changes,
	// 1/(1-h) times the linear part with h the prompt's share of Σ D: where few
	// heavy rows decide, the linear part is too small. The factor is taken as
	// √(1 + 2h + 3h²), whose square is the expansion of that of 1/(1-h), so that
	// sums of powers suffice for it (see [Accumulator]).
	leave bool
}

func (r *ratioMean) value(w *worker) float64 {
	var num, den float64
	for p, v := range w.v {
		num += v * r.num[p]
		den += v * r.den[p]
	}
	return r.scale * num / den
}

func (r *ratioMean) influence(w *worker, phi []float64) float64 {
	var num, den float64
	for p := range r.num {
		num += r.num[p]
		den += r.den[p]
	}
	mean := num / den
	for p := range phi {
		phi[p] = r.scale * (r.num[p] - mean*r.den[p]) / den
		if r.leave {
			phi[p] *= leaving(r.den[p] / den)
		}
	}
	return r.scale * mean
}

// leaving is about 1/(1-h); see ratioMean.
func leaving(h float64) float64 { return math.Sqrt(1 + 2*h + 3*h*h) }

const noCoverage = "claims no coverage: rewards are taken as they are"

func noRewards(policy string) Refusal {
	return refusal(RuleRewards, 0, 1, "no logged response has both a weight under %s and a reward", policy)
}

// rewards builds ips, snips and clipped_ips.
func (b *builder) rewards(e *Estimate) built {
	if !b.weighted(e) {
		return built{}
	}
	fr := b.r.frame
	stat := &ratioMean{num: make([]float64, len(fr.prompts)), den: make([]float64, len(fr.prompts)), scale: 1}
	clip := math.Inf(1)
	e.Basis.Rows, e.Basis.Prompts = 0, 0
	if e.Estimator == ClippedIPS {
		if clip = b.c.Clip; clip == 0 {
			clip = math.Sqrt(float64(b.weights.N))
		}
		e.Basis.Clip = clip
	}
	last := int32(-1) // rows are sorted by prompt
	for i := range fr.rows {
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
		if e.Estimator == ClippedIPS {
			if u = math.Exp(l); u > clip {
				u = clip
				e.Basis.Clipped++
			}
		}
		stat.num[p] += u * reward
		if e.Estimator == SNIPS {
			stat.den[p] += u
		} else {
			stat.den[p]++
		}
	}
	if e.Estimator == IPS {
		stat.scale = math.Exp(largest(b.weights.Log))
	}
	if e.Basis.Rows == 0 {
		e.refuse(noRewards(b.policy))
		return built{}
	}
	e.Notes = append(e.Notes, noCoverage)
	return built{stat, float64(e.Basis.Prompts - 1), false, besselFactor(e.Basis.Prompts)}
}

// reward is a row's reward, and whether it is the label.
func (b *builder) reward(i int) (float64, bool) {
	fr := b.r.frame
	switch {
	case b.c.Reward != nil:
		return b.c.Reward(fr.rows[i]), false
	case fr.invP[i] > 0:
		return fr.label[i], true
	case fr.fits == nil || math.IsNaN(fr.score[i]):
		return math.NaN(), false
	}
	return b.w.f[i], false
}

func (b *builder) labeled(e *Estimate) built {
	if !b.weighted(e) {
		return built{}
	}
	fr := b.r.frame
	ess, factor := b.labels(e, func(int) bool { return true })
	if ess == 0 {
		return built{}
	}
	stat := &ratioMean{num: make([]float64, len(fr.prompts)), den: make([]float64, len(fr.prompts)), scale: 1, leave: true}
	for i := range fr.rows {
		u := b.rel[i] * fr.invP[i]
		stat.num[fr.prompt[i]] += u * fr.label[i]
		stat.den[fr.prompt[i]] += u
	}
	return built{stat, max(ess-1, 1), true, factor}
}
