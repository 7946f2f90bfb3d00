package offpolicy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// wordy simulates a judge that likes length: the label is .2 + .6 merit, the score
// merit + .3 (length - .5), and the target's responses are as good as the logged
// ones and longer. Weights do not see length: they are 1. True values: .5.
func wordy(n, labels, probes int, seed uint64) Samples {
	rng := rand.New(rand.NewPCG(seed, 3))
	s := Samples{Logging: "p0", Judge: "j@1", Scored: sampled("p0", "t"), Draws: map[string][]Draw{}}
	grade := func(least, most float64) (score, label, length float64) {
		merit, x := .15+.7*rng.Float64(), least+(most-least)*rng.Float64()
		return merit + .3*(x-.5), .2 + .6*merit + .05*rng.NormFloat64(), 20 + 400*x
	}
	for i := range n {
		id := fmt.Sprint("prompt ", i)
		score, label, length := grade(0, 1)
		r := Row{PromptID: id, LogProbs: map[string]dataset.Float{"p0": dataset.Known(-9), "t": dataset.Known(-9)},
			Score: dataset.Known(score), Label: dataset.Known(nan), InclusionProb: dataset.Known(float64(labels) / float64(n)),
			Length: dataset.Known(nan), Covariate: dataset.Known(length)}
		if i < labels {
			r.Label = dataset.Known(label)
		}
		s.Rows = append(s.Rows, r)
		score, label, length = grade(.4, .95)
		d := Draw{PromptID: id, Score: dataset.Known(score), Label: dataset.Known(nan),
			InclusionProb: dataset.Known(float64(probes) / float64(n)), Covariate: dataset.Known(length)}
		if i >= n-probes {
			d.Label = dataset.Known(label)
		}
		s.Draws["t"] = append(s.Draws["t"], d)
	}
	return s
}

// What the covariate explains, the calibration takes from the score: residuals are
// smaller, a policy of longer responses is no longer overrated, and dr is narrower.
func TestCovariate(t *testing.T) {
	s := wordy(600, 300, 0, 1)
	found := map[string]float64{}
	for _, name := range []string{"", "length"} {
		c := Config{Covariate: name, Estimators: []Estimator{DR, Direct}, Replicates: 60,
			Audited: map[string]string{"t": "j@1"}}
		r := evaluate(t, s, c)
		if r.CalibratorError != nil || r.Calibrator.Covariate() != name {
			t.Fatalf("covariate %q: %v", r.Calibrator.Covariate(), r.CalibratorError)
		}
		direct, dr := r.Policy("t").Estimate(Direct), r.Policy("p0").Estimate(DR)
		if direct.Refused() || dr.Refused() {
			t.Fatalf("refused: %v, %v", direct.Refusals, dr.Refusals)
		}
		found[name+" residual"] = standardDeviation(r.Calibrator.Residuals())
		found[name+" bias"] = direct.Value - .5
		found[name+" width"] = dr.Upper - dr.Lower
		if math.Abs(dr.Value-.5) > 4*dr.SE {
			t.Errorf("covariate %q: p0 is %v (SE %v), truth .5", name, dr.Value, dr.SE)
		}
	}
	// The judge's error of .3 x, x uniform, has sd .087, of which .6 come into the
	// label where merit is to be told from the score, .052; the noise is .05. Longer
	// responses have x larger by .175 on average, and scores by .05.
	if found[" residual"] < .065 || found["length residual"] > .06 {
		t.Errorf("residuals have sd %.4f without the length, %.4f with it", found[" residual"], found["length residual"])
	}
	if found[" bias"] < .02 || math.Abs(found["length bias"]) > .015 {
		t.Errorf("the plug-in is off by %.4f without the length, %.4f with it", found[" bias"], found["length bias"])
	}
	if found["length width"] > .98*found[" width"] {
		t.Errorf("dr is %.4f wide without the length, %.4f with it", found[" width"], found["length width"])
	}
}

