package cje

import (
	"fmt"
	"math"
	"slices"
)

// Diagnostics are the reference's figures of an estimate's weights, and the
// warnings that it prints with them. It refuses nothing by itself.
type Diagnostics struct {
	ESSFraction float64 // of the weights used, over n
	MaxWeight   float64
	TailIndex   float64 // Hill's, of the weights used; NaN where it cannot be told
	Hellinger   float64 // affinity of the raw weights
	// ScoreAffinity is the Bhattacharyya affinity of the judge scores under the
	// two policies, in 20 bins: from fresh draws for the doubly robust
	// estimators, else from the raw weights.
	ScoreAffinity float64
	Typicality    float64 // share of logged rows in the target's typical region (TTC); NaN without lengths
	Boundary      Boundary
	Flags         []string // why the reference calls the estimate unreliable
}

// Boundary is the reference's coverage badge: how many evaluated scores lie
// outside of those that have labels, and how many rewards at the ends.
type Boundary struct {
	Status     string  // "OK", "CAUTION" or "REFUSE-LEVEL"
	OutOfRange float64 // share of scores
	Saturation float64 // share of rewards within 5% of the range's ends
}

// Diagnostics returns the figures of one estimate of a policy.
func (ref *Reference) Diagnostics(id Estimator, policy string, e *Estimate) Diagnostics {
	raw, w := ref.raw(policy), e.Weights
	d := Diagnostics{
		ESSFraction: ess(w) / float64(len(w)), MaxWeight: slices.Max(w), TailIndex: math.NaN(), Hellinger: hellinger(raw),
		ScoreAffinity: scoreAffinity(ref.score, raw, nil), Typicality: typicality(ref.base, ref.target[policy], ref.length),
		Boundary: ref.labelled.card(ref.score, ref.reward),
	}
	if len(w) >= 50 {
		d.TailIndex = hill(w)
	}
	if id == DRCPO || id == TMLE {
		var target []float64
		for _, d := range ref.fresh[policy] {
			if !math.IsNaN(d.Score) {
				target = append(target, d.Score)
			}
		}
		d.ScoreAffinity = scoreAffinity(ref.score, nil, target)
	}
	zero := 0
	for _, v := range raw {
		if v < 1e-10 {
			zero++
		}
	}
	flag := func(on bool, format string, args ...any) {
		if on {
			d.Flags = append(d.Flags, fmt.Sprintf(format, args...))
		}
	}
	share, top, cv := float64(zero)/float64(len(raw)), topShare(w, .05), math.Sqrt(variance(w))/mean(w)
	flag(d.ESSFraction < .30, "ESS=%.1f%%", 100*d.ESSFraction)
	flag(share > .85, "raw_near_zero=%.1f%%", 100*share)
	flag(top > .30 && cv > 2, "top_5%%=%.1f%% with CV=%.1f", 100*top, cv)
	return d
}

// ess is (Σw)² / Σw².
func ess(w []float64) float64 {
	var s, ss float64
	for _, v := range w {
		s += v
		ss += v * v
	}
	return s * s / max(ss, 1e-12)
}

// topShare is the share of Σw of the largest max(1, ⌊nx⌋) weights.
func topShare(w []float64, x float64) float64 {
	sorted := descending(w)
	var top, all float64
	for i, v := range sorted {
		if i < max(1, int(float64(len(w))*x)) {
			top += v
		}
		all += v
	}
	return top / all
}

func descending(w []float64) []float64 {
	sorted := slices.Sorted(slices.Values(w))
	slices.Reverse(sorted)
	return sorted
}

// hill is the tail index k / Σ_{i<=k} (ln w_(i) - ln w_(k+1)) of the k =
// min(max(10, ⌊n/20⌋), ⌊n/10⌋) largest weights: +Inf where they are equal, NaN
// where the next one is 0 or there are too few.
func hill(w []float64) float64 {
	n := len(w)
	k := min(max(10, int(float64(n)*.05)), int(float64(n)*.1))
	if n < 10 || k < 1 {
		return math.NaN()
	}
	sorted := descending(w)
	if !(sorted[k] > 0) {
		return math.NaN()
	}
	var sum float64
	for _, v := range sorted[:k] {
		sum += math.Log(v) - math.Log(sorted[k])
	}
	if math.Abs(sum) < 1e-10 {
		return math.Inf(1)
	}
	return float64(k) / sum
}

