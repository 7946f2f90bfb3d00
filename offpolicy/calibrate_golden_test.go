package offpolicy

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// CJE 0.3.0's monotone calibration of seven evaluations: folds, the fit to all
// labels, the fits that leave a fold out, and their predictions, to 1e-12.
func TestCalibrationGolden(t *testing.T) {
	type curve struct{ X, Y []float64 }
	for _, name := range goldenSets {
		var golden struct {
			Calibration struct {
				IDs    []string `json:"prompt_ids"`
				Judge  []maybe
				Oracle []maybe
				Folds  []int
				OOF    []maybe          `json:"oof_all_rows"`
				Mode   string           `json:"selected_mode"`
				Full   *curve           `json:"monotone_full"`
				Out    map[string]curve `json:"monotone_folds"`
			}
			Monotone struct{ Rewards []maybe } `json:"calibration_monotone"`
		}
		readShared(t, "goldens/10_estimators030_"+name+".json", &golden)
		g := golden.Calibration
		var rows []LabeledScore
		for i, id := range g.IDs {
			if y := float64(g.Oracle[i]); !math.IsNaN(y) {
				rows = append(rows, LabeledScore{id, float64(g.Judge[i]), y, 1, 0})
			}
		}
		c, err := FitCalibrator(CalibrationConfig{Judge: "judge", Seed: 42}, rows)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checkCurve := func(what string, f *Isotonic, want curve) {
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
			score, oof := float64(g.Judge[i]), float64(g.OOF[i])
			if g.Mode == "monotone" && !near(c.PredictFor(id, score), oof, 1e-12) {
				t.Errorf("%s: out-of-fold %s: %v, reference %v", name, id, c.PredictFor(id, score), oof)
			}
			// With a label on every row the reference takes labels for rewards.
			if len(rows) < len(g.IDs) && !near(c.Predict(score), float64(golden.Monotone.Rewards[i]), 1e-12) {
				t.Errorf("%s: %s: %v, reference %v", name, id, c.Predict(score), float64(golden.Monotone.Rewards[i]))
			}
		}
	}
}

// CJE 0.3.0's two stages of the same evaluations, to 1e-6: the heights of every
// fit's steps, and the predictions of the fit to all labels and, where it chose two
// stages, out of fold. A covariate that is 0 everywhere leaves the score alone.
func TestTwoStageGolden(t *testing.T) {
	type curve struct{ X, Y []float64 }
	for _, name := range goldenSets {
		var golden struct {
			Calibration struct {
				IDs    []string `json:"prompt_ids"`
				Judge  []maybe
				Oracle []maybe
				OOF    []maybe             `json:"oof_all_rows"`
				Mode   string              `json:"selected_mode"`
				Out    map[string]curve    `json:"iso_folds_two_stage"`
				Full   struct{ Iso curve } `json:"two_stage_full"`
			}
			TwoStage struct{ Rewards []maybe } `json:"calibration_two_stage"`
		}
		readShared(t, "goldens/10_estimators030_"+name+".json", &golden)
		g := golden.Calibration
		var rows []LabeledScore
		for i, id := range g.IDs {
			if y := float64(g.Oracle[i]); !math.IsNaN(y) {
				rows = append(rows, LabeledScore{id, float64(g.Judge[i]), y, 1, 0})
			}
		}
		c, err := FitCalibrator(CalibrationConfig{Judge: "judge", Seed: 42, Covariate: "nothing", MinLabels: 25}, rows)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		steps := func(what string, f *Isotonic, want curve) {
			t.Helper()
			got := slices.Compact(slices.Clone(f.y))
			if !slices.EqualFunc(got, slices.Compact(slices.Clone(want.Y)), func(a, b float64) bool { return near(a, b, 1e-6) }) {
				t.Errorf("%s, %s: steps of height %v, reference %v", name, what, got, want.Y)
			}
		}
		steps("all", c.full.iso, g.Full.Iso)
		for k, f := range c.folds {
			steps(fmt.Sprint("without fold ", k), f.iso, g.Out[fmt.Sprint(k)])
		}
		for i, id := range g.IDs {
			score := float64(g.Judge[i])
			if want := float64(g.OOF[i]); g.Mode == "two_stage" && !near(c.PredictFor(id, score, 0), want, 1e-6) {
				t.Errorf("%s: out-of-fold %s: %v, reference %v", name, id, c.PredictFor(id, score, 0), want)
			}
			if want := float64(golden.TwoStage.Rewards[i]); len(rows) < len(g.IDs) && !near(c.Predict(score, 0), want, 1e-6) {
				t.Errorf("%s: %s: %v, reference %v", name, id, c.Predict(score, 0), want)
			}
		}
	}
}
