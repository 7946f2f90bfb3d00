package cje

import (
	"fmt"
	"math"
	"slices"

	"github.com/reweigh/reweigh/offpolicy"
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
	logs, ratios := logarithms(w), make([]float64, len(w))
	for i, t := range ref.target[policy] {
		ratios[i] = t - ref.base[i]
	}
	d := Diagnostics{
		ESSFraction: ess(w) / float64(len(w)), MaxWeight: slices.Max(w), TailIndex: math.NaN(), Hellinger: hellinger(raw),
		ScoreAffinity: offpolicy.JudgeSpaceAffinity(ref.score, raw, nil), Typicality: math.NaN(),
		Boundary: ref.labeled.card(ref.score, ref.reward),
	}
	if len(w) >= 50 {
		d.TailIndex = offpolicy.Hill(logs)
	}
	if !slices.ContainsFunc(ref.length, math.IsNaN) {
		d.Typicality = offpolicy.TTC(ref.target[policy], ref.length, ratios)
	}
	if id == DRCPO || id == TMLE {
		var target []float64
		for _, d := range ref.fresh[policy] {
			if d.Score.Valid() {
				target = append(target, d.Score.OrNaN())
			}
		}
		d.ScoreAffinity = offpolicy.JudgeSpaceAffinity(ref.score, nil, target)
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
	share, top, cv := float64(zero)/float64(len(raw)), offpolicy.TopShare(logs, .05), math.Sqrt(variance(w))/mean(w)
	flag(d.ESSFraction < .30, "ESS=%.1f%%", 100*d.ESSFraction)
	flag(share > .85, "raw_near_zero=%.1f%%", 100*share)
	flag(top > .30 && cv > 2, "top_5%%=%.1f%% with CV=%.1f", 100*top, cv)
	return d
}

func logarithms(w []float64) []float64 {
	out := make([]float64, len(w))
	for i, v := range w {
		out[i] = math.Log(v)
	}
	return out
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

// support is what the labeled rows cover: scores, and calibrated scores.
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