// hellinger is the mean of √(w / mean w), each w / mean w at least 1e-10, at
// most 1. It is 0 where the mean is: the reference normalises, so that weights
// that are wrong by a factor look right.
func hellinger(w []float64) float64 {
	m := mean(w)
	if m <= 1e-10 {
		return 0
	}
	var sum float64
	for _, v := range w {
		sum += math.Sqrt(max(v/m, 1e-10))
	}
	return min(sum/float64(len(w)), 1)
}

const scoreBins = 20

// scoreAffinity is Σ √(p q) over 20 equal bins of the scores' range: p the
// logged scores, q the target's, or the logged ones weighted.
func scoreAffinity(logged, weight, target []float64) float64 {
	lo, hi := slices.Min(logged), slices.Max(logged)
	if weight == nil {
		lo, hi = min(lo, slices.Min(target)), max(hi, slices.Max(target))
	}
	if hi <= lo {
		return 1
	}
	p := histogram(logged, nil, lo, hi)
	q := histogram(target, nil, lo, hi)
	if weight != nil {
		q = histogram(logged, weight, lo, hi)
	}
	var sum float64
	for i := range p {
		sum += math.Sqrt(p[i] * q[i])
	}
	return min(max(sum, 0), 1)
}

// histogram is normalised; the last bin is closed.
func histogram(x, weight []float64, lo, hi float64) (out [scoreBins]float64) {
	var edges [scoreBins + 1]float64
	for i := range edges {
		edges[i] = lo + float64(i)*((hi-lo)/scoreBins)
	}
	edges[scoreBins] = hi
	var total float64
	for i, v := range x {
		w := 1.0
		if weight != nil {
			w = weight[i]
		}
		k := scoreBins - 1
		for k > 0 && v < edges[k] {
			k--
		}
		out[k] += w
		total += w
	}
	for i := range out {
		out[i] /= total
	}
	return out
}

// typicality is the target-typicality coverage (TTC): the share of logged rows
// whose surprisal under the target, per unit of length, is at most the quantile
// that holds 90% of the target's weight. length is nil for surprisal as it is.
func typicality(base, target, length []float64) float64 {
	n := len(base)
	surprisal, ratio := make([]float64, n), make([]float64, n)
	top := math.Inf(-1)
	for i := range base {
		surprisal[i], ratio[i] = -target[i], target[i]-base[i]
		if length != nil {
			surprisal[i] /= max(length[i], 1)
		}
		if math.IsNaN(surprisal[i]) {
			return math.NaN()
		}
		top = max(top, ratio[i])
	}
	var total float64
	for i, l := range ratio {
		ratio[i] = math.Exp(l - top)
		total += ratio[i]
	}
	order := sortedBy(surprisal)
	limit, sum := surprisal[order[n-1]], 0.0
	for _, i := range order {
		if sum += ratio[i] / total; sum >= .9 {
			limit = surprisal[i]
			break
		}
	}
	in := 0
	for _, v := range surprisal {
		if v <= limit {
			in++
		}
	}
	return float64(in) / float64(n)
}

// support is what the labelled rows cover: scores, and calibrated scores.
type support struct{ scoreLo, scoreHi, rewardLo, rewardHi float64 }

func newSupport(c *calibration, score, label []float64) support {
	s := support{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
	for i, y := range label {
		if math.IsNaN(y) {
			continue
		}
		r := c.whole.predict(score[i])
		s.scoreLo, s.scoreHi = min(s.scoreLo, score[i]), max(s.scoreHi, score[i])
		s.rewardLo, s.rewardHi = min(s.rewardLo, r), max(s.rewardHi, r)
	}
	return s
}

func (s support) card(score, reward []float64) Boundary {
	margin := .05 * (s.rewardHi - s.rewardLo)
	var below, above, end int
	for i, v := range score {
		if v < s.scoreLo {
			below++
		}
		if v > s.scoreHi {
			above++
		}
		if reward[i] <= s.rewardLo+margin || reward[i] >= s.rewardHi-margin {
			end++
		}
	}
	n := float64(len(score))
	b := Boundary{Status: "OK", OutOfRange: float64(below)/n + float64(above)/n, Saturation: float64(end) / n}
	switch {
	case b.OutOfRange >= .05:
		b.Status = "REFUSE-LEVEL"
	case b.Saturation >= .20:
		b.Status = "CAUTION"
	}
	return b
}
