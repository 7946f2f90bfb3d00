package offpolicy

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

type goldenCurve struct{ X, Y []float64 }

// goldenCalibration is what CJE 0.3.0 made of an evaluation's labels, in either
// mode.
type goldenCalibration struct {
	Calibration struct {
		IDs       []string `json:"prompt_ids"`
		Judge     []maybe
		Oracle    []maybe
		Folds     []int
		OOF       []maybe                   `json:"oof_all_rows"`
		Mode      string                    `json:"selected_mode"`
		Full      *goldenCurve              `json:"monotone_full"`
		Out       map[string]goldenCurve    `json:"monotone_folds"`
		Stages    struct{ Iso goldenCurve } `json:"two_stage_full"`
		StagesOut map[string]goldenCurve    `json:"iso_folds_two_stage"`
	}
	Monotone struct{ Rewards []maybe } `json:"calibration_monotone"`
	TwoStage struct{ Rewards []maybe } `json:"calibration_two_stage"`
}

// fitGolden fits a calibrator to the labels of a set. A covariate that is 0
// everywhere leaves the score alone.
func fitGolden(t *testing.T, name, covariate string) (*goldenCalibration, *Calibrator) {
	t.Helper()
	var golden goldenCalibration
	readShared(t, "goldens/10_estimators030_"+name+".json", &golden)
	g := golden.Calibration
	var rows []LabeledScore
	for i, id := range g.IDs {
		if y := float64(g.Oracle[i]); !math.IsNaN(y) {
			rows = append(rows, LabeledScore{id, dataset.Known(float64(g.Judge[i])), dataset.Known(y), dataset.Known(1),
				dataset.Known(0)})
		}
	}
	c, err := FitCalibrator(CalibrationConfig{Judge: "judge", Seed: 42, MinLabels: 25, Covariate: covariate}, rows)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return &golden, c
}

// predictions compares those of the fit to all labels with rewards, and those out of
// fold with the reference's where it chose the mode.
func (golden *goldenCalibration) predictions(t *testing.T, name string, c *Calibrator, mode string, rewards []maybe,
	tol float64) {
	t.Helper()
	g := golden.Calibration
	var covariate []float64
	if c.Covariate() != "" {
		covariate = []float64{0}
	}
	for i, id := range g.IDs {
		score := float64(g.Judge[i])
		if got, want := c.PredictFor(id, score, covariate...), float64(g.OOF[i]); g.Mode == mode && !near(got, want, tol) {
			t.Errorf("%s: out-of-fold %s: %v, reference %v", name, id, got, want)
		}
		// With a label on every row the reference takes labels for rewards.
		if got, want := c.Predict(score, covariate...), float64(rewards[i]); len(c.oof) < len(g.IDs) &&
			!near(got, want, tol) {
			t.Errorf("%s: %s: %v, reference %v", name, id, got, want)
		}
	}
}

// CJE 0.3.0's monotone calibration of seven evaluations: folds, the fit to all
// labels, the fits that leave a fold out, and their predictions, to 1e-12.
func TestCalibrationGolden(t *testing.T) {
	for _, name := range goldenSets {
		golden, c := fitGolden(t, name, "")
		g := golden.Calibration
		checkCurve := func(what string, f *Isotonic, want goldenCurve) {
			t.Helper()
			x, y := f.Knots()
			if len(x) != len(want.X) {
				t.Errorf("%s, %s: %d knots, reference %d", name, what, len(x), len(want.X))
				return
			}
			for i := range x {
				if !near(x[i], want.X[i], 1e-12) || !near(y[i], want.Y[i], 1e-12) {
					t.Errorf("%s, %s: knot %d is (%v, %v), reference (%v, %v)", name, what, i, x[i], y[i], want.X[i], want.Y[i])
				}
			}
		}
		if g.Full != nil {
			checkCurve("all", c.full.iso, *g.Full)
		}
		for k, f := range c.folds {
			checkCurve(fmt.Sprint("without fold ", k), f.iso, g.Out[fmt.Sprint(k)])
		}
		for i, id := range g.IDs {
			if k := Fold(42, id, 5); k != g.Folds[i] {
				t.Errorf("%s: fold of %s is %d, reference %d", name, id, k, g.Folds[i])
			}
		}
		golden.predictions(t, name, c, "monotone", golden.Monotone.Rewards, 1e-12)
	}
}

// Its two stages of the same evaluations, to 1e-6: the heights of every fit's
// steps, and the predictions.
func TestTwoStageGolden(t *testing.T) {
	for _, name := range goldenSets {
		golden, c := fitGolden(t, name, "nothing")
		steps := func(what string, f *Isotonic, want goldenCurve) {
			t.Helper()
			got := slices.Compact(slices.Clone(f.y))
			if !slices.EqualFunc(got, slices.Compact(slices.Clone(want.Y)),
				func(a, b float64) bool { return near(a, b, 1e-6) }) {
				t.Errorf("%s, %s: steps of height %v, reference %v", name, what, got, want.Y)
			}
		}
		steps("all", c.full.iso, golden.Calibration.Stages.Iso)
		for k, f := range c.folds {
			steps(fmt.Sprint("without fold ", k), f.iso, golden.Calibration.StagesOut[fmt.Sprint(k)])
		}
		golden.predictions(t, name, c, "two_stage", golden.TwoStage.Rewards, 1e-6)
	}
}
