package cje

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/reweigh/reweigh/offpolicy"
)

// The folds of scikit-learn's KFold, in the same file, are not reproduced: see
// the package's doc.
func TestGoldenFolds(t *testing.T) {
	var g struct {
		Hash []struct {
			ID   string `json:"prompt_id"`
			K    int    `json:"n_folds"`
			Seed uint64
			Fold int
		} `json:"hash_folds"`
		Balanced []struct {
			IDs     []string `json:"prompt_ids"`
			Labeled []string `json:"oracle_prompt_ids"`
			K       int      `json:"n_folds"`
			Seed    int
			Folds   []int
		} `json:"balanced_060"`
	}
	readGolden(t, "01_folds.json", &g)
	if len(g.Hash) != 828 || len(g.Balanced) != 6 {
		t.Fatalf("%d and %d cases, want 828 and 6", len(g.Hash), len(g.Balanced))
	}
	for _, c := range g.Hash {
		if got := offpolicy.Fold(c.Seed, c.ID, c.K); got != c.Fold {
			t.Errorf("%q, %d folds, seed %d: fold %d, reference %d", c.ID, c.K, c.Seed, got, c.Fold)
		}
	}
	for i, c := range g.Balanced {
		if c.Seed != seed {
			t.Fatalf("case %d has seed %d; the package has only the default", i, c.Seed)
		}
		labeled := c.Labeled
		if labeled == nil {
			labeled = c.IDs
		}
		if got := balancedFolds(c.IDs, labeled, c.K); !slices.Equal(got, c.Folds) {
			t.Errorf("balanced folds, case %d: %v, reference %v", i, got, c.Folds)
		}
	}
}

// The figures that the package computes itself; the others of the file are
// offpolicy's, and tested there.
func TestGoldenWeightDiagnostics(t *testing.T) {
	var g struct {
		Cases []struct {
			Name    string
			Weights []float64
			CJE     struct {
				ESS       num
				Hellinger num `json:"hellinger_affinity"`
			}
		}
	}
	readGolden(t, "03_weight_diagnostics.json", &g)
	if len(g.Cases) != 8 {
		t.Fatalf("%d cases, want 8", len(g.Cases))
	}
	for _, c := range g.Cases {
		near(t, c.Name+": ESS", ess(c.Weights), float64(c.CJE.ESS), 1e-12)
		near(t, c.Name+": Hellinger affinity", hellinger(c.Weights), float64(c.CJE.Hellinger), 1e-12)
	}
}

