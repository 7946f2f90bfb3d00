package offpolicy

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

func TestFold(t *testing.T) {
	counts := make([]int, 5)
	moved := 0
	for i := range 10000 {
		id := fmt.Sprintf("arena_%d", i)
		k := Fold(42, id, 5)
		if k != Fold(42, id, 5) {
			t.Fatal("a fold must be a function of its arguments")
		}
		counts[k]++
		if Fold(43, id, 5) != k {
			moved++
		}
	}
	for k, n := range counts {
		if math.Abs(float64(n)-2000) > 160 { // 4 sd of Binomial(10000, 1/5)
			t.Errorf("fold %d has %d of 10000 prompts", k, n)
		}
	}
	if math.Abs(float64(moved)-8000) > 160 {
		t.Errorf("another seed moved %d of 10000 prompts, want about 8000", moved)
	}
	// The reference's own example.
	if got := Fold(42, "prompt_123", 10); got != 6 {
		t.Errorf("fold of prompt_123 is %d of 10, the reference's is 6", got)
	}
	mustPanic(t, "no folds", func() { Fold(1, "a", 0) })
}

// The folds of CJE 0.3.0: hashed ids of many kinds, by seed and number of folds.
func TestFoldGolden(t *testing.T) {
	var golden struct {
		Folds []struct {
			PromptID string `json:"prompt_id"`
			K        int    `json:"n_folds"`
			Seed     uint64
			Fold     int
		} `json:"hash_folds"`
	}
	readShared(t, "goldens/01_folds.json", &golden)
	if len(golden.Folds) != 828 {
		t.Fatalf("%d folds, want 828", len(golden.Folds))
	}
	for _, g := range golden.Folds {
		if got := Fold(g.Seed, g.PromptID, g.K); got != g.Fold {
			t.Errorf("fold of %q, seed %d: %d of %d, reference %d", g.PromptID, g.Seed, got, g.K, g.Fold)
		}
	}
}

// labels simulates n prompts with S uniform and E[Y | S] = .25 + .5 S.
func labels(n int, noise float64, seed uint64) []LabeledScore {
	rng := rand.New(rand.NewPCG(seed, seed))
	rows := make([]LabeledScore, n)
	for i := range rows {
		s := rng.Float64()
		y := .25 + .5*s + noise*rng.NormFloat64()
		rows[i] = LabeledScore{fmt.Sprintf("p%d", i), dataset.Known(s), dataset.Known(min(max(y, 0), 1)), dataset.Known(1),
			dataset.Known(0)}
	}
	return rows
}

func TestFitCalibrator(t *testing.T) {
	rows := labels(2000, .08, 1)
	c, err := FitCalibrator(CalibrationConfig{Judge: "j@1", Seed: 7}, rows)
	if err != nil {
		t.Fatal(err)
	}
	if c.Judge() != "j@1" {
		t.Errorf("judge %q", c.Judge())
	}
	for _, s := range []float64{.1, .5, .9} {
		// Isotonic fits converge at n^(-1/3); .05 is about 4 sd here.
		for _, got := range []float64{c.Predict(s), c.PredictFor("p1", s), c.PredictFor("a prompt without a label", s)} {
			if math.Abs(got-(.25+.5*s)) > .05 {
				t.Errorf("calibrated %v is %v, want about %v", s, got, .25+.5*s)
			}
		}
	}
	if !math.IsNaN(c.Predict(nan)) || !math.IsNaN(c.PredictFor("p1", nan)) {
		t.Error("a missing score has no calibrated value")
	}
	lo, hi := c.Support()
	// Uniform scores without 2.5% at either end, within 4 standard errors of .0035.
	if math.Abs(lo-.025) > .014 || math.Abs(hi-.975) > .014 || !c.Supports(hi) || c.Supports(hi+1e-6) || c.Supports(nan) {
		t.Errorf("support [%v, %v]", lo, hi)
	}
	res := c.Residuals()
	for i, r := range rows {
		if want := r.Label.OrNaN() - c.PredictFor(r.PromptID, r.Score.OrNaN()); res[i] != want {
			t.Fatalf("residual %d is %v, want %v", i, res[i], want)
		}
	}

	// The order of the rows decides nothing but that of the residuals.
	back := slices.Clone(rows)
	slices.Reverse(back)
	d, err := FitCalibrator(CalibrationConfig{Judge: "j@1", Seed: 7}, back)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(res)
	if !slices.Equal(res, d.Residuals()) || c.Predict(.123) != d.Predict(.123) {
		t.Error("the fit depends on the order of the rows")
	}
}

