package offpolicy

import (
	"maps"
	"math"
	"slices"
)

// clone is a copy of its own.
func (a *Accumulator) clone() *Accumulator {
	out := *a
	out.sums, out.current.parts = slices.Clone(a.sums), slices.Clone(a.current.parts)
	out.loggers = maps.Clone(a.loggers)
	for name, l := range out.loggers {
		out.loggers[name] = l.clone()
	}
	return &out
}

// Finish returns the weights' figures (with Log nil) and the estimates of what
// has been added so far, refused where they would be refused by [Evaluate].
// Influences are not kept, so that [Estimate.Influence] is nil. More rows may be
// added afterwards.
func (a *Accumulator) Finish() (*Weights, []Estimate) {
	a = a.clone()
	a.close()
	w := a.weights()
	var out []Estimate
	for k, m := range streamedMethods {
		if m.name != ClippedIPS || a.clip > 0 {
			out = append(out, a.estimate(m, k, w))
		}
	}
	return w, out
}

func (a *Accumulator) weights() *Weights {
	n, nan := float64(a.n), math.NaN()
	w := &Weights{
		N: int(a.n), Missing: int(a.missing), Overflow: int(a.overflow), Prompts: int(a.prompts),
		MaxShare: nan, Mean: nan, MeanSE: nan, LogMean: nan, Divergence: nan, PromptShare: nan,
	}
	w.LogEValue = a.bets.log()
	if a.n == 0 {
		return w
	}
	w.Zero, w.Divergence = int(a.zero), divergence(a.sumLog.value(), int(a.n), int(a.zero))
	if len(a.loggers) > 0 {
		w.Divergence = a.divergence()
	}
	if math.IsInf(a.top, -1) {
		w.Mean, w.LogMean = 0, math.Inf(-1)
		if a.n > 1 {
			w.MeanSE = 0
		}
		return w
	}
	s1, s2 := a.mass.of(1, 0).value(), a.ww.value()
	shift := float64(a.unit) * math.Ln2
	w.ESS = s1 * s1 / s2
	w.MaxShare = math.Exp(a.top-shift) / s1
	w.PromptESS, w.PromptShare = s1*s1/a.mass.of(2, 0).value(), a.heavy/s1
	w.LogMean = shift + math.Log(s1/n)
	if w.Mean = s1 / n; a.unit != 0 {
		w.Mean = math.Exp(w.LogMean)
	}
	if g := float64(a.prompts); g > 1 {
		w.MeanSE = 0
		if ss, _, _ := a.mass.squares(s1/n, n, false); ss > 0 {
			w.MeanSE = math.Exp(shift + math.Log(g/(g-1)*ss)/2 - math.Log(n))
		}
	}
	return w
}

// estimate makes one estimate from sums over prompts.
func (a *Accumulator) estimate(m *method, k int, w *Weights) Estimate {
	s := &a.sums[k]
	out := emptyEstimate(a.policy, m)
	out.Method = InfluenceFunction
	out.Basis.Rows, out.Basis.Missing, out.Basis.ESS = w.N, w.Missing, w.ESS
	out.refuse(a.gap()...)
	out.refuseByWeights(w)
	if w.N == 0 || w.ESS == 0 {
		out.blank()
		return out
	}
	factor := m.stream.rest(a, &out, s)
	if out.Refused() {
		out.blank()
		return out
	}
	den := s.moments.of(0, 1).value()
	scale := math.Exp(float64(a.unit*(m.stream.units[0]-m.stream.units[1])) * math.Ln2)
	mean := s.moments.of(1, 0).value() / den
	squares, plain, fourth := s.moments.squares(mean, den, m.stream.leave)
	squares, plain, fourth = a.centred(k, mean, den, m.stream.leave, squares, plain, fourth)
	out.Value, out.SE = scale*mean, scale*factor*math.Sqrt(squares)/den
	if m.stream.leave {
		out.DF = min(out.DF, 2*plain*plain/fourth) // Satterthwaite's
	}
	out.settle()
	return out
}

// gap refuses everything if too many rows lack their weight, or if these rows' labels
// differ from the others'.
func (a *Accumulator) gap() []Refusal {
	if a.missing == 0 || a.n == 0 {
		return nil
	}
	total := a.n + a.missing
	if share := float64(a.missing) / float64(total); share > MaxMissing {
		return []Refusal{refusal(RuleMissing, share, MaxMissing,
			"%d of %d logged responses could not be scored under %s, more than %.0f%%", a.missing, total, a.policy,
			100*MaxMissing)}
	}
	l := a.lost
	if l.lostN == 0 || l.lostN == l.n {
		return nil
	}
	mean := l.y / l.n
	variance := (l.yy - l.n*mean*mean) / l.n
	z := (l.lostY - l.lostN*mean) / math.Sqrt(variance*l.lostN*(1-l.lostN/l.n))
	if !(math.Abs(z) > maxGapZ) {
		return nil
	}
	return []Refusal{refusal(RuleMissing, z, maxGapZ,
		"what could not be scored under %s differs in its labels (z %+.1f)", a.policy, z)}
}

// restOfLabels is the rest of labeled_snips.
func (a *Accumulator) restOfLabels(e *Estimate, s *streamSum) float64 {
	e.Basis.Labels, e.Basis.Prompts = int(s.rows), int(s.prompts)
	all := a.mass.of(1, 0).value()
	design := a.mass.of(2, 0).plus(-1, a.ww).value() // and Σ w²/p
	rest := 0.0
	switch {
	case !a.stated:
		design += a.ww.value() * float64(a.n+a.missing) / float64(a.allLabels)
	case a.severalP && a.squares.value() > 0:
		design = math.NaN()
	default:
		if rest = a.squares.value(); rest > 0 {
			rest /= a.oneP
		}
		design += a.designSquares.value() + rest
	}
	den := s.moments.of(0, 1).value()
	ess, factor := e.labeled(labelSums{
		labels: int(s.rows), prompts: int(s.prompts), w: den, squares: s.moments.of(0, 2).value(), most: a.labelTop,
		all: all, design: design,
	})
	e.DF = max(ess-1, 1)
	e.one, e.equal = a.least, a.least == a.most
	return factor
}

// restOfRewards is the rest of a mean of rewards.
func (a *Accumulator) restOfRewards(e *Estimate, s *streamSum, m rewardMean) float64 {
	if m.clips {
		e.Basis.Clip, e.Basis.Clipped = a.clip, int(s.clip)
	}
	e.Basis.Missing += e.Basis.Rows - int(s.rows)
	e.Basis.Rows, e.Basis.Prompts, e.DF = int(s.rows), int(s.prompts), float64(s.prompts-1)
	if s.rows == 0 {
		e.refuse(noRewards(e.Policy))
	} else {
		e.Notes = append(e.Notes, noCoverage)
	}
	return besselFactor(int(s.prompts))
}
