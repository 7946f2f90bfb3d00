package offpolicy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/crypto/blake2b"

	"github.com/reweigh/reweigh/dataset"
)

// Fold returns the fold, 0 to k-1, of a prompt: BLAKE2b of eight bytes over
// "{promptID}-{seed}-{k}", big-endian, modulo k. It depends on nothing else, so
// that a prompt keeps its fold whatever rows surround it, and it is CJE's, whose
// seed is 42 by default. It panics if k is not positive.
func Fold(seed uint64, promptID string, k int) int {
	if k <= 0 {
		panic(fmt.Sprintf("offpolicy: fold: k=%d: want a positive number of folds", k))
	}
	h := foldHashes.Get().(*foldHash)
	defer foldHashes.Put(h)
	h.Reset()
	text := append(append(h.room[:0], promptID...), '-')
	text = strconv.AppendUint(text, seed, 10)
	text = append(text, '-')
	h.Write(strconv.AppendInt(text, int64(k), 10))
	return int(binary.BigEndian.Uint64(h.Sum(h.room[:0])) % uint64(k))
}

type foldHash struct {
	hash.Hash
	room [128]byte
}

// foldHashes spares every fold the half kilobyte of a hash.
var foldHashes = sync.Pool{New: func() any {
	h, err := blake2b.New(8, nil)
	if err != nil {
		panic("offpolicy: fold: " + err.Error()) // never: 8 bytes and no key are allowed
	}
	return &foldHash{Hash: h}
}}

// CalibrationConfig says how a [Calibrator] is fitted.
type CalibrationConfig struct {
	// Judge is the identity of the judge whose scores are calibrated, name and
	// hash. Required: a calibrator holds for no other configuration.
	Judge string
	// Folds is the number of cross-fitting folds; 0 means 5.
	Folds int
	// Seed decides which prompts share a fold; see Fold.
	Seed uint64
	// MinLabels is the number of labels below which fitting is refused; 0
	// means 25, or 50 with a covariate.
	MinLabels int
	// Covariate names what the label may depend on beside the score, such as the
	// response's length: of two responses of one score the oracle may like the
	// shorter better. "" means nothing, and a calibrator that is nondecreasing in
	// the score; else it is fitted in two stages and need not be.
	Covariate string
}

// LabeledScore is a response with both a judge score and an oracle label.
type LabeledScore struct {
	PromptID string
	Score    dataset.Float // the judge's, in [0, 1]
	Label    dataset.Float // the oracle's, in [0, 1]
	// InclusionProb is the design's probability that this response was chosen
	// for labeling, in (0, 1]. Each row weighs 1/InclusionProb.
	InclusionProb dataset.Float
	Covariate     dataset.Float // a finite number; read where the configuration names it
}

// Calibrator maps judge scores to expected oracle labels: E[label | score],
// nondecreasing in the score, or E[label | score, covariate]. It is made by
// [FitCalibrator].
type Calibrator struct {
	config     CalibrationConfig
	full       *curve
	folds      []*curve  // folds[k] was fitted without the prompts of fold k
	oof        []float64 // Label - out-of-fold prediction, by row
	score, cov labeledRange
	all        labeledRange // of all scores
	check      CalibrationCheck
}

// FitCalibrator fits one isotonic regression of label on score to all rows and
// one per fold to the rows outside that fold, each weighted by
// 1/InclusionProb. Where the configuration names a covariate, the regression is on
//
//	g(score, covariate) = b0 + b1(score) + b2(covariate)
//
// instead, b1 and b2 being cubic splines of at most eight knots with a ridge
// penalty that leave-one-out errors choose (a constant covariate adds nothing), and a
// step function of it: it is monotone in g alone, and g may take from a score
// what the covariate explains. A prompt is in one fold with all its rows, decided by
// [Fold]. The result does not depend on the order of the rows, except that
// [Calibrator.Residuals] follow it.
//
// It refuses fewer rows than MinLabels, labels that all fall into one fold, fewer
// than 20 of them in a fit of two stages, and, by [*RowError], a score or label
// outside [0, 1], an inclusion probability outside (0, 1], a covariate that is
// infinite, and NaN in any of them.
//
// Source of the two stages: CJE (see the package's doc), which ranks g first; its ranks
// leave an isotonic step function as it is.
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
		c.MinLabels = minLabels(c.Covariate)
	}
	twoStage := c.Covariate != ""
	var bad *RowError
	for i, r := range rows {
		switch {
		case !(r.Score.OrNaN() >= 0 && r.Score.OrNaN() <= 1):
			bad = bad.add(op, i, r.Score.OrNaN(),
				"score of "+r.PromptID+" is not in [0, 1]; an unscored response has no place here")
		case !(r.Label.OrNaN() >= 0 && r.Label.OrNaN() <= 1):
			bad = bad.add(op, i, r.Label.OrNaN(),
				"label of "+r.PromptID+" is not in [0, 1]; an unlabeled response has no place here")
		case !(r.InclusionProb.OrNaN() > 0 && r.InclusionProb.OrNaN() <= 1):
			bad = bad.add(op, i, r.InclusionProb.OrNaN(),
				"inclusion probability of "+r.PromptID+" is not in (0, 1]; take it from the labeling design")
		case twoStage && !finite(r.Covariate.OrNaN()):
			bad = bad.add(op, i, r.Covariate.OrNaN(), c.Covariate+" of "+r.PromptID+" is not a finite number")
		}
	}
	if bad != nil {
		return nil, bad
	}
	if len(rows) < max(c.MinLabels, 1) {
		return nil, fmt.Errorf("offpolicy: calibration of %s: %d labels, %d needed: label more responses", c.Judge,
			len(rows), c.MinLabels)
	}
	cal := &Calibrator{config: c}
	var err error
	if cal.full, err = fitCurve(twoStage, rows, func(LabeledScore) bool { return true }); err != nil {
		return nil, fmt.Errorf("offpolicy: calibration of %s: %w", c.Judge, err)
	}
	for k := range c.Folds {
		in := func(r LabeledScore) bool { return Fold(c.Seed, r.PromptID, c.Folds) != k }
		if !slices.ContainsFunc(rows, in) {
			return nil,
				fmt.Errorf("offpolicy: calibration of %s: all labels fall into fold %d of %d, so nothing can be predicted out "+
					"of fold: "+
					"label more prompts", c.Judge, k, c.Folds)
		}
		f, err := fitCurve(twoStage, rows, in)
		if err != nil {
			return nil, fmt.Errorf("offpolicy: calibration of %s without fold %d of %d: %w: label more prompts",
				c.Judge, k, c.Folds, err)
		}
		cal.folds = append(cal.folds, f)
	}
	var scores, covariates []float64
	for _, r := range rows {
		cal.oof = append(cal.oof, r.Label.OrNaN()-cal.fold(r.PromptID).predict(r.Score.OrNaN(), r.Covariate.OrNaN()))
		scores, covariates = append(scores, r.Score.OrNaN()), append(covariates, r.Covariate.OrNaN())
	}
	cal.score, cal.cov = newLabeledRange(scores), newLabeledRange(covariates)
	cal.all = labeledRange{slices.Min(scores), slices.Max(scores)}
	cal.check = checkCalibration(rows, cal.oof)
	return cal, nil
}

