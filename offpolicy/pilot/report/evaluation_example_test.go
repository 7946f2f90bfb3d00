package report_test

import (
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/report"
)

// evaluation is a small one; examples/analyze makes it of logged responses.
func evaluation() *offpolicy.Document {
	return &offpolicy.Document{
		SchemaVersion: 2, Source: "samples.jsonl", Logging: "p0", Judge: "judge@1", Rows: 100, Prompts: 100, Labels: 100,
		Seed:       42,
		Estimators: []string{"dr"},
		Policies: map[string]*offpolicy.PolicyDocument{
			"p0": {
				Role: "logging",
				Estimators: map[string]*offpolicy.EstimateDocument{"dr": {Value: dataset.Known(.58), SE: dataset.Known(.017),
					CI: [2]dataset.Float{dataset.Known(.546), dataset.Known(.614)}, DF: dataset.Known(99), Status: offpolicy.StatusOK,
					Claims: true, Labels: 100}},
				Answer: offpolicy.AnswerDocument{Estimator: "dr", Reason: "weights are usable", Value: dataset.Known(.58),
					CI:   [2]dataset.Float{dataset.Known(.546), dataset.Known(.614)},
					Band: [2]dataset.Float{dataset.Known(.546), dataset.Known(.614)}},
				Weights: offpolicy.WeightsDocument{Rows: 100, ESS: dataset.Known(100), MaxShare: dataset.Known(.01),
					Mean: dataset.Known(1), Divergence: dataset.Known(0), LogEValue: dataset.Known(0), Usable: true},
			},
			"target": {
				Role: "target",
				Estimators: map[string]*offpolicy.EstimateDocument{"dr": {Status: offpolicy.StatusRefused,
					Reasons: []string{"effective sample size 2.8 of 100 rows is below 30"}}},
				Answer: offpolicy.AnswerDocument{Reason: "dr refused"},
				Weights: offpolicy.WeightsDocument{Rows: 100, ESS: dataset.Known(2.8), MaxShare: dataset.Known(.42),
					Mean: dataset.Known(.015), Divergence: dataset.Known(9.8), LogEValue: dataset.Known(-2.6)},
			},
		},
	}
}

func ExampleEvaluationText() {
	if err := report.EvaluationText(os.Stdout, evaluation(), 80); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1 of 2 policies can be answered from these data; an estimate that the evidence
	// cannot carry has no number.
	//   - p0 scores 0.58 (95% interval 0.55 to 0.61).
	//   - target cannot be estimated from these data.
	//   - Which policy is best is not known yet.
	//
	// Answers
	//   Policy  Value    95% interval            Band  By
	//   p0      0.580  [0.546, 0.614]  [0.546, 0.614]  dr
	//   target      —               —               —  refused
	//
	// Estimates
	//   Policy  Estimator  Value    95% interval     SE  df  Labels  Coverage
	//   p0      dr         0.580  [0.546, 0.614]  0.017  99     100  95%
	//
	// Refused
	//   target  dr: effective sample size 2.8 of 100 rows is below 30
	//
	// Weights
	//   Policy  ESS  Rows  Mean weight  Divergence, nats  e-value  Weights
	//   p0      100   100            1                 0        1  logging
	//   target  2.8   100        0.015               9.8   0.0743  refused
}

func ExampleEvaluationJSON() {
	var b strings.Builder
	if err := report.EvaluationJSON(&b, evaluation()); err != nil {
		log.Fatal(err)
	}
	_, target, _ := strings.Cut(b.String(), `"target": {`)
	_, estimate, _ := strings.Cut(target, `"dr": `)
	estimate, _, _ = strings.Cut(estimate, `"df"`)
	os.Stdout.WriteString(estimate)
	// Output:
	// {
	//           "value": null,
	//           "se": null,
	//           "ci": [
	//             null,
	//             null
	//           ],
	//           "status": "refused",
	//           "reasons": [
	//             "effective sample size 2.8 of 100 rows is below 30"
	//           ],
}

func ExampleEvaluationHTML() {
	var page strings.Builder
	if err := report.EvaluationHTML(&page, evaluation()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Contains(page.String(), "<h1>1 of 2 policies</h1>"), strings.Contains(page.String(), "<script"))
	// Output: true false
}
