package cje

import (
	"fmt"
	"slices"
	"sort"

	"github.com/reweigh/reweigh/internal/spline"
	"github.com/reweigh/reweigh/offpolicy"
)

// Mode is the shape of the calibration.
type Mode string

const (
	// Monotone is an isotonic regression of label on score.
	Monotone Mode = "monotone"
	// TwoStage is an isotonic regression of label on the rank of g(score), g a
	// ridge regression on cubic B-splines: it need not be monotone in the score.
	TwoStage Mode = "two_stage"
)

// curve is one fitted calibration. A score's index is what the isotonic
// regression was fitted on: the score, or the rank of g(score).
type curve struct {
	g    *spline.Fit // nil: the score itself
	rank *ranks      // nil: no ranks
	iso  *offpolicy.Isotonic
}

// fitCurve fits to rows with weights, nil for all ones. Where g has too few rows
// two_stage falls back to the rank of the score itself (a fold's fit) or to
// monotone (whole, the fit to all labels).
func fitCurve(mode Mode, whole bool, newRanks func(x, w []float64) *ranks, score, label, weight []float64) (*curve,
	error) {
	c := &curve{}
	if mode == TwoStage && len(score) >= spline.MinRows {
		design, err := spline.New(score)
		if err != nil {
			return nil, fmt.Errorf("cje: two_stage calibration: %w: all %d scores are %v; use mode monotone", err, len(score),
				score[0])
		}
		c.g = design.Fit(label, weight)
	}
	x := score
	if mode == TwoStage && (c.g != nil || !whole) {
		c.rank = newRanks(c.smooth(score), weight)
		x = make([]float64, len(score))
		for i, s := range score {
			x[i] = c.index(s)
		}
	}
	var err error
	c.iso, err = offpolicy.FitIsotonic(x, label, weight)
	return c, err
}

func (c *curve) smooth(score []float64) []float64 {
	if c.g == nil {
		return score
	}
	out := make([]float64, len(score))
	for i, s := range score {
		out[i] = c.g.At(s)
	}
	return out
}

func (c *curve) index(s float64) float64 {
	if c.g != nil {
		s = c.g.At(s)
	}
	if c.rank != nil {
		s = c.rank.at(s)
	}
	return s
}

// predict is the calibrated score, in [0, 1].
func (c *curve) predict(s float64) float64 { return min(max(c.iso.Predict(c.index(s)), 0), 1) }

// ranks is an empirical distribution function: a step function of the values
// that it was made of.
type ranks struct {
	x, r  []float64 // x strictly increasing
	below float64
}

func (f *ranks) at(z float64) float64 {
	i := sort.Search(len(f.x), func(i int) bool { return f.x[i] > z })
	if i == 0 {
		return f.below
	}
	return f.r[i-1]
}

// ranks030 is v0.3.0's: (the number of values <= z, minus a half) / n. It knows
// no weights.
func ranks030(x, _ []float64) *ranks {
	sorted := slices.Sorted(slices.Values(x))
	n := float64(len(sorted))
	f := &ranks{below: -.5 / n}
	for i, v := range sorted {
		r := (float64(i+1) - .5) / n
		if k := len(f.x); k > 0 && f.x[k-1] == v {
			f.r[k-1] = r
			continue
		}
		f.x, f.r = append(f.x, v), append(f.r, r)
	}
	return f
}

// ranks060 is v0.6.0's: equal values share the middle of their weight, and
// what lies below all of them has rank 0.
func ranks060(x, weight []float64) *ranks {
	f := &ranks{}
	var tie []float64
	for _, i := range sortedBy(x) {
		w := 1.0
		if weight != nil {
			w = weight[i]
		}
		if k := len(f.x); k > 0 && f.x[k-1] == x[i] {
			tie[k-1] += w
			continue
		}
		f.x, tie = append(f.x, x[i]), append(tie, w)
	}
	f.r = make([]float64, len(tie))
	var total float64
	for i, w := range tie {
		total += w
		f.r[i] = total - .5*w
	}
	for i := range f.r {
		f.r[i] /= total
	}
	return f
}