// minLabels is how many labels a calibration takes at least: a spline has up to nine
// coefficients to a variable, where isotonic regression has none to choose.
func minLabels(covariate string) int {
	if covariate != "" {
		return 50
	}
	return MinLabels
}

// MinLabels is the number of labels below which no judge is calibrated, and so nothing is
// estimated that rests on one.
const MinLabels = 25

// Judge returns the identity of the judge that c was fitted for.
func (c *Calibrator) Judge() string { return c.config.Judge }

// Covariate returns the name of the covariate that c was fitted with, "" for none.
func (c *Calibrator) Covariate() string { return c.config.Covariate }

// Predict returns the calibrated value of a score by the fit to all labels, NaN
// for NaN. It is for responses to prompts that had no label; for any other use
// [Calibrator.PredictFor]. It takes the covariate if c was fitted with one, and
// panics where it gets one too few or too many.
func (c *Calibrator) Predict(score float64, covariate ...float64) float64 {
	return c.full.predict(score, c.one(covariate))
}

// PredictFor returns the calibrated value of a score of some response to the
// prompt, by the fit that left the prompt's fold out, NaN for NaN. It serves
// prompts with and without labels, and every policy's responses to them. It takes
// the covariate as [Calibrator.Predict] does.
func (c *Calibrator) PredictFor(promptID string, score float64, covariate ...float64) float64 {
	return c.fold(promptID).predict(score, c.one(covariate))
}

func (c *Calibrator) fold(promptID string) *curve {
	return c.folds[Fold(c.config.Seed, promptID, c.config.Folds)]
}

// one is the covariate given, 0 where there is none to give.
func (c *Calibrator) one(covariate []float64) float64 {
	switch {
	case c.config.Covariate == "" && len(covariate) == 0:
		return 0
	case c.config.Covariate != "" && len(covariate) == 1:
		return covariate[0]
	}
	panic(fmt.Sprintf("offpolicy: calibrator of %s with covariate %q: %d covariates given", c.config.Judge,
		c.config.Covariate, len(covariate)))
}

// Residuals returns label minus out-of-fold prediction for each row given to
// [FitCalibrator], in that order. The slice is new.
func (c *Calibrator) Residuals() []float64 { return slices.Clone(c.oof) }

// Support returns the labeled range: where the labels' scores lie, without 2.5% of
// the labels at either end, since one label far out carries no calibration there.
// Outside of it a prediction is an extrapolation.
func (c *Calibrator) Support() (lo, hi float64) { return c.score.lo, c.score.hi }

// Supports reports whether a score lies within [Calibrator.Support], and the
// covariate, which it takes as [Calibrator.Predict] does, within the labels' in the
// same sense. What is missing does not.
func (c *Calibrator) Supports(score float64, covariate ...float64) bool {
	return c.supports(score, c.one(covariate))
}

func (c *Calibrator) supports(score, covariate float64) bool {
	return c.score.has(score) && (c.config.Covariate == "" || c.cov.has(covariate))
}

// MaxOutside is the share of a policy's responses that [Calibrator.Supports] does
// not hold from which its calibrated mean is taken for an extrapolation. Of a
// policy that scores as the logging policy does a twentieth lies outside, or somewhat
// more where labels are few.
const MaxOutside = .10

// labelTrim is the share of labels at either end that does not count.
const labelTrim = .025

type labeledRange struct{ lo, hi float64 }

func newLabeledRange(x []float64) labeledRange {
	sorted := slices.Sorted(slices.Values(x))
	k := int(labelTrim * float64(len(sorted)))
	return labeledRange{sorted[k], sorted[len(sorted)-1-k]}
}

func (r labeledRange) has(x float64) bool { return x >= r.lo && x <= r.hi }
