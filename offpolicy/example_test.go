package offpolicy_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// Two policies that differ in name alone are one policy under two names.
func ExamplePolicy() {
	p0 := offpolicy.Policy{
		Name: "p0", Model: "llama4-scout-instruct-basic", Template: "llama4",
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, TopK: 0, MaxTokens: 512},
	}
	clone, terse := p0, p0
	clone.Name = "pi_clone"
	terse.Name, terse.System = "pi_terse", "Answer in one sentence."
	fmt.Println(p0.Hash() == clone.Hash(), p0.Hash() == terse.Hash())

	p0.Sampling.TopP = 0
	fmt.Println(p0.Validate())
	// Output:
	// true false
	// offpolicy: policy "p0": top_p 0: want a number in (0, 1]; 1 keeps every token
}

// Log-ratios of four responses, log π(a|c) - log P0(a|c). The third response could
// not be scored under the target.
func ExampleWeightsFromLogRatios() {
	w, err := offpolicy.WeightsFromLogRatios([]float64{0, -.7, math.NaN(), .7})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("weights %.3f\n", w.Raw())
	fmt.Printf("n %d, missing %d, mean %.3f, ESS %.3f, largest share %.3f\n", w.N, w.Missing, w.Mean, w.ESS, w.MaxShare)
	// Output:
	// weights [1.000 0.497 NaN 2.014]
	// n 3, missing 1, mean 1.170, ESS 2.324, largest share 0.574
}

// A target far from the logs is refused, with the reasons.
func ExampleWeights_Refusals() {
	rng := rand.New(rand.NewPCG(1, 1))
	ratios := make([]float64, 100)
	for i := range ratios {
		ratios[i] = -8 + 4*rng.NormFloat64() // log w: mean -8 nats, sd 4
	}
	w, err := offpolicy.WeightsFromLogRatios(ratios)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range w.Refusals() {
		fmt.Println(r)
	}
	// Output:
	// ess: effective sample size 5.2 of 100 prompts is below 30
	// max_share: one prompt carries 32% of the weight, more than 10%
	// divergence: divergence about 8.1 nats is too large for 100 prompts (at most ln(n/10) = 2.3)
	// mass: mean weight 0.093 (SE 0.040): the logs miss part of what the target says, which may bias an estimate by up to 0.907
}

// One response in a hundred that the endpoint scored otherwise is noise that a
// run can live with; a shift of all of them is not.
func ExampleCloneCheck() {
	check := func(d []float64) {
		w, err := offpolicy.WeightsFromLogRatios(d)
		if err != nil {
			fmt.Println(err)
			return
		}
		r := offpolicy.CloneCheck(w, slices.Repeat([]float64{200}, len(d)), dataset.Float{})
		fmt.Println(r.Status, r.Reasons)
	}
	d := make([]float64, 100)
	d[17] = -.4
	check(d)
	for i := range d {
		d[i] = .06
	}
	check(d)
	// Output:
	// pass [1 of 100 rows differ by more than 0.2 nats and noise, the others by +0.0000 on average, with a standard deviation of 0]
	// fail [median difference +0.060 nats, at most 0.05 allowed]
}

