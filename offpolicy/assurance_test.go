package offpolicy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

func TestVarianceRatio(t *testing.T) {
	// F(.95; 10, 10) = 2.978, F(.9; 5, 20) = 2.158 and chi-squared(.8; 100) = 111.67, of printed tables.
	for _, c := range []struct{ share, a, b, want float64 }{
		{.95, 10, 10, 2.978}, {.9, 5, 20, 2.158}, {.8, 100, 0, 1.1167}, {.5, 1e9, 1e9, 1},
	} {
		if got := varianceRatio(c.share, c.a, c.b); math.Abs(got-c.want) > .0006 {
			t.Errorf("%v: %v", c, got)
		}
	}
}

func TestSpreadOf(t *testing.T) {
	// 0, 1, 1, 0: squares .25, variance 1/3, kurtosis 1.
	sd, mean, k := spreadOf([]float64{0, 1, 1, 0}, []float64{1, 1, 1, 1}, nan)
	if !near(sd, math.Sqrt(1./3), 1e-12) || mean != .5 || !near(k, 1, 1e-12) {
		t.Errorf("of halves: sd %v, mean %v, kurtosis %v", sd, mean, k)
	}
	// 0 once and 1 three times: mean .75, variance 3/16, times m/(m-1) with m = 16/10;
	// fourth moment (81 + 3)/1024 over (3/16)² = 7/3.
	sd, mean, k = spreadOf([]float64{0, nan, 1}, []float64{1, 5, 3}, nan)
	if !near(sd, math.Sqrt(3./16*1.6/.6), 1e-12) || mean != .75 || !near(k, 7./3, 1e-12) {
		t.Errorf("weighted: sd %v, mean %v, kurtosis %v", sd, mean, k)
	}
	if sd, _, _ := spreadOf([]float64{.5, nan}, []float64{1, 1}, nan); !math.IsNaN(sd) {
		t.Errorf("one value has no spread: %v", sd)
	}
}

// The expected width and what an assurance adds, by hand.
func TestAssuredHalfWidth(t *testing.T) {
	p := StatedPlanning(.25, .8)
	if !near(p.ResidualSD, .15, 1e-12) {
		t.Errorf("residual sd %v, want .25 √(1 - .64)", p.ResidualSD)
	}
	// t(99) = 1.98422; .25/10.
	if got := p.LoggingHalfWidth(100, 100); math.Abs(got-.0496055) > 1e-6 {
		t.Errorf("expected %v", got)
	}
	// Explained .04/400, residual .0225/100.
	if got := p.LoggingHalfWidth(400, 100); !near(got, tQuantile(.975, 99)*math.Sqrt(.0001+.000225), 1e-12) {
		t.Errorf("of 400 prompts %v", got)
	}
	// Normal labels, all labeled: ν is 2·100/2, √1.1167 of the expected width.
	p.Assurance = .8
	if got := p.LoggingHalfWidth(100, 100); math.Abs(got/.0496055-math.Sqrt(1.1167)) > 2e-4 {
		t.Errorf("assured of stated figures %v", got)
	}
	// A pilot's own error makes it wider, the less the larger the pilot; labels of two
	// values, of kurtosis 1, have hardly any.
	p.Labels = 1000
	large := p.LoggingHalfWidth(100, 100)
	p.Labels = 25
	if small := p.LoggingHalfWidth(100, 100); !(small > large && large > .0496055*math.Sqrt(1.1167)) {
		t.Errorf("by 25 labels ±%v, by 1,000 ±%v", small, large)
	}
	p.Labels, p.LabelKurtosis, p.ResidualKurtosis = 1000, 1, 1
	if got := p.LoggingHalfWidth(100, 100); got > .0496055*1.02 {
		t.Errorf("of two values ±%v", got)
	}
	// Near 0 the interval is wider than t standard errors.
	rare := Planning{LabelSD: .05, ResidualSD: .05, LabelMean: .02}
	if got := rare.LoggingHalfWidth(100, 100); !(got > 1.05*tQuantile(.975, 99)*.005) {
		t.Errorf("near 0 ±%v", got)
	}
	for what, f := range map[string]func(){
		"assurance":   func() { Planning{LabelSD: .2, Assurance: .3}.LoggingHalfWidth(100, 50) },
		"sd":          func() { StatedPlanning(.6, .5) },
		"correlation": func() { StatedPlanning(.2, 1.5) },
		"width":       func() { p.DirectRun(0, 100) },
		"share":       func() { p.LoggingRun(.02, 0, 100) },
		"power":       func() { new(Comparison).Detectable(100, 1, 0) },
	} {
		mustPanic(t, what, f)
	}
}

// Runs of the planned size meet the planned width in the share that was asked for, where
// pilot and run are plain means of labels of three shapes.
func TestAssuranceIsMet(t *testing.T) {
	shapes := map[string]func(u float64) float64{
		"uniform": func(u float64) float64 { return u },
		"skewed":  func(u float64) float64 { return u * u * u },
		"pass":    func(u float64) float64 { return math.Floor(u + .3) },
	}
	for name, shape := range shapes {
		rng := rand.New(rand.NewPCG(7, uint64(len(name))))
		draw := func(n int) ([]float64, []float64) {
			y := make([]float64, n)
			for i := range y {
				y[i] = shape(rng.Float64())
			}
			return y, slices.Repeat([]float64{1}, n)
		}
		met := 0
		const plans = 400
		for range plans {
			y, u := draw(100)
			p := newPilot(y, u, nil)
			p.Assurance = .8
			n, m := p.LoggingRun(.05, 1, 5000)
			if n == 0 || m != n {
				t.Fatalf("%s: %d prompts with %d labels from %+v", name, n, m, p)
			}
			y, u = draw(n)
			sd, mean, _ := spreadOf(y, u, nan)
			lo, hi := labelInterval(mean, sd/math.Sqrt(float64(n)), tQuantile(.975, n-1), float64(n), 1)
			if hi-lo <= 2*.05 {
				met++
			}
		}

		if share := float64(met) / plans; share < .75 || share > .92 {
			t.Errorf("%s: %.1f%% of runs are as narrow as planned, want 75 to 92", name, 100*share)
		}
	}
}

