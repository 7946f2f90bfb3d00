package offpolicy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/crypto/blake2b"
)

// Fold returns the fold, 0 to k-1, of a prompt: BLAKE2b of eight bytes over
// "{promptID}-{seed}-{k}", big-endian, modulo k. It depends on nothing else, so
// that a prompt keeps its fold whatever rows surround it, and it is CJE's, whose
// seed is 42 by default. It panics if k is not positive.
func Fold(seed uint64, promptID string, k int) int {
	if k <= 0 {
		panic(fmt.Sprintf("offpolicy: fold: k=%d: want a positive number of folds", k))
	}
	h, err := blake2b.New(8, nil)
	if err != nil {
		panic("offpolicy: fold: " + err.Error()) // never: 8 bytes and no key are allowed
	}
	text := append([]byte(promptID), '-')
	text = strconv.AppendUint(text, seed, 10)
	text = append(text, '-')
	h.Write(strconv.AppendInt(text, int64(k), 10))
	return int(binary.BigEndian.Uint64(h.Sum(nil)) % uint64(k))
}

// CalibrationConfig says how a [Calibrator] is fitted.
type CalibrationConfig struct {
	// Judge is the identity of the judge whose scores are calibrated, name and
	// hash. Required: a calibrator holds for no other configuration.
	Judge string
	// Folds is the number of cross-fitting folds; 0 means 5.
	Folds int
	// Seed decides which prompts share a fold; see [Fold].
	Seed uint64
	// MinLabels is the number of labels below which fitting is refused; 0
	// means 25.
	MinLabels int
}

// LabeledScore is a response with both a judge score and an oracle label.
type LabeledScore struct {
	PromptID string
	Score    float64 // the judge's, in [0, 1]
	Label    float64 // the oracle's, in [0, 1]
	// InclusionProb is the design's probability that this response was chosen
	// for labelling, in (0, 1]. Each row weighs 1/InclusionProb.
	InclusionProb float64
}

// Calibrator maps judge scores to expected oracle labels, E[label | score],
// and is nondecreasing in the score. It is made by [FitCalibrator].
type Calibrator struct {
	config CalibrationConfig
	rows   []LabeledScore
	full   *Isotonic
	folds  []*Isotonic // folds[k] was fitted without the prompts of fold k
	oof    []float64   // Label - out-of-fold prediction, by row
}

// FitCalibrator fits one isotonic regression of label on score to all rows and
// one per fold to the rows outside that fold, each weighted by
// 1/InclusionProb. A prompt is in one fold with all its rows, decided by
// [Fold]. The result does not depend on the order of the rows, except that
// [Calibrator.Residuals] follow it.
//
// It refuses fewer rows than MinLabels, labels that all fall into one fold,
// and, by [*RowError], a score or label outside [0, 1], an inclusion probability
// outside (0, 1], and NaN in any of them.
func FitCalibrator(c CalibrationConfig, rows []LabeledScore) (*Calibrator, error) {
	const op = "calibration"
	switch {
	case c.Judge == "":
		return nil, errors.New("offpolicy: calibration: Judge is empty: name the judge that gave the scores")
	case c.Folds < 0 || c.Folds == 1:
		return nil, fmt.Errorf("offpolicy: calibration: Folds %d: want 2 or more, or 0 for 5", c.Folds)
	case c.MinLabels < 0:
		return nil, fmt.Errorf("offpolicy: calibration: MinLabels %d: want a positive number, or 0 for 25", c.MinLabels)
	}
	if c.Folds == 0 {
		c.Folds = 5
	}
	if c.MinLabels == 0 {
		c.MinLabels = 25
	}
	var bad *RowError
	for i, r := range rows {
		switch {
		case !(r.Score >= 0 && r.Score <= 1):
			bad = bad.add(op, i, r.Score, "score of "+r.PromptID+" is not in [0, 1]; an unscored response has no place here")
		case !(r.Label >= 0 && r.Label <= 1):
			bad = bad.add(op, i, r.Label, "label of "+r.PromptID+" is not in [0, 1]; an unlabelled response has no place here")
		case !(r.InclusionProb > 0 && r.InclusionProb <= 1):
			bad = bad.add(op, i, r.InclusionProb, "inclusion probability of "+r.PromptID+" is not in (0, 1]; take it from the labelling design")
		}
	}
	if bad != nil {
		return nil, bad
	}
	if len(rows) < max(c.MinLabels, 1) {
		return nil, fmt.Errorf("offpolicy: calibration of %s: %d labels, %d needed: label more responses", c.Judge, len(rows), c.MinLabels)
	}
	cal := &Calibrator{config: c, rows: slices.Clone(rows)}
	var err error
	if cal.full, err = fitRows(rows, func(LabeledScore) bool { return true }); err != nil {
		return nil, err
	}
	for k := range c.Folds {
		f, err := fitRows(rows, func(r LabeledScore) bool { return Fold(c.Seed, r.PromptID, c.Folds) != k })
		if err != nil {
			return nil, fmt.Errorf("offpolicy: calibration of %s: all labels fall into fold %d of %d, so nothing can be predicted out of fold: "+
				"label more prompts", c.Judge, k, c.Folds)
		}
		cal.folds = append(cal.folds, f)
	}
	for _, r := range rows {
		cal.oof = append(cal.oof, r.Label-cal.PredictFor(r.PromptID, r.Score))
	}
	return cal, nil
}

func fitRows(rows []LabeledScore, keep func(LabeledScore) bool) (*Isotonic, error) {
	var x, y, w []float64
	for _, r := range rows {
		if keep(r) {
			x, y, w = append(x, r.Score), append(y, r.Label), append(w, 1/r.InclusionProb)
		}
	}
	return FitIsotonic(x, y, w)
}

// Judge returns the identity of the judge that c was fitted for.
func (c *Calibrator) Judge() string { return c.config.Judge }

// Predict returns the calibrated value of a score by the fit to all labels, NaN
// for NaN. It is for responses to prompts that had no label; for any other use
// [Calibrator.PredictFor].
func (c *Calibrator) Predict(score float64) float64 { return c.full.Predict(score) }

// PredictFor returns the calibrated value of a score of some response to the
// prompt, by the fit that left the prompt's fold out, NaN for NaN. It serves
// prompts with and without labels, and every policy's responses to them.
func (c *Calibrator) PredictFor(promptID string, score float64) float64 {
	return c.folds[Fold(c.config.Seed, promptID, c.config.Folds)].Predict(score)
}

// Residuals returns label minus out-of-fold prediction for each row given to
// [FitCalibrator], in that order. The slice is new.
func (c *Calibrator) Residuals() []float64 { return slices.Clone(c.oof) }

// Support returns the smallest and largest labelled score. Outside of it a
// prediction is an extrapolation.
func (c *Calibrator) Support() (lo, hi float64) { return c.full.Support() }

// Supports reports whether a score lies within [Calibrator.Support]; a missing
// score does not.
func (c *Calibrator) Supports(score float64) bool {
	lo, hi := c.Support()
	return score >= lo && score <= hi
}