// A prompt's own label must not reach its prediction: with it changed, in every
// row of the prompt, the out-of-fold prediction stays as it was.
func TestCalibratorIsCrossFitted(t *testing.T) {
	rows := append(labels(60, .1, 3), LabeledScore{"p0", dataset.Known(.9), dataset.Known(.1), dataset.Known(1),
		dataset.Known(0)})
	config := CalibrationConfig{Judge: "j@1", Seed: 1}
	before, err := FitCalibrator(config, rows)
	if err != nil {
		t.Fatal(err)
	}
	changed := slices.Clone(rows)
	changed[0].Label, changed[60].Label = dataset.Known(1-changed[0].Label.OrNaN()),
		dataset.Known(1-changed[60].Label.OrNaN())
	after, err := FitCalibrator(config, changed)
	if err != nil {
		t.Fatal(err)
	}
	leaked, moved := false, false
	for s := 0.0; s <= 1; s += .01 {
		leaked = leaked || before.PredictFor("p0", s) != after.PredictFor("p0", s)
		moved = moved || before.Predict(s) != after.Predict(s)
	}
	if leaked {
		t.Error("a prompt's label reached its own out-of-fold prediction")
	}
	if !moved {
		t.Error("the full fit ignores the label")
	}
}

// Labels drawn with known, unequal probabilities must calibrate to the
// population's mean, not to the sample's.
func TestCalibratorWeighsByInclusion(t *testing.T) {
	var rows []LabeledScore
	for i := range 400 { // every tenth of the good, all of the bad
		rows = append(rows, LabeledScore{fmt.Sprintf("g%d", i), dataset.Known(.5), dataset.Known(.8), dataset.Known(.1),
			dataset.Known(0)}, LabeledScore{fmt.Sprintf("b%d", i), dataset.Known(.5), dataset.Known(.2), dataset.Known(1),
			dataset.Known(0)})
	}
	c, err := FitCalibrator(CalibrationConfig{Judge: "j@1"}, rows)
	if err != nil {
		t.Fatal(err)
	}
	if want := (10*.8 + .2) / 11; !near(c.Predict(.5), want, 1e-12) {
		t.Errorf("calibrated %v, want %v", c.Predict(.5), want)
	}
}

