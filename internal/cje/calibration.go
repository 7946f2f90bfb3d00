package cje

import (
	"fmt"
	"math"
)

// calibration is a fit to all labeled rows and one fit to those outside each
// fold.
type calibration struct {
	whole *curve
	// fold[k] was fitted without fold k; nil where the reference has no model of
	// the fold, and predicts by the whole fit.
	fold []*curve
	// jackknife are the folds whose fits stand in, one after the other, to show
	// what the labels' sampling does to an estimate.
	jackknife []int
}

// calibrate fits v0.3.0's calibration to the rows that have a label.
func calibrate(mode Mode, score, label []float64, fold []int) (*calibration, error) {
	var s, y []float64
	var of []int
	for i := range label {
		if !math.IsNaN(label[i]) {
			s, y, of = append(s, score[i]), append(y, label[i]), append(of, fold[i])
		}
	}
	if len(y) < 2*folds {
		return nil, fmt.Errorf("cje: calibration: %d labels, %d needed (2 for each of %d folds): label more responses",
			len(y), 2*folds, folds)
	}
	labeled := make([]bool, folds)
	for _, k := range of {
		labeled[k] = true
	}
	c := &calibration{fold: make([]*curve, folds)}
	var err error
	if c.whole, err = fitCurve(mode, true, ranks030, s, y, nil); err != nil {
		return nil, err
	}
	for k := range folds {
		if !labeled[k] {
			// Nothing to leave out: the fit is the whole one. As a model of its
			// own it counts in the jackknife under monotone, not under two_stage.
			if mode == Monotone {
				c.fold[k], c.jackknife = c.whole, append(c.jackknife, k)
			}
			continue
		}
		if c.fold[k], err = fitWithout(mode, ranks030, s, y, nil, of, k); err != nil {
			return nil, err
		}
		c.jackknife = append(c.jackknife, k)
	}
	return c, nil
}

// fitWithout fits to the rows outside of fold k, to all where none is.
func fitWithout(mode Mode, newRanks func(x, w []float64) *ranks, score, label, weight []float64, fold []int,
	k int) (*curve, error) {
	var s, y, w []float64
	for i := range fold {
		if fold[i] == k {
			continue
		}
		s, y = append(s, score[i]), append(y, label[i])
		if weight != nil {
			w = append(w, weight[i])
		}
	}
	if len(s) == 0 {
		return fitCurve(mode, false, newRanks, score, label, weight)
	}
	return fitCurve(mode, false, newRanks, s, y, w)
}

// without is the fit that left fold k out.
func (c *calibration) without(k int) *curve {
	if f := c.fold[k]; f != nil {
		return f
	}
	return c.whole
}

// drJackknife are the folds that v0.3.0's doubly robust estimators go through:
// the first len(jackknife) of all, those without a fit left out.
func (c *calibration) drJackknife() []int {
	var out []int
	for k := range len(c.jackknife) {
		if c.fold[k] != nil {
			out = append(out, k)
		}
	}
	return out
}

// predictEach is each score's prediction by the fit without its row's fold.
func (c *calibration) predictEach(score []float64, fold []int) []float64 {
	out := make([]float64, len(score))
	for i, s := range score {
		out[i] = c.without(fold[i]).predict(s)
	}
	return out
}
