package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// hostile is text that tries every way out of its place that we know of: HTML
// elements and attributes, style and comment ends, template actions, Markdown
// fences, tables, links and images, terminal controls, and reordering marks.
const hostile = "<script>alert(1)</script></style></pre></details><!-- --><img src=x onerror=alert(2)>" +
	"\" onmouseover=\"alert(3)' {{.}} ]]> javascript:alert(4) [x](javascript:alert(5)) " +
	"![i](http://tracker.example/p.png)\n" +
	"```\n# not a heading\n````\n| a | b |\n\x1b[2J\x1b]0;title\x07\r\x00 \u202eevil\u202c \u2066\ufeff &lt; &amp; " +
	"\u2028 caf\u00e9 \xff end"

var missing = dataset.Float{}

func iv(value, lo, hi float64) record.Quantity {
	return record.Quantity{Value: dataset.Known(value), Lo: dataset.Known(lo), Hi: dataset.Known(hi)}
}

func quant(q ...float64) record.Quantiles {
	return record.Quantiles{Q05: dataset.Known(q[0]), Q25: dataset.Known(q[1]), Q50: dataset.Known(q[2]),
		Q75: dataset.Known(q[3]), Q95: dataset.Known(q[4])}
}

// fullVerdict is a made-up NO-GO with every field filled: hostile text, missing
// values, a waived check, a policy without scores. Its figures are invented;
// the tests only compare renderings of them with each other.
func fullVerdict() *pilot.Verdict {
	nan := math.NaN()
	gaussian := func(seed uint64, mean, sd float64) []float64 {
		r := rand.New(rand.NewPCG(seed, 1))
		out := make([]float64, 100)
		for i := range out {
			out[i] = mean + sd*r.NormFloat64()
		}
		slices.Sort(out)
		return out
	}
	check := func(id string, status record.Status, summary, threshold string, figures ...record.Figure) record.Finding {
		return record.Finding{ID: id, Status: status, Summary: summary, Threshold: threshold,
			Evidence: record.Evidence{Figures: figures, Records: []string{}}}
	}
	zero := check("logprobs.zero", record.Fail,
		"2 non-empty responses have a log-prob of exactly 0 that their tokens do not explain.",
		"0 unexplained zeros", record.Figure{Name: "unexplained zeros", Value: dataset.Known(2)},
		record.Figure{Name: "explained zeros", Value: dataset.Known(1), Note: "one token of probability 1"})
	zero.Evidence.Records = []string{"arena_0007/pi_bad/0", "arena_0042/pi_bigger_model/0"}
	zero.Remedy = "Look at the two records' token log-probs in logprobs.jsonl. If the endpoint returned them, it " +
		"cannot be used; if not, the seam is wrong."
	cost := check("cost.estimate", record.Fail, "The run cost 61.2% more than was expected of it.",
		"within 20% passes; over by 20-50% holds, by more fails",
		record.Figure{Name: "actual", Value: dataset.Known(0.8543), Unit: "USD"},
		record.Figure{Name: "expected", Value: dataset.Known(0.53), Unit: "USD"},
		record.Figure{Name: "over", Value: dataset.Known(0.612), Unit: "share"})
	cost.Remedy, cost.Waived = "Compare the tokens of each stage with the policies' expected_tokens.",
		"prices were raised on the day of the run"
	served := check("models.served", record.Hold, "Another model answered 3 of 500 calls: "+hostile,
		"the model asked for, throughout",
		record.Figure{Name: "calls answered by another", Value: dataset.Known(3)},
		record.Figure{Name: hostile, Value: missing, Unit: "nats", Note: hostile})
	for i := range 20 {
		served.Evidence.Records = append(served.Evidence.Records, fmt.Sprintf("arena_%04d/pi_cot/0", i))
	}
	served.Evidence.MoreRecords = 1234
	served.Remedy = "Name the model with its version."
	limits := check("run.ratelimit", record.Info,
		"No record failed for rate limiting; 37 replies of status 429 were absorbed.", "",
		record.Figure{Name: "absorbed", Value: dataset.Known(37)},
		record.Figure{Name: "waited", Value: dataset.Known(83.4), Unit: "s"})
	support := check("judge.support", record.Info, "pi_bad's scores reach outside the labeled range.", "",
		record.Figure{Name: "outside, pi_bad", Value: dataset.Known(0.23), Unit: "share"},
		record.Figure{Name: "outside, pi_cot", Value: dataset.Known(0), Unit: "share"})
	clone := check("weights.clone", record.Pass, "The clone's weights are 1.", "max |log w| <= 1e-6",
		record.Figure{Name: "max |log w|", Value: dataset.Known(3.1e-10), Unit: "nats"})
	v := &pilot.Verdict{
		SchemaVersion: 2,
		State:         "done",
		Decision:      record.NoGo,
		Reasons: []string{
			"logprobs.zero fails: 2 non-empty responses have a log-prob of exactly 0 that their tokens do not explain.",
			"models.served holds: another model answered 3 of 500 calls.",
		},
		Next: pilot.NextStep{Do: "Fix logprobs.zero: look at the two records. Then start the run again. " + hostile,
			Command: "sample1pct -out 'runs/a b' " + hostile},
		Waivers: map[string]string{"cost.estimate": "prices were raised on the day of the run"},
		Checks: []record.Finding{
			check("prompts.fields", record.Pass, "100 of 100 prompts have an id and text.", "all",
				record.Figure{Name: "prompts", Value: dataset.Known(100)}),
			check("p0.complete", record.Pass, "100 of 100 prompts have a response.", "all",
				record.Figure{Name: "responses", Value: dataset.Known(100)},
				record.Figure{Name: "truncated", Value: dataset.Known(0.04), Unit: "share"}),
			served, zero,
			check("logprobs.agreement", record.Pass, "The methods agree.", "1e-6 nats",
				record.Figure{Name: "largest spread", Value: dataset.Known(4.4e-9), Unit: "nats"}),
			clone, support, cost, limits,
		},
		Stages: []pilot.Stage{
			{Name: "prepare", Items: 100},
			{Name: "certify", Items: 24, Calls: 48, CostUSD: 0.000034, Seconds: 1.2},
			{Name: "p0", Items: 100, Calls: 104, CostUSD: 0.0213, Seconds: 38.44, Retries: 4, Limited: 2},
			{Name: "targets", Items: 400, Calls: 431, CostUSD: 0.1402, Seconds: 151.9, Retries: 31, Limited: 29},
			{Name: "logprobs", Items: 500, Failed: 3, Calls: 1012, CostUSD: 0.2841, Seconds: 301.2, Retries: 12, Limited: 6},
			{Name: "oracle", Items: 100, Calls: 100, CostUSD: 0.31, Seconds: 44},
			{Name: "judge", Items: 500, Failed: 1, Calls: 1500, CostUSD: 0.0986, Seconds: 7261, Retries: 1},
		},
		Cost: record.CostEstimate{
			Calls: 3048, ExpectedSeconds: dataset.Known(412), ExpectedUSD: 0.53, WorstUSD: 1.94,
			ActualUSD: dataset.Known(0.854234),
			Reference: "a plan of ours",
			Stages: []record.StageCost{
				{Name: "prepare", ActualUSD: dataset.Known(0), ExpectedSeconds: missing},
				{Name: "certify", Calls: 48, PromptTokens: 900, CompletionTokens: 48, ExpectedUSD: 0.00003, WorstUSD: 0.00005,
					ActualUSD: dataset.Known(0.000034)},
				{Name: "p0", Calls: 100, PromptTokens: 12000, CompletionTokens: 20480.5, ExpectedUSD: 0.02, WorstUSD: 0.09,
					ReferenceCalls: 100, ReferenceUSD: 0.02, ReferenceTime: "2-3 min", ExpectedSeconds: dataset.Known(30),
					ActualUSD: dataset.Known(0.0213)},
				{Name: "targets", Calls: 400, PromptTokens: 61000, CompletionTokens: 92000, ExpectedUSD: 0.11, WorstUSD: 0.5,
					ReferenceCalls: 400, ReferenceUSD: 0.08, ActualUSD: dataset.Known(0.1402)},
				{Name: "logprobs", Calls: 1000, PromptTokens: 1.29e6, CompletionTokens: 0, ExpectedUSD: 0.19, WorstUSD: 0.8,
					ReferenceCalls: 400, ReferenceUSD: 0.12, ActualUSD: dataset.Known(0.2841)},
				{Name: "oracle", Calls: 100, PromptTokens: 51000, CompletionTokens: 4000, ExpectedUSD: 0.15, WorstUSD: 0.3,
					ReferenceCalls: 100, ReferenceUSD: 0.25, ActualUSD: missing},
				{Name: "judge", Calls: 1500, PromptTokens: 250000, CompletionTokens: 20000, ExpectedUSD: 0.06, WorstUSD: 0.25,
					ReferenceCalls: 400, ReferenceUSD: 0.08, ActualUSD: dataset.Known(0.0986)},
			},
			Assumptions: []string{"a response of p0 has 205 tokens on average", "prices of 2026-11-20; " + hostile},
		},
		Evaluation: &offpolicy.Document{Logging: "p0", Answered: 3, Refused: 2,
			Policies: map[string]*offpolicy.PolicyDocument{
				"p0": answered("dr", "weights are usable: ESS 100 of 100", 0.0217, 0.655, 0.612, 0.698),
				"pi_bad": {Answer: offpolicy.AnswerDocument{Reason: "no estimate can be believed: " + hostile,
					Labels: &offpolicy.LabelAdvice{Labels: 25, USD: dataset.Known(0.07), HalfWidth: dataset.Known(0.052)},
					Advice: []string{"25 oracle labels of its own responses ($0.07)", hostile}},
					Estimators: map[string]*offpolicy.EstimateDocument{"dr": {Status: offpolicy.StatusRefused,
						Reasons: []string{"effective sample size 1.2 of 100 rows is below 30", hostile}}}},
				"pi_bigger_model": answered("direct", "25 probes correct it", nan, 0.71, nan, nan),
				"pi_clone":        answered("dr", "weights are usable: ESS 100 of 100", 0.0214, 0.651, 0.609, 0.693),
				"pi_cot": {Estimators: map[string]*offpolicy.EstimateDocument{"direct": {Status: offpolicy.StatusRefused,
					Reasons: []string{"no fresh draws"}}}},
			}, Comparisons: []offpolicy.ComparisonDocument{
				{A: "pi_clone", B: "p0", Difference: dataset.Known(-0.004),
					CI: [2]dataset.Float{dataset.Known(-0.017), dataset.Known(0.009)}, Holm: dataset.Known(0.53), AA: true},
				{A: "pi_bigger_model", B: "p0", Difference: dataset.Known(0.055),
					CI: [2]dataset.Float{dataset.Known(0.011), dataset.Known(0.099)}, Holm: dataset.Known(0.03)},
			}},
		Truth: &record.Truth{Name: "simulator's truth", Values: map[string]record.TrueValue{
			"p0": {Value: dataset.Known(0.66), SE: dataset.Known(0.002)}, "pi_clone": {Value: dataset.Known(0.66)},
			"pi_bigger_model": {Value: dataset.Known(0.7), SE: dataset.Known(0.002)}, "pi_bad": {Value: dataset.Known(0.2)}}},
		Projection: record.Projection{
			Level: 0.9, BatchUSD: iv(69.2, 62.1, 77.3), Failed: iv(100, 5.1, 465), Policies: []record.PolicyProjection{
				{Name: "pi_cot", ESSAtMost: dataset.Known(3421), HalfWidthAtLeast: dataset.Known(0.0071)},
				{Name: "pi_bad", ESSAtMost: missing, HalfWidthAtLeast: missing}},
			Prompts: 10000, Calls: iv(319500, 311000, 328100), USD: iv(85.43, 78.2, 93.31), Tokens: iv(1.8e8, 1.6e8, 2.02e8),
			Seconds: iv(779857, nan, nan), HalfWidth: dataset.Known(0.0121),
			FurtherUSD: dataset.Known(84.58), FurtherBatchUSD: dataset.Known(68.4), Resolution: dataset.Known(0.02),
			Answer: "Each policy's value is wanted to ±0.02. The full run, about $84.58 more, gives p0; " +
				"does not give pi_bad. " + hostile,
			Questions: []record.Question{
				{Policy: "p0", FullRun: "yes", By: "dr", HalfWidth: dataset.Known(0.0034), Reason: "by its labels",
					Difference: iv(nan, nan, nan),
					Cheapest: &record.LargerRun{By: "dr", Prompts: 1287, HalfWidth: dataset.Known(0.0199), USD: dataset.Known(0.96),
						BatchUSD: dataset.Known(0.6)}},
				{Policy: "pi_cot", FullRun: "at best", By: "dr", HalfWidth: dataset.Known(0.008),
					Reason:     "by weights and judge; the weights' tail a sample does not see: no promise",
					Difference: iv(0.019, -0.01, 0.048),
					Cheapest: &record.LargerRun{By: "direct", Prompts: 192, Labels: 185, HalfWidth: dataset.Known(0.02),
						USD: missing, BatchUSD: missing}},
				{Policy: "pi_bad", FullRun: "no", HalfWidth: missing, Reason: "weights: divergence about 58 nats, " + hostile,
					Difference: iv(nan, nan, nan)},
			},
			Cheapest: &record.LargerRun{By: "direct", Prompts: 287, Labels: 158, HalfWidth: dataset.Known(0.01996),
				USD: dataset.Known(2.83), BatchUSD: dataset.Known(1.53), Command: "sample1pct -n 287 -probes 158 " + hostile},
			Command: "sample1pct -n 10000",
			Notes:   []string{"ESS cannot be projected from this sample: at most 34% of the rows for pi_bigger_model."},
		},
		Calibration: nil,
		Specimens: []pilot.Specimen{
			{Key: "arena_0042/pi_bigger_model/0", Why: "log-prob of exactly 0 for 212 characters",
				Prompt:   "Write a haiku about the sea.",
				Response: "\nSalt wind over stones—\nthe tide forgets every name\nwe wrote in the sand."},
			{Key: "arena_<b>0007/pi_bad/0", Why: "largest weight; " + hostile, Prompt: hostile, Response: hostile + "\n" +
				hostile},
			{Key: "arena_0009/pi_cot/0", Why: "empty", Prompt: "سلام دنیا — say it back", Response: ""},
		},
		Warnings: []string{"openai will shut gpt-4o down on 2027-01-14", "<b>hostile</b> warning"},
		Spending: []pilot.Spending{
			{Stage: "p0", Policy: "p0", Model: "scout", Outcome: "ok", Attempts: 100, PromptTokens: 5548,
				CompletionTokens: 28823, CostUSD: 0.0181},
			{Stage: "p0", Policy: "p0", Model: "scout", Outcome: "network", Attempts: 3, CostUSD: 0.0012, UnseenUSD: 0.0012},
		},
		CannotSay: []string{
			"Whether the judge means the same under pi_bad as under p0: it takes 200 labels of pi_bad, here are 0.",
			"The mean of pi_bad by reweighting: its divergence is about 58 nats, and no sample of this size reaches it.",
		},
		Run: pilot.RunInfo{
			Started: time.Date(2026, 11, 22, 9, 43, 12, 123e6, time.UTC),
			Updated: time.Date(2026, 11, 22, 11, 53, 40, 0, time.FixedZone("", 3600)),
			Prompts: 100, Input: "testdata/arena.jsonl",
			InputSHA: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Seed: 18446744073709551615,
			Budget: dataset.Known(2), Spent: 0.854234, Seconds: 7299.5, Prices: "2026-11-20",
			Served: map[string]string{"llama4-scout-instruct-basic": "llama4-scout-instruct-basic",
				"gpt-4o": "gpt-4o-2024-08-06, " + hostile},
			Versions: map[string]string{"go": "go1.25", "reweigh": "v0.1.0"},
			Note:     "drill: zero=0.02",
			Rates: map[string]providers.Price{"llama4-scout-instruct-basic": {Input: 0.15, Output: 0.6,
				Source: "the provider's list"}, "gpt-4o": {Input: 2.5, CachedInput: 1.25, Output: 10}},
			Judge: "interval@0011223344556677", Oracle: "oracle@8899aabbccddeeff",
		},
	}
	r := rand.New(rand.NewPCG(7, 1))
	for range 100 {
		judge := math.Round(r.Float64()*20) / 20
		calibrated := 0.08 + 0.8*judge*judge
		label := min(max(calibrated+0.12*r.NormFloat64(), 0), 1)
		v.Calibration = append(v.Calibration, offpolicy.CalibrationPoint{
			Judge: dataset.Known(judge), Calibrated: dataset.Known(calibrated),
			Label: dataset.Known(math.Round(label*100) / 100),
		})
	}
	methods := func(seam int) []pilot.MethodCounts {
		return []pilot.MethodCounts{
			{Method: "token_counting", Answered: 100 - seam, Used: 0,
				Reasons: map[string]int{"seam": seam - 1, "unsupported": 1}},
			{Method: "echo_based", Answered: 100, Used: 100, Reasons: map[string]int{}},
			{Method: "continuation", Answered: 100 - seam, Used: 0, Reasons: map[string]int{"retokenised": seam}},
		}
	}
	weights := func(w []float64, usable bool, reasons ...string) *record.WeightSummary {
		return &record.WeightSummary{N: len(w), Mean: dataset.Known(0.97), ESS: dataset.Known(34.21),
			MaxShare: dataset.Known(0.083), Divergence: dataset.Known(-w[50]),
			LogWeight: quant(w[5], w[25], w[50], w[75], w[95]), LogWeights: w, Usable: usable, Reasons: reasons}
	}
	same := weights(make([]float64, 100), true)
	same.Mean, same.ESS, same.MaxShare, same.Divergence = dataset.Known(1), dataset.Known(100), dataset.Known(0.01),
		dataset.Known(0)
	v.Policies = []pilot.PolicySummary{
		{Name: "p0", Role: record.Logging, Model: "llama4-scout-instruct-basic", Hash: "0123456789abcdef", Responses: 100,
			Truncated: 4, Scored: 100, Sampling: &pilot.Sampling{Temperature: dataset.Known(1), TopP: dataset.Known(1),
				MaxTokens: 512},
			Judge: iv(0.712, 0.668, 0.756), Calibrated: iv(0.655, 0.61, 0.7), LogProb: quant(-181, -120.4, -81.52, -40.2, -6.6),
			PerToken: quant(-0.61, -0.42, -0.33, -0.24, -0.1), Methods: methods(11)},
		{Name: "pi_clone", Role: record.Clone, Model: "llama4-scout-instruct-basic", Hash: "0123456789abcdef",
			Responses: 100, Truncated: 5, Scored: 100,
			Judge: iv(0.708, 0.663, 0.753), Calibrated: iv(0.65, 0.606, 0.695),
			LogProb: quant(-181, -120.4, -81.52, -40.2, -6.6), PerToken: quant(-0.61, -0.42, -0.33, -0.24, -0.1),
			Methods: methods(11), Weights: same},
		{Name: "pi_cot", Role: record.Target, Model: "llama4-scout-instruct-basic", Hash: "aa23456789abcdef", Responses: 100,
			System: "Think step by step. " + hostile, Sampling: &pilot.Sampling{Temperature: dataset.Known(0.7),
				TopP: dataset.Known(0.95), TopK: 40, MaxTokens: 1024},
			Truncated: 22, Scored: 99,
			Judge: iv(0.731, 0.69, 0.772), Calibrated: iv(0.67, nan, nan), LogProb: quant(-233, -150, -99.1, -52.2, -9),
			PerToken: quant(-0.81, -0.52, -0.4, -0.3, -0.12), Methods: methods(12),
			Weights: weights(gaussian(3, -18, 9), false, "the divergence of 18 nats is too large for 100 rows",
				"the largest share is 61%")},
		{Name: "pi_bigger_model", Role: record.Target, Model: "llama4-maverick-instruct-basic", Hash: "bb23456789abcdef",
			Responses: 100, Scored: 100,
			Judge: iv(0.774, 0.735, 0.813), Calibrated: iv(0.71, 0.67, 0.75), LogProb: quant(-190, -128, -86, -44, -7.5),
			PerToken: quant(-0.66, -0.45, -0.35, -0.27, -0.11), Methods: methods(9),
			Weights: weights(gaussian(4, -2, 2), true)},
		{Name: "pi_bad", Role: record.Target, Model: "llama4-scout-instruct-basic", Hash: "cc23456789abcdef", Responses: 100,
			Scored: 0,
			Judge:  iv(nan, nan, nan), Calibrated: iv(nan, nan, nan), LogProb: quant(-340, -210, -140, -77, -20),
			PerToken: quant(nan, nan, nan, nan, nan), Methods: methods(14),
			Weights: weights(gaussian(5, -58, 21), false, "the divergence of 58 nats is too large for 100 rows")},
	}
	// A policy that was never scored has none of this.
	forcing := func(kl, se, rows float64, twice int) *pilot.ForcingSummary {
		f := &pilot.ForcingSummary{Attempts: 100, Scored: 99, Failures: map[string]int{"seam": 1},
			Flags:      map[string]int{"bos_added": 2, "zero": 1},
			KLPerToken: dataset.Known(kl), KLSE: dataset.Known(se), RowsPerEffective: dataset.Known(rows),
			RepeatabilityN:   twice,
			RepeatabilityRMS: missing, RepeatabilityMax: missing}
		if twice > 0 {
			f.RepeatabilityRMS, f.RepeatabilityMax = dataset.Known(0.00021), dataset.Known(0.0034)
		}
		return f
	}
	for i, f := range []*pilot.ForcingSummary{forcing(nan, nan, nan, 99), forcing(0, 0, 1, 99),
		forcing(0.0712, 0.0043, 6.4e7, 0), forcing(0.0123, nan, 21.8, 0), nil} {
		v.Policies[i].Forcing = f
	}
	return v
}