func TestFitCalibratorRefuses(t *testing.T) {
	good := labels(30, .1, 1)
	with := func(change func(*LabeledScore)) []LabeledScore {
		rows := slices.Clone(good)
		change(&rows[3])
		return rows
	}
	same := slices.Clone(good)
	for i := range same {
		same[i].PromptID = "p"
	}
	ok := CalibrationConfig{Judge: "j@1"}
	tests := []struct {
		config CalibrationConfig
		rows   []LabeledScore
		want   string // in the error
		row    bool   // a RowError of row 3
		reason string
	}{
		{CalibrationConfig{}, good, "Judge", false, "a calibrator holds for one judge"},
		{CalibrationConfig{Judge: "j", Folds: 1}, good, "Folds", false, "one fold leaves nothing to fit"},
		{CalibrationConfig{Judge: "j", Folds: -1}, good, "Folds", false, "negative"},
		{CalibrationConfig{Judge: "j", MinLabels: -1}, good, "MinLabels", false, "negative"},
		{ok, good[:24], "24 labels, 25 needed", false, "one below the default minimum"},
		{ok, nil, "0 labels", false, "no labels"},
		{CalibrationConfig{Judge: "j", MinLabels: 31}, good, "30 labels, 31 needed", false, "below the caller's minimum"},
		{ok, same, "fold 1 of 5", false, "one prompt only"},
		{ok, with(func(r *LabeledScore) { r.Score = dataset.Known(nan) }), "score", true, "missing score"},
		{ok, with(func(r *LabeledScore) { r.Score = dataset.Known(85) }), "score", true, "a score on another scale"},
		{ok, with(func(r *LabeledScore) { r.Label = dataset.Known(nan) }), "label", true, "missing label"},
		{ok, with(func(r *LabeledScore) { r.Label = dataset.Known(-.1) }), "label", true, "label out of range"},
		{ok, with(func(r *LabeledScore) { r.InclusionProb = dataset.Known(0) }), "inclusion", true,
			"the zero value is no probability"},
		{ok, with(func(r *LabeledScore) { r.InclusionProb = dataset.Known(nan) }), "inclusion", true, "missing probability"},
	}
	for _, tt := range tests {
		_, err := FitCalibrator(tt.config, tt.rows)
		var bad *RowError
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, &bad) != tt.row || bad != nil &&
			bad.Row != 3 {
			t.Errorf("%s: error %v, want one about %q", tt.reason, err, tt.want)
		}
	}
	if _, err := FitCalibrator(ok, good[:25]); err != nil {
		t.Errorf("25 labels are enough: %v", err)
	}
}

func TestCalibrationCheck(t *testing.T) {
	constant := labels(100, .1, 1)
	for i := range constant {
		constant[i].Score = dataset.Known(.5)
	}
	useless, against := labels(400, .1, 2), labels(100, .05, 3)
	rng := rand.New(rand.NewPCG(9, 9))
	for i := range useless {
		useless[i].Score = dataset.Known(rng.Float64())
	}
	for i := range against {
		against[i].Score = dataset.Known(1 - against[i].Score.OrNaN())
	}
	weak := labels(30, .3, 4)
	tests := []struct {
		name   string
		rows   []LabeledScore
		want   string
		reason string
	}{
		{"good", labels(100, .08, 1), "pass", "a judge that follows the oracle"},
		{"constant", constant, "hold", "a judge with one score for all has no rank correlation"},
		{"useless", useless, "hold", "unrelated scores: upper bound below .3 at n=400"},
		{"against", against, "hold", "a judge that prefers what the oracle rejects"},
		{"weak", weak, "info", "30 noisy labels cannot tell"},
	}
	for _, tt := range tests {
		c, err := FitCalibrator(CalibrationConfig{Judge: "j@1"}, tt.rows)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Check(); string(got.Status) != tt.want || len(got.Reasons) == 0 {
			t.Errorf("%s: %+v, want %s: %s", tt.name, got, tt.want, tt.reason)
		}
	}
}

func TestCalibrationCheckFigures(t *testing.T) {
	rows := labels(50, .1, 5)
	rows = append(rows, LabeledScore{"p0", dataset.Known(.5), dataset.Known(.4), dataset.Known(.5), dataset.Known(0)},
		LabeledScore{"p1", dataset.Known(.2), dataset.Known(.6), dataset.Known(.25), dataset.Known(0)})
	c, err := FitCalibrator(CalibrationConfig{Judge: "j@1"}, rows)
	if err != nil {
		t.Fatal(err)
	}
	k := c.Check()
	if k.N != 52 || k.Prompts != 50 {
		t.Errorf("%d rows of %d prompts, want 52 of 50", k.N, k.Prompts)
	}
	var sum, sumW float64
	for i, r := range rows {
		sum, sumW = sum+c.oof[i]/r.InclusionProb.OrNaN(), sumW+1/r.InclusionProb.OrNaN()
	}
	if !near(k.MeanResidual, sum/sumW, 1e-12) {
		t.Errorf("mean residual %v, want %v", k.MeanResidual, sum/sumW)
	}
	totals := map[string]float64{}
	for i, r := range rows {
		totals[r.PromptID] += (c.oof[i] - sum/sumW) / r.InclusionProb.OrNaN()
	}
	var ss float64
	for _, v := range totals {
		ss += v * v
	}
	if want := math.Sqrt(ss*50/49) / sumW; !near(k.ResidualSE, want, 1e-12) {
		t.Errorf("SE %v, want %v", k.ResidualSE, want)
	}
}

