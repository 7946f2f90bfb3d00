package cje

import (
	"math"
	"sort"
)

// probFloor keeps probabilities away from 0 and 1 before a logit.
const probFloor = 1e-7

func logit(p float64) float64 {
	p = min(max(p, probFloor), 1-probFloor)
	return math.Log(p) - math.Log(1-p)
}

func expit(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// targeted is the outcome g after a fluctuation by e along h.
func targeted(g, e, h float64) float64 { return expit(logit(g) + e*h) }

// fluctuation solves Σ h (R - expit(logit(g) + e h)) = 0 for e by Newton's
// method from 0, in at most 50 steps of at most 5, until the score is within
// 1e-8 of 0 in units of the root of its information.
func fluctuation(g, reward, h []float64) float64 {
	start := make([]float64, len(g))
	for i, v := range g {
		start[i] = logit(v)
	}
	e := 0.0
	for range 50 {
		var score, information float64
		for i := range h {
			p := expit(start[i] + e*h[i])
			score += h[i] * (reward[i] - p)
			information += h[i] * h[i] * p * (1 - p)
		}
		// Where h is 0 everywhere there is no information, and nothing to move.
		if information <= 1e-12 || math.Abs(score)/math.Sqrt(information) <= 1e-8 {
			break
		}
		e += min(max(score/information, -5), 5)
	}
	return e
}

// weightMap is the mean weight at each score, linear between scores and constant
// beyond them.
type weightMap struct{ x, y []float64 }

// weightMaps has a map for each fold; that of a fold without rows is empty.
func weightMaps(score, w []float64, fold []int) [folds]weightMap {
	var out [folds]weightMap
	for k := range folds {
		var s, v []float64
		for i, f := range fold {
			if f == k {
				s, v = append(s, score[i]), append(v, w[i])
			}
		}
		ix := newIndex(s)
		out[k] = weightMap{ix.x, ix.means(v)}
	}
	return out
}

func (m weightMap) at(s float64) float64 {
	n := len(m.x)
	switch {
	case s <= m.x[0]:
		return m.y[0]
	case s >= m.x[n-1]:
		return m.y[n-1]
	}
	i := sort.SearchFloat64s(m.x, s) // s is in (x[i-1], x[i]]
	if s == m.x[i] {
		return m.y[i]
	}
	return m.y[i-1] + (s-m.x[i-1])/(m.x[i]-m.x[i-1])*(m.y[i]-m.y[i-1])
}