// The fits of an evaluation are the calibrator's, and under weights those of labels
// that count so; the order of the input decides nothing.
func TestStageFitsAreTheCalibrator(t *testing.T) {
	s := wordy(150, 100, 30, 2)
	for i := range s.Rows {
		// ties
		s.Rows[i].Score, s.Rows[i].Covariate = dataset.Known(math.Round(20*s.Rows[i].Score.OrNaN())/20),
			dataset.Known(math.Round(s.Rows[i].Covariate.OrNaN()/50))
	}
	c := Config{Covariate: "length"}
	if err := c.defaults(); err != nil {
		t.Fatal(err)
	}
	fr := newFrame(TableOf(s), c.Folds, c.Seed)
	var err error
	if fr.fits, err = newRefits(fr, &c); err != nil {
		t.Fatal(err)
	}
	w := newWorker(fr)
	w.ones(fr)
	for b := range 4 {
		var rows []LabeledScore
		for i := range fr.invP {
			r := fr.t.row(i)
			if fr.invP[i] > 0 {
				rows = append(rows, LabeledScore{r.PromptID, r.Score, r.Label, dataset.Known(.01 / w.v[fr.prompt[i]]),
					r.Covariate})
			}
		}
		cal, err := FitCalibrator(CalibrationConfig{Judge: "j@1", Covariate: "length"}, rows)
		if err != nil {
			t.Fatal(err)
		}
		for i := range fr.invP {
			r := fr.t.row(i)
			if want := cal.PredictFor(r.PromptID, r.Score.OrNaN(), r.Covariate.OrNaN()); !near(w.f[i], want, 1e-9) {
				t.Fatalf("replicate %d: f of %s is %v, the calibrator's %v", b, r.PromptID, w.f[i], want)
			}
		}
		d := fr.draws["t"]
		for i, x := range d.score {
			if want := cal.PredictFor(fr.prompts[d.prompt[i]], x, d.covariate[i]); !near(w.f[d.at+i], want, 1e-9) {
				t.Fatalf("replicate %d: f of a draw of %s is %v, the calibrator's %v", b, fr.prompts[d.prompt[i]], w.f[d.at+i],
					want)
			}
		}
		replicateWeights(w.v, fr.keys, 1, b)
		for p := range w.v { // inclusion probabilities of labels that count more are at most 1
			w.v[p] = max(w.v[p], .02)
		}
		w.predict(fr)
	}
	c = Config{Covariate: "length", Estimators: []Estimator{DR, Direct}, Replicates: 30}
	a, b := evaluate(t, s, c), evaluate(t, s.shuffled(9), c)
	for i := range a.Policies {
		for j := range a.Policies[i].Estimates {
			x, y := &a.Policies[i].Estimates[j], &b.Policies[i].Estimates[j]
			if x.Refused() != y.Refused() || !x.Refused() && (!near(x.Value, y.Value, 1e-12) || !near(x.SE, y.SE, 1e-12)) {
				t.Errorf("%s of %s: %v (SE %v), shuffled %v (SE %v)", x.Estimator, x.Policy, x.Value, x.SE, y.Value, y.SE)
			}
		}
	}
}

func TestCovariateRefuses(t *testing.T) {
	named := CalibrationConfig{Judge: "j@1", Covariate: "length"}
	rows := func(n int, covariate float64) []LabeledScore {
		out := labels(n, .1, 1)
		for i := range out {
			out[i].Covariate = dataset.Known(float64(i))
		}
		out[3].Covariate = dataset.Known(covariate)
		return out
	}
	flat := rows(60, 3)
	for i := range flat {
		flat[i].Score, flat[i].Covariate = dataset.Known(.5), dataset.Known(1)
	}
	small := named
	small.MinLabels = 22
	for _, tt := range []struct {
		config CalibrationConfig
		rows   []LabeledScore
		want   string
		reason string
	}{
		{named, rows(49, 3), "49 labels, 50 needed", "two stages take more labels"},
		{named, rows(60, nan), "length of p3 is not a finite number", "missing"},
		{named, rows(60, inf), "length of p3 is not a finite number", "no length"},
		{named, flat, "nothing varies", "nothing to fit on"},
		{small, rows(22, 3), "two stages need 20 labels in every fit", "too few are left without a fold"},
	} {
		if _, err := FitCalibrator(tt.config, tt.rows); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one about %q", tt.reason, err, tt.want)
		}
	}
	plain, err := FitCalibrator(CalibrationConfig{Judge: "j@1"}, rows(60, nan))
	if err != nil {
		t.Fatalf("what is not named is not read: %v", err)
	}
	two, err := FitCalibrator(named, rows(60, 3))
	if err != nil {
		t.Fatal(err)
	}
	if !math.IsNaN(two.Predict(nan, 1)) || !math.IsNaN(two.Predict(.5, nan)) {
		t.Error("what is missing has no calibrated value")
	}
	if !two.Supports(.5, 30) || two.Supports(.5, 1e6) || two.Supports(.5, nan) || two.Supports(2, 30) {
		t.Error("support is that of score and covariate")
	}
	mustPanic(t, "covariate", func() { two.PredictFor("p1", .5) })
	mustPanic(t, "covariate", func() { two.Supports(.5, 1, 2) })
	mustPanic(t, "covariate", func() { plain.Predict(.5, 30) })

	s := wordy(80, 60, 0, 1)
	s.Draws["t"][5].Covariate = dataset.Known(nan)
	if _, err := Evaluate(s, Config{Covariate: "length"}); err == nil || !strings.Contains(err.Error(),
		"fresh draws of t: row 5") {
		t.Errorf("a draw without a length: %v", err)
	}
	if _, err := Evaluate(s, Config{Replicates: 5}); err != nil {
		t.Errorf("a covariate that is not named is not read: %v", err)
	}
	s = wordy(80, 60, 0, 1)
	s.Rows[7].Covariate = dataset.Known(nan)
	if _, err := Evaluate(s, Config{Covariate: "length"}); err == nil || !strings.Contains(err.Error(),
		"samples: row 7") {
		t.Errorf("a row without a length: %v", err)
	}
	s = wordy(80, 30, 0, 1)
	if r, err := Evaluate(s, Config{Covariate: "length", Replicates: 5}); err != nil || r.CalibratorError == nil ||
		!r.Policy("p0").Estimate(DR).Refused() {
		t.Errorf("30 labels calibrate nothing in two stages: %v", err)
	}
}