// runningVerdict is a run that has just begun: most of it is not there yet.
func runningVerdict() *pilot.Verdict {
	v := fullVerdict()
	return &pilot.Verdict{
		SchemaVersion: 2, State: "running", Decision: record.HOLD,
		Reasons: []string{"p0.complete holds: the stage is still going on"},
		Checks: []record.Finding{v.Checks[0],
			{ID: "p0.complete", Status: record.Hold, Summary: "37 of 100 responses so far.", Threshold: "all",
				Remedy:   "Wait for the run to end.",
				Evidence: record.Evidence{Figures: []record.Figure{{Name: "responses", Value: dataset.Known(37)}}}}},
		Stages: v.Stages[:3],
		Cost: record.CostEstimate{Calls: 100, ExpectedUSD: 0.02, WorstUSD: 0.09, ActualUSD: missing,
			Stages: v.Cost.Stages[2:3]},
		Evaluation: &offpolicy.Document{Logging: "p0", Error: "the sample is not complete"},
		Projection: record.Projection{BatchUSD: iv(math.NaN(), math.NaN(), math.NaN()),
			Failed: iv(math.NaN(), math.NaN(), math.NaN()), Calls: iv(math.NaN(), math.NaN(), math.NaN()),
			USD:    iv(math.NaN(), math.NaN(), math.NaN()),
			Tokens: iv(math.NaN(), math.NaN(), math.NaN()), Seconds: iv(math.NaN(), math.NaN(), math.NaN()), HalfWidth: missing,
			FurtherUSD: missing, FurtherBatchUSD: missing, Resolution: missing},
		Run: pilot.RunInfo{Started: v.Run.Started, Updated: v.Run.Started.Add(20 * time.Second), Prompts: 100,
			Input: "bundled", Seed: 42, Live: true, Budget: missing, Spent: 0.0071, Seconds: 40},
	}
}

func answered(estimator, reason string, se, value, lo, hi float64) *offpolicy.PolicyDocument {
	return &offpolicy.PolicyDocument{Answer: offpolicy.AnswerDocument{
		Estimator: estimator, Reason: reason, SE: dataset.Known(se), Value: dataset.Known(value),
		CI: [2]dataset.Float{dataset.Known(lo), dataset.Known(hi)},
	}}
}
