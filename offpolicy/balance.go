package offpolicy

import "math"

// Balance compares what weights say of the judge's scores with what the policy's
// own fresh draws say: without labels, and with nothing calibrated. Both sides rest on
// the prompts that are logged and drawn for, and on the responses that have a score.
type Balance struct {
	Reweighted float64 // SNIPS mean of the judge's score on the logs
	Fresh      float64 // mean of the judge's score over fresh draws
	Difference float64 // Reweighted - Fresh
	SE         float64 // by influence function, paired by prompt
}

// balanceZ is how many standard errors the two sides may differ by, two-sided 0.1% of the
// normal. [DR] adds what labels and weights say of the judge's error to what the judge
// says of the draws: that is right only if both sides see one judge and one policy.
const balanceZ = 3.29

// weighBalance compares a target's reweighted logs with its own draws, and refuses what
// rests on its weights if they contradict each other: then the weights are wrong, or the
// draws are another policy's, or the judge is not the same on both. Draws that the judge
// failed on more or less often than the reweighted logs refuse what rests on the draws.
func (r *Result) weighBalance(p *PolicyResult) {
	fr := r.frame
	d := fr.draws[p.Policy]
	none := math.NaN()
	p.Balance = Balance{none, none, none, none}
	if d == nil {
		return
	}
	rel := relative(p.Weights)
	drawn := make([]float64, len(fr.prompts))
	for i, q := range d.prompt {
		drawn[q] += d.inv[i]
	}
	logged := func(value func(score float64) (v float64, ok bool)) paired {
		return pairedOf(func(add func(prompt int32, w, value float64)) {
			for i, s := range fr.score {
				if v, ok := value(s); ok && drawn[fr.prompt[i]] > 0 {
					add(fr.prompt[i], rel[i], v)
				}
			}
		})
	}
	fresh := func(value func(score float64) (v float64, ok bool)) paired {
		return pairedOf(func(add func(prompt int32, w, value float64)) {
			for i, s := range d.score {
				if v, ok := value(s); ok && fr.count[d.prompt[i]] > 0 {
					add(d.prompt[i], d.inv[i]*fr.count[d.prompt[i]], v)
				}
			}
		})
	}
	shared := 0
	for q, n := range drawn {
		if n > 0 && fr.count[q] > 0 {
			shared++
		}
	}
	score := func(s float64) (float64, bool) { return s, !math.IsNaN(s) }
	lost := func(s float64) (float64, bool) {
		if math.IsNaN(s) {
			return 1, true
		}
		return 0, true
	}
	b := &p.Balance
	a, f := logged(score), fresh(score)
	b.Reweighted, b.Fresh = a.mean(), f.mean()
	b.Difference, b.SE = a.minus(&f, len(fr.prompts))
	if shared < MinProbes || !p.Weights.Usable() {
		return // of so few prompts, or with such weights, the error of a mean says nothing
	}
	// What intervals of log-probs leave open is no contradiction.
	open := func(value func(score float64) (v float64, ok bool)) slack {
		return (&builder{weights: p.Weights}).open(largest(p.Weights.Log), math.Inf(1), 0,
			func(i int) (num, den float64, ok bool) {
				v, ok := value(fr.score[i])
				return v, 1, ok && drawn[fr.prompt[i]] > 0
			})
	}
	s := open(score)
	if apart := max(b.Difference-s.below, -b.Difference-s.above); apart > balanceZ*b.SE+1e-9 {
		p.unlike = append(p.unlike, refusal(RuleBalance, apart/max(b.SE, 1e-9), balanceZ,
			"the judge's mean is %.3f on the logs reweighted to %s, and %.3f on its own draws (difference %+.3f, SE %.3f): "+
				"either the weights are wrong, or the draws are not this policy's, or the judge is not the same",
			b.Reweighted, p.Policy, b.Fresh, b.Difference, b.SE))
	}
	a, f = logged(lost), fresh(lost)
	gap, se := a.minus(&f, len(fr.prompts))
	s = open(lost)
	if apart := max(gap-s.below, -gap-s.above); a.mean() < 1 && f.mean() < 1 && apart > balanceZ*se+1e-9 {
		p.lost = append(p.lost, refusal(RuleBalance, apart/max(se, 1e-9), balanceZ,
			"%.0f%% of %s's own draws have no score, against %.0f%% of the logs reweighted to it",
			100*f.mean(), p.Policy, 100*a.mean()))
	}
}

// paired is a weighted mean by prompt, of what each says whenever it is asked.
type paired struct {
	each     func(add func(prompt int32, w, value float64))
	num, den float64
}

func pairedOf(each func(add func(prompt int32, w, value float64))) paired {
	m := paired{each: each}
	each(func(_ int32, w, value float64) {
		m.num += w * value
		m.den += w
	})
	return m
}

func (m *paired) mean() float64 { return m.num / m.den }

// minus returns the difference of two means with its standard error, prompts being
// independent of each other.
func (m *paired) minus(o *paired, prompts int) (difference, se float64) {
	phi := make([]float64, prompts)
	for _, side := range []struct {
		*paired
		sign float64
	}{{m, 1}, {o, -1}} {
		mean := side.mean()
		side.each(func(p int32, w, value float64) { phi[p] += side.sign * w * (value - mean) / side.den })
	}
	se, _ = clusterSE(phi)
	return m.mean() - o.mean(), se
}
