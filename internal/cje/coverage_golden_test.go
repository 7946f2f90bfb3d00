package cje

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// simulate draws n prompts of the design that the reference was recorded on: S
// uniform, Y = .25 + .5 S + noise of sd .08, weights .4 + 1.2 S, one fresh draw a
// prompt from the density that they make, a quarter labeled. The target's mean
// is .55.
func simulate(n int, rng *rand.Rand) offpolicy.Samples {
	s := offpolicy.Samples{Logging: "base", Judge: "j@1", Draws: map[string][]offpolicy.Draw{}}
	for i := range n {
		id, x := fmt.Sprintf("p%d", i), rng.Float64()
		row := offpolicy.Row{PromptID: id, Score: dataset.Known(x), Length: dataset.Known(10),
			LogProbs: map[string]dataset.Float{"base": dataset.Known(-20), "target": dataset.Known(-20 + math.Log(.4+1.2*x))}}
		if i%4 == 0 {
			row.Label = dataset.Known(min(max(.25+.5*x+.08*rng.NormFloat64(), 0), 1))
		}
		s.Rows = append(s.Rows, row)
		fresh := (math.Sqrt(.16+2.4*rng.Float64()) - .4) / 1.2 // inverse of .4 x + .6 x²
		s.Draws["target"] = append(s.Draws["target"], offpolicy.Draw{PromptID: id, Score: dataset.Known(fresh)})
	}
	return s
}

// What the reference's estimators are like on 100 repetitions is what ours are
// like, to within the Monte-Carlo error of both: a standard error that is 1.8
// times what it should be, intervals that miss, and a bias are features here.
func TestGoldenCoverage(t *testing.T) {
	var g struct {
		Truth   float64
		Results map[string]struct {
			N, Reps  int
			Bias     float64
			SD       float64 `json:"emp_sd"`
			SE       float64 `json:"mean_se"`
			Coverage float64
			Width    float64 `json:"mean_ci_width"`
		}
	}
	readGolden(t, "31_mc_coverage030.json", &g)
	const reps = 100
	type moments struct{ value, valueSq, se, seSq, width, covered float64 }
	sums := map[Estimator]*moments{}
	rng := rand.New(rand.NewPCG(31, 31))
	for range reps {
		ref, err := New(Monotone, simulate(500, rng))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range Estimators() {
			e, err := ref.Estimate(id, "target")
			if err != nil {
				t.Fatal(err)
			}
			m := sums[id]
			if m == nil {
				m = &moments{}
				sums[id] = m
			}
			m.value += e.Value / reps
			m.valueSq += e.Value * e.Value / reps
			m.se += e.SE / reps
			m.seSq += e.SE * e.SE / reps
			m.width += (e.Upper - e.Lower) / reps
			if e.Lower <= g.Truth && g.Truth <= e.Upper {
				m.covered += 1. / reps
			}
		}
	}
	for id, name := range map[Estimator]string{SNIPS: "raw-ips", CalibratedIPS: "calibrated-ips", DRCPO: "dr-cpo",
		TMLE: "tmle"} {
		want, got := g.Results[name], sums[id]
		if want.Reps != reps || want.N != 500 {
			t.Fatalf("%s: %d repetitions of %d", name, want.Reps, want.N)
		}
		sd := math.Sqrt(got.valueSq - got.value*got.value)
		within := func(what string, got, want, se float64) {
			t.Helper()
			if !(math.Abs(got-want) <= 4*math.Sqrt2*se) { // four standard errors of the difference of two runs
				t.Errorf("%s: %s %.4f, reference %.4f: more than chance (%.4f)", id, what, got, want, se)
			}
		}
		seSD := math.Sqrt(got.seSq-got.se*got.se) / math.Sqrt(reps)
		within("bias", got.value-g.Truth, want.Bias, sd/math.Sqrt(reps))
		within("standard deviation", sd, want.SD, sd/math.Sqrt(2*reps))
		within("mean standard error", got.se, want.SE, seSD)
		within("mean width", got.width, want.Width, seSD*got.width/got.se)
		p := min(max(want.Coverage, .02), .98)
		within("coverage", got.covered, want.Coverage, math.Sqrt(p*(1-p)/reps))
		t.Logf("%-18s bias %+.4f (%+.4f)  SD %.4f (%.4f)  SE/SD %.2f (%.2f)  coverage %.2f (%.2f)",
			id, got.value-g.Truth, want.Bias, sd, want.SD, got.se/sd, want.SE/want.SD, got.covered, want.Coverage)
	}
}