func TestSpearman(t *testing.T) {
	tests := []struct {
		a, b   []float64
		want   float64
		reason string
	}{
		{[]float64{1, 2, 3}, []float64{10, 20, 300}, 1, "same order"},
		{[]float64{1, 2, 3}, []float64{3, 2, 1}, -1, "opposite order"},
		{[]float64{1, 2, 3, 4, 5}, []float64{2, 1, 4, 3, 5}, .8, "1 - 6·4/(5·24)"},
		{[]float64{1, 1, 2, 3}, []float64{1, 2, 3, 4}, 4.5 / math.Sqrt(4.5*5), "ties share their mean rank, 1.5"},
		{[]float64{1, 1}, []float64{1, 2}, nan, "a constant has no order"},
		{nil, nil, nan, "nothing to compare"},
		{[]float64{1, nan, 3}, []float64{1, 2, 3}, nan, "missing is not a rank"},
	}
	for _, tt := range tests {
		if got := Spearman(tt.a, tt.b); !near(got, tt.want, 1e-15) {
			t.Errorf("Spearman(%v, %v) = %v, want %v: %s", tt.a, tt.b, got, tt.want, tt.reason)
		}
	}
	mustPanic(t, "lengths differ", func() { Spearman([]float64{1}, nil) })
	// By hand: atanh(.5) = .549306, 1.959964·√(1.06/97) = .204887.
	lo, hi := spearmanBounds(.5, 100)
	if math.Abs(lo-math.Tanh(.549306-.204887)) > 1e-6 || math.Abs(hi-math.Tanh(.549306+.204887)) > 1e-6 {
		t.Errorf("bounds of .5 at n=100: %v, %v", lo, hi)
	}
	if lo, hi := spearmanBounds(.9, 3); lo != -1 || hi != 1 {
		t.Errorf("three prompts bound nothing, got %v, %v", lo, hi)
	}
}

// The Fisher interval must hold what it says on data like ours: simulated
// coverage of each one-sided 97.5% bound, at the population's correlation.
func TestSpearmanBoundsCover(t *testing.T) {
	const reps, n, r = 2000, 100, .5
	// Population Spearman of a bivariate normal: 6/π asin(r/2).
	rho := 6 / math.Pi * math.Asin(r/2)
	rng := rand.New(rand.NewPCG(4, 4))
	above, below := 0, 0
	for range reps {
		a, b := make([]float64, n), make([]float64, n)
		for i := range n {
			z := rng.NormFloat64()
			a[i], b[i] = z, r*z+math.Sqrt(1-r*r)*rng.NormFloat64()
		}
		lo, hi := spearmanBounds(Spearman(a, b), n)
		if lo > rho {
			above++
		}
		if hi < rho {
			below++
		}
	}
	// 2.5% of 2000 is 50; four standard errors are 28.
	if above > 78 || below > 78 || above+below < 40 {
		t.Errorf("bounds missed %d times above and %d below in %d, want about 50 each", above, below, reps)
	}
}

// TestUnnamedCovariateIsNotRead: rows carry the response's length whether or not
// the calibration is to know it.
func TestUnnamedCovariateIsNotRead(t *testing.T) {
	var rows []LabeledScore
	for i := range 100 {
		rows = append(rows, LabeledScore{PromptID: fmt.Sprint(i), Score: dataset.Known(float64(i) / 100),
			Label: dataset.Known(float64(i) / 100), InclusionProb: dataset.Known(1), Covariate: dataset.Known(float64(50 + i))})
	}
	c, err := FitCalibrator(CalibrationConfig{Judge: "judge"}, rows)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Supports(.5) || !c.supports(.5, 10_000) {
		t.Error("a score in the middle of the labels is not supported, for a covariate that was not named")
	}
	if c.Supports(.999) {
		t.Error("a score beyond the labels is supported")
	}
}
