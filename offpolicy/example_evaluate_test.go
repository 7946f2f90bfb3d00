package offpolicy_test

import (
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// simulated is an evaluation of two targets. "near" writes better responses more
// often, with weights .4 + 1.2 S for a judge's score S; "far" writes what the
// logs never show, and 25 of its own responses were labeled.
func simulated() offpolicy.Samples {
	rng := rand.New(rand.NewPCG(1, 1))
	sampling := dataset.Scored{Distribution: dataset.SamplingDistribution}
	s := offpolicy.Samples{
		Logging: "p0", Judge: "gpt-4o-mini@0123456789abcdef", Scored: map[string]dataset.Scored{"p0": sampling,
			"near": sampling, "far": sampling},
		Draws: map[string][]offpolicy.Draw{},
	}
	label := func(score float64) float64 { return .25 + .5*score + .05*rng.NormFloat64() }
	for i := range 400 {
		id, score := fmt.Sprintf("prompt %d", i), rng.Float64()
		row := offpolicy.Row{
			PromptID: id, Score: dataset.Known(score), Length: dataset.Float{},
			LogProbs: map[string]dataset.Float{"p0": dataset.Known(-120), "near": dataset.Known(-120 + math.Log(.4+1.2*score)),
				"far": dataset.Known(-180 + 20*rng.NormFloat64())},
		}
		if i%4 == 0 {
			row.Label = dataset.Known(label(score))
		}
		s.Rows = append(s.Rows, row)

		for rng.Float64()*1.6 > .4+1.2*score {
			score = rng.Float64()
		}
		s.Draws["near"] = append(s.Draws["near"], offpolicy.Draw{PromptID: id, Score: dataset.Known(score)})

		far := offpolicy.Draw{PromptID: id, Score: dataset.Known(.1 * rng.Float64())}
		if i%16 == 1 {
			far.Label = dataset.Known(label(far.Score.OrNaN()) - .1) // worse than the judge believes
		}
		s.Draws["far"] = append(s.Draws["far"], far)
	}
	return s
}

// Every policy's value with the estimator that the referee goes by, and the
// reasons of what is refused.
func ExampleEvaluate() {
	r, err := offpolicy.Evaluate(simulated(), offpolicy.Config{Seed: 42, Replicates: 500})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range r.Policies {
		e := p.Estimate(p.Answer.Estimator)
		fmt.Printf("%s: %.2f (%.2f to %.2f) by %s\n", p.Policy, e.Value, e.Lower, e.Upper, e.Estimator)
	}
	fmt.Println(r.Policy("far").Estimate(offpolicy.DR).Refusals[2])
	for _, c := range r.Comparisons {
		fmt.Printf("%s - %s: %+.2f (%+.2f to %+.2f), Holm p %.3f\n", c.A, c.B, c.Difference, c.Lower, c.Upper, c.Holm)
	}
	// Output:
	// p0: 0.51 (0.49 to 0.53) by dr
	// far: 0.17 (0.15 to 0.19) by direct
	// near: 0.56 (0.54 to 0.58) by dr
	// divergence: divergence about 57.9 nats is too large for 400 prompts (at most ln(n/10) = 3.7)
	// far - p0: -0.34 (-0.37 to -0.31), Holm p 0.000
	// near - p0: +0.05 (+0.04 to +0.06), Holm p 0.000
	// near - far: +0.39 (+0.37 to +0.42), Holm p 0.000
}

// A refused estimate carries no number, unless it is asked for by name.
func ExampleResult_Despite() {
	r, err := offpolicy.Evaluate(simulated(), offpolicy.Config{Seed: 42, Replicates: 500})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Policy("far").Estimate(offpolicy.SNIPS).Value)
	e := r.Despite("far", offpolicy.SNIPS)
	fmt.Printf("%.2f, refused for %d reasons\n", e.Value, len(e.Refusals))
	// Output:
	// NaN
	// 0.35, refused for 4 reasons
}