// The middle two points violate the order and are pooled at their mean.
func ExampleFitIsotonic() {
	f, err := offpolicy.FitIsotonic([]float64{1, 2, 3, 4}, []float64{.1, .5, .3, .9}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, x := range []float64{0, 1.5, 2, 2.5, 3.5, 9} {
		fmt.Printf("f(%v) = %.2f\n", x, f.Predict(x))
	}
	fmt.Println(f.Knots())   // linear between them
	fmt.Println(f.Support()) // constant beyond it
	// Output:
	// f(0) = 0.10
	// f(1.5) = 0.25
	// f(2) = 0.40
	// f(2.5) = 0.40
	// f(3.5) = 0.65
	// f(9) = 0.90
	// [1 2 3 4] [0.1 0.4 0.4 0.9]
	// 1 4
}

// A judge that is too generous is brought back to the oracle's scale, out of
// fold, and checked.
func ExampleFitCalibrator() {
	rng := rand.New(rand.NewPCG(1, 1))
	var rows []offpolicy.LabeledScore
	for i := range 200 {
		score := rng.Float64()
		label := score * score // the judge gives .8 where the oracle gives .64
		if rng.Float64() < .5 {
			label = min(label+.05, 1)
		}
		rows = append(rows, offpolicy.LabeledScore{
			PromptID: fmt.Sprint("prompt", i), Score: dataset.Known(score), Label: dataset.Known(label),
			InclusionProb: dataset.Known(1),
		})
	}
	c, err := offpolicy.FitCalibrator(offpolicy.CalibrationConfig{Judge: "gpt-4o-mini@0123456789abcdef"}, rows)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.1f\n", c.Predict(.8))               // of a prompt that has no label
	fmt.Printf("%.1f\n", c.PredictFor("prompt7", .8)) // by the fit without this prompt
	fmt.Println(c.Check().Status)
	_, err = offpolicy.FitCalibrator(offpolicy.CalibrationConfig{Judge: "gpt-4o-mini@0123456789abcdef"}, rows[:10])
	fmt.Println(err)
	// Output:
	// 0.7
	// 0.7
	// pass
	// offpolicy: calibration of gpt-4o-mini@0123456789abcdef: 10 labels, 25 needed: label more responses
}

// A judge that likes long answers gives the longer of two equally good ones more.
// Told the length, the calibration takes that back.
func ExampleFitCalibrator_covariate() {
	rng := rand.New(rand.NewPCG(1, 1))
	var rows []offpolicy.LabeledScore
	for i := range 400 {
		merit, words := .1+.6*rng.Float64(), 300*rng.Float64()
		rows = append(rows, offpolicy.LabeledScore{
			PromptID: fmt.Sprint("prompt", i), Score: dataset.Known(merit + words/1000), Label: dataset.Known(merit),
			InclusionProb: dataset.Known(1), Covariate: dataset.Known(words),
		})
	}
	c, err := offpolicy.FitCalibrator(offpolicy.CalibrationConfig{Judge: "gpt-4o-mini@0123456789abcdef",
		Covariate: "words"}, rows)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, words := range []float64{50, 250} {
		fmt.Printf("%.0f words: %.2f\n", words, c.PredictFor("another prompt", .6, words))
	}
	fmt.Println(c.Supports(.6, 250), c.Supports(.6, 2500))
	// Output:
	// 50 words: 0.55
	// 250 words: 0.35
	// true false
}

// The order is that of tables: first those to go by, then what they must beat.
func ExampleEstimators() {
	fmt.Println(offpolicy.Estimators())
	fmt.Println(offpolicy.Estimator("dr").Known(), offpolicy.Estimator("stacked-dr").Known())
	// Output:
	// [dr direct labeled_snips snips ips clipped_ips]
	// true false
}

// Only the order counts, and equal scores share a rank.
func ExampleSpearman() {
	judge := []float64{.9, .8, .8, .2}
	oracle := []float64{1, .5, .7, 0}
	fmt.Printf("%.3f\n", offpolicy.Spearman(judge, oracle))
	// Output:
	// 0.949
}

// What is missing is left out.
func ExampleQuantiles() {
	seconds := []float64{1.5, 2, math.NaN(), 9, 2.5}
	fmt.Printf("%.2f\n", offpolicy.Quantiles(seconds, .5, .9))
	// Output:
	// [2.25 7.05]
}

// Two policies on the same prompts are compared pair by pair.
func ExamplePairedDifference() {
	bad := []float64{.2, .5, .1, .4}
	p0 := []float64{.6, .8, .6, .7}
	d := offpolicy.PairedDifference(bad, p0)
	fmt.Printf("%.3f, at most %.3f\n", d.Mean, d.Upper)
	mean, lo, hi := offpolicy.MeanInterval(p0)
	fmt.Printf("%.3f (%.3f to %.3f)\n", mean, lo, hi)
	// Output:
	// -0.375, at most -0.223
	// 0.675 (0.523 to 0.827)
}

// No failure among 100 does not mean that there are none.
func ExampleBinomialUpper() {
	fmt.Printf("%.3f\n", offpolicy.BinomialUpper(0, 100, .95))
	// Output:
	// 0.030
}

// Four of 20 canaries that moved a score show that at least 7 of 100 do.
func ExampleBinomialLower() {
	fmt.Printf("%.3f\n", offpolicy.BinomialLower(4, 20, .95))
	// Output:
	// 0.071
}