func TestPlannedRuns(t *testing.T) {
	p := StatedPlanning(.25, .6)
	n, m := p.LoggingRun(.02, .5, 10000)
	if m != (n+1)/2 || p.LoggingHalfWidth(n, m) > .02 || p.LoggingHalfWidth(n-1, (n-1)/2) <= .02 {
		t.Errorf("%d prompts with %d labels: ±%v", n, m, p.LoggingHalfWidth(n, m))
	}
	if n, m := p.LoggingRun(.02, .5, 100); n != 0 || m != 0 {
		t.Errorf("100 prompts are too few, not %d with %d labels", n, m)
	}
	k := p.DirectRun(.04, 1000)
	if p.DirectHalfWidth(1000, k) > .04 || p.DirectHalfWidth(1000, k-1) <= .04 {
		t.Errorf("%d labels of its own", k)
	}
	if got := p.DirectRun(.001, 1000); got != 0 {
		t.Errorf("%d labels of 1,000 draws for ±.001", got)
	}
}

// What a target's own labels say of it, and what two responses to one prompt share.
func TestTargetPilot(t *testing.T) {
	r := evaluate(t, world{prompts: 400, labels: 200, draws: 1, probes: 100}.samples(3), Config{Replicates: 2})
	p := r.TargetPlanning("near")
	if p.Labels != 100 || !(p.ResidualSD > .06 && p.ResidualSD < .1) || math.Abs(p.LabelMean-.55) > .05 {
		t.Errorf("near %+v", p)
	}
	if c := r.Planning().PromptCorrelation; c > .2 {
		t.Errorf("responses that share nothing correlate by %v", c)
	}
	if p := r.TargetPlanning("nobody"); p.Labels != 0 || !math.IsNaN(p.LabelSD) {
		t.Errorf("of no policy: %+v", p)
	}
}

// Labels that the target's weights favour vary ten times as much as the others: the plan is of
// the variance that the estimate has.
func TestWeightedPlanning(t *testing.T) {
	s := Samples{Logging: "p0", Judge: "j", Scored: sampled("p0", "same", "wild")}
	for i := range 400 {
		favoured := i%2 == 0
		w, label := .5, .5+.02*float64(i/2%2*2-1)
		if favoured {
			w, label = 1.5, .5+.2*float64(i/2%2*2-1)
		}
		s.Rows = append(s.Rows, Row{PromptID: fmt.Sprint(i), Score: dataset.Known(.5), Label: dataset.Known(label),
			LogProbs: map[string]dataset.Float{"p0": dataset.Known(-9), "same": dataset.Known(-9),
				"wild": dataset.Known(-9 + math.Log(w))}})
	}
	r := evaluate(t, s, Config{Replicates: 2})
	if p, same := r.Planning(), r.WeightedPlanning("same"); math.Abs(same.LabelSD/p.LabelSD-1) > 1e-9 ||
		math.Abs(same.LabelKurtosis-p.LabelKurtosis) > 1e-6 {
		t.Errorf("weights of 1 make %+v of %+v", same, p)
	}
	// (1.5 · .2² + .5 · .02²)/2 of the labels; of what adds to the error (1.5² · .2² + .5² · .02²)/(1.5² + .5²).
	p := r.WeightedPlanning("wild")
	if p.Labels != 400 || math.Abs(p.LabelSD-math.Sqrt(.0301)) > .001 || math.Abs(p.ResidualSD-math.Sqrt(.03604)) > .002 {
		t.Errorf("wild %+v", p)
	}
	if want := 500. * 500 / 1025; math.Abs(p.effective/want-1) > 1e-9 { // (Σw²)²/Σw⁴
		t.Errorf("wild squares count for %v, want %v", p.effective, want)
	}
	e := r.Policy("wild").Estimate(LabeledSNIPS)
	if got := p.DRHalfWidth(400, 400, .8); math.Abs(got/((e.Upper-e.Lower)/2)-1) > .05 {
		t.Errorf("planned ±%.4f, found ±%.4f", got, (e.Upper-e.Lower)/2)
	}
	if p := r.WeightedPlanning("nobody"); p.Labels != 0 || !math.IsNaN(p.LabelSD) {
		t.Errorf("of no policy: %+v", p)
	}
}

func TestDetectable(t *testing.T) {
	d := Comparison{Prompts: 100, SE: .02, DF: 99}
	// t(396) = 1.96597, z(.8) = .84162, SE √(100/400).
	if got := d.Detectable(400, .8, 0); math.Abs(got-(1.96597+.84162)*.01) > 1e-6 {
		t.Errorf("detectable %v", got)
	}
	if plain, sure := d.Detectable(400, .8, 0), d.Detectable(400, .8, .8); !(sure > plain && sure < 1.1*plain) {
		t.Errorf("assured %v, expected %v", sure, plain)
	}
	d.Refusals = []Refusal{{Rule: RuleESS}}
	if got := d.Detectable(400, .8, 0); !math.IsNaN(got) {
		t.Errorf("a refused comparison detects %v", got)
	}
}