// The records of a run become samples: the logged responses, the targets' own,
// and labels of the targets' own in files apart.
func ExampleFromRecords() {
	null := dataset.Float{}
	logged := []dataset.Sample{{
		PromptID: "arena_1", Response: "Rome.", BasePolicyLogProb: dataset.Known(-1.5),
		TargetPolicyLogProbs: map[string]dataset.Float{"pi_cot": dataset.Known(-2.5), "pi_bad": null},
		JudgeScore:           dataset.Known(.9), OracleLabel: dataset.Known(1), InclusionProb: dataset.Known(.25),
		Metadata: map[string]any{"language": "English"},
	}}
	fresh := map[string][]dataset.FreshDraw{"pi_cot": {{PromptID: "arena_1", Response: "It is Rome.",
		JudgeScore: dataset.Known(.8), OracleLabel: null}}}
	probes := map[string][]dataset.FreshDraw{"pi_cot": {{PromptID: "arena_1", JudgeScore: dataset.Known(.8),
		OracleLabel: dataset.Known(.7)}}}
	s, err := offpolicy.FromRecords(dataset.Logs{
		Logging: "p0", Judge: "gpt-4o-mini@0123456789abcdef", Samples: logged, Draws: fresh, Probes: probes,
		Scored: dataset.Unstated("p0", logged),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := s.Rows[0]
	fmt.Println(r.PromptID, r.LogProbs, r.Score.OrNaN(), r.Label.OrNaN(), r.InclusionProb.OrNaN(), r.Length.OrNaN(),
		r.Segments)
	d := s.Draws["pi_cot"][0]
	fmt.Println(d.PromptID, d.Index, d.Score.OrNaN(), d.Label.OrNaN(), d.InclusionProb.OrNaN(), d.Covariate.OrNaN())
	// Output:
	// arena_1 map[p0:-1.5 pi_bad:missing pi_cot:-2.5] 0.9 1 0.25 5 map[language:English]
	// arena_1 0 0.8 0.7 NaN 11
}

// Of logs of two policies, rows are counted first; a response of either has its log-ratio to
// the mixture of both.
func ExampleMixtureLogProb() {
	rows := map[string]int{"old prompt": 300, "new prompt": 100}
	response := map[string]dataset.Float{"old prompt": dataset.Known(-12), "new prompt": dataset.Known(-10),
		"target": dataset.Known(-10.5)}
	mixture := offpolicy.MixtureLogProb(rows, response)
	fmt.Printf("log-prob of the mixture %.3f, log-ratio of the target %.3f\n", mixture.OrNaN(),
		response["target"].OrNaN()-mixture.OrNaN())
	// Output:
	// log-prob of the mixture -11.046, log-ratio of the target 0.546
}

// Two machines read a shard each, by prompt id; their states are merged.
func ExampleAccumulator() {
	rng := rand.New(rand.NewPCG(1, 1))
	shards := [2]*offpolicy.Accumulator{offpolicy.NewAccumulator("pi_cot", 10), offpolicy.NewAccumulator("pi_cot", 10)}
	for i := range 1000 {
		w := .4 + 1.2*rng.Float64()
		row := offpolicy.StreamRow{
			PromptID: fmt.Sprint("prompt ", i), LogRatio: dataset.Known(math.Log(w)), Reward: dataset.Known(w / 2),
			InclusionProb: dataset.Float{},
		}
		if i%10 == 0 {
			row.Label = dataset.Known(w / 2)
		}
		if err := shards[offpolicy.Fold(1, row.PromptID, 2)].Add(row); err != nil {
			fmt.Println(err)
			return
		}
	}
	state, err := shards[1].MarshalBinary()
	if err != nil {
		fmt.Println(err)
		return
	}
	var sent offpolicy.Accumulator
	if err := sent.UnmarshalBinary(state); err != nil {
		fmt.Println(err)
		return
	}
	if err := shards[0].Merge(&sent); err != nil {
		fmt.Println(err)
		return
	}
	w, estimates := shards[0].Finish()
	fmt.Printf("n %d, ESS %.0f, mean weight %.3f\n", w.N, w.ESS, w.Mean)
	for _, e := range estimates {
		fmt.Printf("%s %.3f (SE %.3f)\n", e.Estimator, e.Value, e.SE)
	}
	// Output:
	// n 1000, ESS 895, mean weight 1.016
	// labeled_snips 0.557 (SE 0.016)
	// snips 0.568 (SE 0.005)
	// ips 0.577 (SE 0.011)
	// clipped_ips 0.577 (SE 0.011)
}

// What a pilot says of larger runs, and what an audit of the judge would take.
func ExampleResult_Planning() {
	r, err := offpolicy.Evaluate(simulated(), offpolicy.Config{Seed: 42, Replicates: 500})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := r.Planning()
	fmt.Printf("P0 from 10,000 prompts and 500 labels: ±%.3f\n", p.LoggingHalfWidth(10000, 500))
	fmt.Printf("a target from 25 labels of its own: ±%.3f\n", p.DirectHalfWidth(10000, 25))
	near := r.Policy("near").Weights
	fmt.Printf("a target by its weights, which keep their ESS: ±%.3f\n",
		r.WeightedPlanning("near").DRHalfWidth(10000, 500, near.ESS/float64(near.N)))
	for _, m := range []int{25, 100, 200} {
		fmt.Printf("a judge that means the same passes an audit of %d labels with probability %.2f\n", m,
			offpolicy.AuditPower(0, .2, .05, m))
	}
	// Output:
	// P0 from 10,000 prompts and 500 labels: ±0.006
	// a target from 25 labels of its own: ±0.025
	// a target by its weights, which keep their ESS: ±0.006
	// a judge that means the same passes an audit of 25 labels with probability 0.00
	// a judge that means the same passes an audit of 100 labels with probability 0.39
	// a judge that means the same passes an audit of 200 labels with probability 0.88
}

// A run that is looked at as it grows: intervals for one look would miss too often, those
// for any time do not, and say when it may stop.
func ExampleResult_Decided() {
	all := simulated()
	for _, n := range []int{60, 100, 400} {
		part := all
		part.Rows, part.Draws = all.Rows[:n], map[string][]offpolicy.Draw{}
		for name, draws := range all.Draws {
			part.Draws[name] = draws[:n]
		}
		r, err := offpolicy.Evaluate(part, offpolicy.Config{Seed: 42, Replicates: 500, Anytime: 400})
		if err != nil {
			fmt.Println(err)
			return
		}
		e := r.Policy("near").Estimate(r.Policy("near").Answer.Estimator)
		_, why := r.Decided(.02)
		if e == nil {
			fmt.Printf("%d prompts: near has no answer yet; %s\n", n, why)
			continue
		}
		why, _, _ = strings.Cut(why, "; ")
		fmt.Printf("%d prompts: near within [%.3f, %.3f] at any time; %s\n", n, e.AnytimeLower, e.AnytimeUpper, why)
	}
	// Output:
	// 60 prompts: near has no answer yet; not decided: p0, near
	// 100 prompts: near within [0.499, 0.623] at any time; every comparison is decided or known to ±0.02
	// 400 prompts: near within [0.530, 0.589] at any time; every comparison is decided or known to ±0.02
}

// Logs of an old and a new version of a prompt, and a target between the two: few usable
// weights from either alone, and all of them from the mixture.
func ExampleSamples_Of() {
	rng := rand.New(rand.NewPCG(2, 2))
	sampling := dataset.Scored{Distribution: dataset.SamplingDistribution}
	s := offpolicy.Samples{Logging: "logs", Pooled: true, Judge: "judge@1",
		Scored: map[string]dataset.Scored{"old": sampling, "new": sampling, "target": sampling}}
	for i := range 400 {
		logger, x := "old", rng.NormFloat64()-1
		if i%2 == 1 {
			logger, x = "new", x+2
		}
		row := offpolicy.Row{PromptID: fmt.Sprint("prompt ", i), Logger: logger, LogProbs: map[string]dataset.Float{}}
		for policy, at := range map[string]float64{"old": -1, "new": 1, "target": 0} {
			row.LogProbs[policy] = dataset.Known(-100 - (x-at)*(x-at)/2)
		}
		row.Label = dataset.Known(1 / (1 + math.Exp(-x)))
		s.Rows = append(s.Rows, row)
	}
	for _, part := range []offpolicy.Samples{s, s.Of("old"), s.Of("new")} {
		r, err := offpolicy.Evaluate(part, offpolicy.Config{Method: offpolicy.InfluenceFunction})
		if err != nil {
			fmt.Println(err)
			return
		}
		e := r.Despite("target", offpolicy.LabeledSNIPS)
		fmt.Printf("%s: ESS %.0f of %d, %.3f (SE %.3f)\n", part.Logging, e.Basis.ESS, e.Basis.Rows, e.Value, e.SE)
	}
	// Output:
	// logs: ESS 330 of 400, 0.498 (SE 0.007)
	// old: ESS 86 of 200, 0.489 (SE 0.024)
	// new: ESS 94 of 200, 0.538 (SE 0.023)
}

// A confidence sequence by itself.
func ExampleSequence() {
	s := offpolicy.Sequence{Narrowest: 1000, Level: .05}
	for _, n := range []int{100, 1000, 10_000} {
		fmt.Printf("after %d prompts: ± %.2f standard errors; p of 3 of them %.3f\n", n, s.Errors(n), s.P(3, n))
	}
	// Output:
	// after 100 prompts: ± 3.82 standard errors; p of 3 of them 0.177
	// after 1000 prompts: ± 3.04 standard errors; p of 3 of them 0.055
	// after 10000 prompts: ± 3.25 standard errors; p of 3 of them 0.107
}

// How large a run must be for 80% of such runs to be narrow enough, from a pilot and from
// stated figures alone.
func ExamplePlanning_assurance() {
	r, err := offpolicy.Evaluate(simulated(), offpolicy.Config{Seed: 42, Replicates: 500})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := r.Planning()
	n, m := p.LoggingRun(.01, .5, 100_000)
	fmt.Printf("about half of the runs of %d prompts with %d labels give P0 to ±0.01\n", n, m)
	p.Assurance = .8
	n, m = p.LoggingRun(.01, .5, 100_000)
	fmt.Printf("80%% of the runs of %d prompts with %d labels do\n", n, m)

	stated := offpolicy.StatedPlanning(.25, .8)
	stated.Assurance = .8
	n, m = stated.LoggingRun(.02, .5, 100_000)
	fmt.Printf("labels of sd .25 and a judge that correlates by .8: %d prompts with %d labels for ±0.02\n", n, m)
	fmt.Printf("a target of 1,000 responses: %d labels of its own for ±0.04\n", stated.DirectRun(.04, 1000))
	// Output:
	// about half of the runs of 1052 prompts with 526 labels give P0 to ±0.01
	// 80% of the runs of 1151 prompts with 576 labels do
	// labels of sd .25 and a judge that correlates by .8: 867 prompts with 434 labels for ±0.02
	// a target of 1,000 responses: 72 labels of its own for ±0.04
}

// The smallest difference of each pair that a run of 10,000 prompts shows.
func ExampleComparison_Detectable() {
	r, err := offpolicy.Evaluate(simulated(), offpolicy.Config{Seed: 42, Replicates: 500})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range r.Comparisons {
		d := &r.Comparisons[i]
		fmt.Printf("%s - %s: %.3f\n", d.A, d.B, d.Detectable(10_000, .8, .8))
	}
	// Output:
	// far - p0: 0.009
	// near - p0: 0.003
	// near - far: 0.009
}

// How small a difference 100 prompts can show.
func ExampleDetectableDifference() {
	fmt.Printf("%.2f\n", offpolicy.DetectableDifference(.25, 100, .8))
	// Output:
	// 0.07
}

// ESS cannot be projected, only bounded.
func ExampleESSBound() {
	w, err := offpolicy.WeightsFromLogRatios([]float64{.1, -.2, .4, -1.3, .2})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("at most %.0f of 10,000; IPS at least ±%.4f\n", offpolicy.ESSBound(w, 10000),
		offpolicy.IPSHalfWidthBound(w, .7, .2, 10000))
	// Output:
	// at most 8483 of 10,000; IPS at least ±0.0072
}

// Weights whose logarithm has a standard deviation of 3 are refused at n = 100.
func ExampleGatePower() {
	fmt.Println(offpolicy.GatePower(3, 100, 200, 1), offpolicy.GatePower(.3, 100, 200, 1))
	// Output:
	// 1 0
}

// Forty probes of which the judge is right on average to within .05.
func ExampleTransportAudit() {
	residuals, prompts := make([]float64, 40), make([]string, 40)
	for i := range residuals {
		residuals[i], prompts[i] = .06*float64(i%3-1), fmt.Sprint("prompt ", i)
	}
	a := offpolicy.TransportAudit(residuals, nil, prompts, .05, 1)
	fmt.Printf("%s: %+.3f (%+.3f to %+.3f)\n", a.Status, a.Residual, a.Lower, a.Upper)
	// Output:
	// pass: -0.002 (-0.017 to +0.014)
}

// Figures of the weights' tail, none of which decides anything by itself.
func ExampleHill() {
	rng := rand.New(rand.NewPCG(1, 1))
	l := make([]float64, 2000)
	for i := range l {
		l[i] = rng.NormFloat64() - .5
	}
	fmt.Printf("Hill %.1f, Pareto k %.2f, Hellinger %.2f, largest 1%% hold %.0f%%\n",
		offpolicy.Hill(l), offpolicy.ParetoK(l), offpolicy.Hellinger(l), 100*offpolicy.TopShare(l, .01))
	// Output:
	// Hill 2.2, Pareto k 0.33, Hellinger 0.88, largest 1% hold 10%
}

// Scores on the logs beside fresh ones, and how typical the logs are of a target.
func ExampleJudgeSpaceAffinity() {
	logged, fresh := []float64{.1, .3, .5, .7, .9}, []float64{.5, .7, .9, .9}
	fmt.Printf("%.2f\n", offpolicy.JudgeSpaceAffinity(logged, nil, fresh))
	target, tokens := []float64{-10, -12, -50, -9}, []float64{10, 10, 10, 10}
	fmt.Printf("%.2f\n", offpolicy.TTC(target, tokens, []float64{0, .1, -30, .2}))
	// Output:
	// 0.76
	// 0.75
}

// Two slices, to a value with an interval: every response has the judge's score, every
// seventh the oracle's label.
func ExampleFromColumns() {
	scores, labels := make([]float64, 400), make([]float64, 400)
	for i := range scores {
		scores[i], labels[i] = float64(i%20)/20, math.NaN()
		if i%7 == 0 {
			labels[i] = .3 + .4*scores[i] + .02*float64(i%3)
		}
	}

	samples := offpolicy.FromColumns(offpolicy.Columns{Scores: scores, Labels: labels})
	result, err := offpolicy.Evaluate(samples, offpolicy.Config{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(result)
	// Output:
	// policy  value  95% interval    by
	// base    0.510  [0.496, 0.523]  dr
}

// A CSV file of logged responses, with a target's log-probs beside the logging policy's
// and labels from people on a scale from 1 to 5, to values, a difference and intervals: here 1 is 0 and 5
// is 1.
func ExampleFromRecords_csv() {
	table, err := dataset.ReadTable(dataset.File("testdata/logged.csv"),
		dataset.TableOptions{Labels: dataset.Scale{Low: 1, High: 5}})
	if err != nil {
		log.Fatal(err)
	}
	samples, err := offpolicy.FromRecords(table.Logs)
	if err != nil {
		log.Fatal(err)
	}
	result, err := offpolicy.Evaluate(samples, offpolicy.Config{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(result)
	// Output:
	// policy    value  95% interval    by
	// base      0.446  [0.408, 0.485]  dr
	// pi_short  0.496  [0.456, 0.535]  dr
	//
	// difference               95% interval      p (Holm)
	// pi_short - base  +0.050  [+0.039, +0.061]  1.97e-13
}