func TestGoldenSIMCal(t *testing.T) {
	type knots struct{ X, Y []num }
	var g struct {
		Cases []struct {
			Name               string
			W, S               []float64
			Rewards, Residuals []float64
			Folds              []int `json:"fold_ids"`
			Config             map[string]any
			Inc, Dec           knots
			Sigma              [][]num `json:"sigma_with_ridge"`
			Mixture, Out       []num
			Gamma              num
			TW                 []float64 `json:"test_w"`
			TS                 []float64 `json:"test_s"`
			TOut               []num     `json:"test_out"`
			Error              string
		}
		Simplex []struct {
			Sigma [][]float64
			Pi    []num `json:"pi_simcal"`
		} `json:"simplex_qp"`
	}
	readGolden(t, "04_simcal.json", &g)
	if len(g.Cases) != 12 || len(g.Simplex) != 6 {
		t.Fatalf("%d and %d cases, want 12 and 6", len(g.Cases), len(g.Simplex))
	}
	for _, c := range g.Cases {
		cfg := stabilizerDefault
		number := func(key string, into *float64) {
			if v, ok := c.Config[key]; ok {
				*into, _ = v.(float64) // null is no bound
			}
		}
		number("ess_floor", &cfg.essFloor)
		number("var_cap", &cfg.varCap)
		number("baseline_shrink", &cfg.shrink)
		cfg.baseline, _ = c.Config["include_baseline"].(bool)
		target, kind := c.Rewards, targetReward
		switch {
		case c.Residuals != nil:
			target, kind = c.Residuals, targetResidual
		case c.Rewards == nil:
			target = slices.Repeat([]float64{1}, len(c.W))
		}
		f, err := cfg.fit(c.W, newIndex(c.S), target, kind, c.Folds)
		if c.Error != "" {
			if err != errWeight {
				t.Errorf("%s: error %v, reference %s", c.Name, err, c.Error)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		x, y := f.up.Knots()
		nearAll(t, c.Name+": increasing, x", x, c.Inc.X, 1e-12)
		nearAll(t, c.Name+": increasing, y", y, c.Inc.Y, 1e-12)
		x, y = f.down.Knots()
		for i := range y {
			y[i] = -y[i]
		}
		nearAll(t, c.Name+": decreasing, x", x, c.Dec.X, 1e-12)
		nearAll(t, c.Name+": decreasing, y", y, c.Dec.Y, 1e-12)
		w := meanOne(slices.Clone(c.W))
		var influence [][]float64
		for _, candidate := range f.candidates(w, newIndex(c.S)) {
			influence = append(influence, outOfFold(candidate, target, kind, c.Folds))
		}
		sigma := covariance(influence)
		for i, row := range c.Sigma {
			for j, v := range row {
				near(t, fmt.Sprintf("%s: covariance[%d][%d]", c.Name, i, j), sigma.At(i, j), float64(v), 1e-9)
			}
		}
		nearAll(t, c.Name+": mixture", f.mix, c.Mixture, 1e-9)
		near(t, c.Name+": gamma", f.gamma, float64(c.Gamma), 1e-9)
		nearAll(t, c.Name+": weights", f.predict(c.W, newIndex(c.S)), c.Out, 1e-9)
		if c.TW != nil {
			nearAll(t, c.Name+": new weights", f.predict(c.TW, newIndex(c.TS)), c.TOut, 1e-9)
		}
	}
	for i, c := range g.Simplex {
		sigma := mat.NewSymDense(len(c.Sigma), nil)
		for a, row := range c.Sigma {
			for b, v := range row {
				if b >= a {
					sigma.SetSym(a, b, v)
				}
			}
		}
		nearAll(t, fmt.Sprintf("least variance %d", i), leastVariance(sigma), c.Pi, 1e-9)
	}
}

// The TMLE cases with an identity link are left out, as the link is.
func TestGoldenInferencePieces(t *testing.T) {
	var g struct {
		Robust []struct {
			Name     string
			X        []float64
			Clusters []int
			Res      struct {
				SE num
				DF int
			}
		} `json:"cluster_robust"`
		Jackknife []struct {
			Jack []float64
			Var  float64
		} `json:"oracle_jackknife"`
		T []struct {
			DF   float64
			P, T float64
		} `json:"t_quantiles"`
		Normal     []struct{ P, Z float64 } `json:"normal_quantiles"`
		Percentile []struct {
			X []float64
			Q float64
			V float64 `json:"numpy_linear"`
		}
		TMLE []struct {
			Link       string
			G0         []float64
			Rewards, H []float64
			GFresh     [][]float64 `json:"g_fresh"`
			HFresh     [][]float64 `json:"h_fresh"`
			Eps        float64
			GStar      []num `json:"g_star"`
			FreshStar  []num `json:"g_fresh_star_mean"`
		}
		Map struct {
			Scores, Weights []float64
			Folds           []int
			Maps            map[string]struct{ X, Y []num }
			Eval            []struct {
				Fold int
				S    []float64
				H    []num
			}
		} `json:"tmle_weight_map"`
	}
	readGolden(t, "05_inference_pieces.json", &g)
	if len(g.Robust) != 4 || len(g.Jackknife) != 4 || len(g.T) != 60 || len(g.Normal) != 5 || len(g.Percentile) != 5 ||
		len(g.TMLE) != 4 {
		t.Fatal("another number of cases than there were")
	}
	for _, c := range g.Robust {
		se, df := clusterSE(c.X, c.Clusters)
		near(t, c.Name+": standard error", se, float64(c.Res.SE), 1e-12)
		if df != c.Res.DF {
			t.Errorf("%s: %d degrees of freedom, reference %d", c.Name, df, c.Res.DF)
		}
	}
	for i, c := range g.Jackknife {
		near(t, fmt.Sprintf("jackknife variance %d", i), jackknifeVariance(c.Jack), c.Var, 1e-12)
	}
	for _, c := range g.T {
		// The incomplete beta function of gonum is good to 3e-9.
		near(t, fmt.Sprintf("t(%v, %v)", c.DF, c.P), distuv.StudentsT{Sigma: 1, Nu: c.DF}.Quantile(c.P), c.T, 1e-8)
		if c.P == .975 {
			near(t, fmt.Sprintf("critical value for %v", c.DF), critical(int(c.DF)), c.T, 1e-8)
		}
	}
	for _, c := range g.Normal {
		near(t, fmt.Sprintf("z(%v)", c.P), distuv.UnitNormal.Quantile(c.P), c.Z, 1e-12)
	}
	for i, c := range g.Percentile {
		near(t, fmt.Sprintf("percentile %d", i), offpolicy.Quantiles(c.X, c.Q/100)[0], c.V, 1e-12)
	}
	for i, c := range g.TMLE {
		if c.Link != "logit" {
			continue
		}
		e := fluctuation(c.G0, c.Rewards, c.H)
		near(t, fmt.Sprintf("fluctuation %d", i), e, c.Eps, 1e-9)
		for j := range c.G0 {
			near(t, fmt.Sprintf("targeted %d[%d]", i, j), targeted(c.G0[j], e, c.H[j]), float64(c.GStar[j]), 1e-9)
			var sum float64
			for k, v := range c.GFresh[j] {
				sum += targeted(v, e, c.HFresh[j][k])
			}
			near(t, fmt.Sprintf("targeted draws %d[%d]", i, j), sum/float64(len(c.GFresh[j])), float64(c.FreshStar[j]), 1e-9)
		}
	}
	maps := weightMaps(g.Map.Scores, g.Map.Weights, g.Map.Folds)
	for key, want := range g.Map.Maps {
		var k int
		if _, err := fmt.Sscan(key, &k); err != nil {
			t.Fatal(err)
		}
		nearAll(t, "weight map "+key+", x", maps[k].x, want.X, 1e-12)
		nearAll(t, "weight map "+key+", y", maps[k].y, want.Y, 1e-12)
	}
	for _, c := range g.Map.Eval {
		for i, s := range c.S {
			near(t, fmt.Sprintf("weight map %d at %v", c.Fold, s), maps[c.Fold].at(s), float64(c.H[i]), 1e-12)
		}
	}
}

// The spline under two_stage and its ranks.
func testSpline(t *testing.T, g *goldenDataset, ref *Reference) {
	t.Helper()
	want, got := g.Calibration.Smooth, ref.cal.whole
	if want == nil || got.g == nil {
		t.Error("two_stage without a spline")
		return
	}
	for i, q := range floats(want.Query) {
		near(t, fmt.Sprintf("spline at %v", q), got.g.At(q), float64(want.G[i]), 1e-6)
		near(t, fmt.Sprintf("rank at %v", q), got.index(q), float64(want.ECDF[i]), 1e-6)
	}
}

func TestRanksBelow(t *testing.T) {
	if math.IsNaN(ranks030([]float64{1, 2}, nil).at(0)) {
		t.Error("what lies below all values has a rank")
	}
}
