package report_test

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/offpolicy/pilot/report"
	"github.com/reweigh/reweigh/providers"
)

// verdict is a small one; a run makes it with package pilot.
func verdict() *pilot.Verdict {
	none := record.Quantity{}
	return &pilot.Verdict{
		SchemaVersion: 2,
		State:         "done",
		Decision:      record.HOLD,
		Reasons:       []string{"cost.estimate holds: 30% over the estimate"},
		Checks: []record.Finding{
			{ID: "prompts.unique", Status: record.Pass, Summary: "100 ids, all different."},
			{ID: "cost.estimate", Status: record.Hold, Summary: "30% over the estimate.", Threshold: "within 20%",
				Remedy:   "Compare the policies' expected_tokens with what they wrote.",
				Evidence: record.Evidence{Figures: []record.Figure{{Name: "actual", Value: dataset.Known(0.65), Unit: "USD"}}}},
		},
		Stages:     []pilot.Stage{{Name: "p0", Items: 100, Calls: 104, CostUSD: 0.65, Seconds: 83}},
		Cost:       record.CostEstimate{Calls: 100, ExpectedUSD: 0.5, WorstUSD: 2, ActualUSD: dataset.Known(0.65)},
		Projection: record.Projection{Calls: none, USD: none, Tokens: none, Seconds: none},
		Run:        pilot.RunInfo{Prompts: 100, Seed: 42, Spent: 0.65, Seconds: 83},
	}
}

func ExampleText() {
	if err := report.Text(os.Stdout, verdict(), 72); err != nil {
		log.Fatal(err)
	}
	// Output:
	// Pilot of 100 prompts
	//   Prompts: 100, seed 42
	//   Servers: simulated: dollars are what live ones would have charged
	//   Spent: $0.6500 of an expected $0.5000, in 1m23s
	//
	// Can the full run start? Not until a person has looked (HOLD).
	//   cost.estimate holds: 30% over the estimate
	//
	// Would it answer? Not known yet.
	//   The sample was not projected to the full run.
	//
	// What the policies score
	//   Nothing has been estimated yet.
	//
	// What is wrong
	//   HOLD  cost.estimate: 30% over the estimate.
	//       do: Compare the policies' expected_tokens with what they wrote.
	//
	// Checks: 1 hold, 1 pass. Expected $0.5000, $2.00 at worst; actual $0.6500
	//   (+30%).
}

// A report.json keeps what is missing apart from zero.
func ExampleJSON() {
	var b bytes.Buffer
	if err := report.JSON(&b, verdict()); err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, "decision") || strings.Contains(line, "budget_usd") ||
			strings.Contains(line, "specimens") {
			fmt.Print(line)
		}
	}
	// Output:
	//   "decision": "HOLD",
	//   "specimens": [],
	//     "budget_usd": null,
}

func ExampleMarkdown() {
	var b bytes.Buffer
	if err := report.Markdown(&b, verdict()); err != nil {
		log.Fatal(err)
	}
	head, _, _ := strings.Cut(b.String(), "## What the")
	fmt.Print(head)
	// Output:
	// # HOLD · pilot of 100 prompts
	//
	// ## What was evaluated
	//
	// Pilot of 100 prompts.
	//
	// - Prompts: 100, seed 42
	// - Servers: simulated: dollars are what live ones would have charged
	// - Spent: $0.6500 of an expected $0.5000, in 1m23s
	//
	// ## Can the full run start?
	//
	// **Not until a person has looked (HOLD).** cost.estimate holds: 30% over the estimate
	//
	// ## Would it answer?
	//
	// **Not known yet.** The sample was not projected to the full run.
}

// Three policies were compared with p0, and one of them has no labels of its own yet.
func ExampleSentences() {
	known, interval := dataset.Known, func(lo, hi float64) [2]dataset.Float {
		return [2]dataset.Float{dataset.Known(lo), dataset.Known(hi)}
	}
	e := &offpolicy.Document{Logging: "p0", Policies: map[string]*offpolicy.PolicyDocument{
		"p0":     {Answer: offpolicy.AnswerDocument{Value: known(0.58), CI: interval(0.55, 0.61)}},
		"pi_cot": {Answer: offpolicy.AnswerDocument{Value: known(0.63), CI: interval(0.59, 0.66)}},
		"pi_bad": {Answer: offpolicy.AnswerDocument{Value: known(0.24), CI: interval(0.21, 0.28)}},
		"pi_bigger_model": {Answer: offpolicy.AnswerDocument{
			Labels: &offpolicy.LabelAdvice{Labels: 25, USD: known(0.07), HalfWidth: known(0.05)}}},
	}, Comparisons: []offpolicy.ComparisonDocument{
		{A: "pi_cot", B: "p0", Difference: known(0.05), CI: interval(0.02, 0.08), Holm: known(0.01)},
		{A: "pi_bad", B: "p0", Difference: known(-0.34), CI: interval(-0.39, -0.3), Holm: known(1e-9)},
		{A: "pi_cot", B: "pi_bad", Difference: known(0.39), CI: interval(0.34, 0.43), Holm: known(1e-9)},
	}}
	for _, s := range report.Sentences(e) {
		fmt.Println(s)
	}
	// Output:
	// p0 scores 0.58 (95% interval 0.55 to 0.61).
	// pi_bad scores 0.34 lower than p0 (95% interval 0.30 to 0.39).
	// pi_cot scores 0.05 higher than p0 (95% interval 0.02 to 0.08).
	// pi_bigger_model cannot be estimated yet: label 25 of its responses ($0.07) for about ±0.05.
	// Best of those estimated: pi_cot; pi_bigger_model is not known yet.
}

// Whatever a model wrote stays text.
func ExampleHTML() {
	v := verdict()
	v.Specimens = []pilot.Specimen{{Key: "p1/pi_bad/0", Why: "longest", Prompt: "Hi",
		Response: "<script>alert(1)</script>"}}
	var b bytes.Buffer
	if err := report.HTML(&b, v); err != nil {
		log.Fatal(err)
	}
	page := b.String()
	fmt.Println(strings.Contains(page, "<script"), strings.Contains(page, "&lt;script&gt;alert(1)"))
	// Output: false true
}

func ExampleWriteFiles() {
	dir, err := os.MkdirTemp("", "report")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := report.WriteFiles(dir, verdict()); err != nil {
		log.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range files {
		fmt.Println(filepath.Base(f))
	}
	// Output:
	// report.html
	// report.json
	// report.md
}

// A report can be read back, to render it again or to compare two runs. A
// number that is not there is an error, not a zero.
func ExampleRead() {
	var b bytes.Buffer
	if err := report.JSON(&b, verdict()); err != nil {
		log.Fatal(err)
	}
	v, err := report.Read(bytes.NewReader(b.Bytes()), "report.json")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Decision, v.Stages[0].Calls)

	_, err = report.Read(strings.NewReader(strings.Replace(b.String(), `"calls": 104`, `"calls": null`, 1)),
		"report.json")
	fmt.Println(err)
	// Output:
	// HOLD 104
	// report: read report.json: stages[0].calls is absent or null: nothing may stand in for it; render the report again
}

// Monday's run held because it cost too much; Tuesday's was made under other
// prices.
func ExampleCompare() {
	monday, tuesday := verdict(), verdict()
	for v, input := range map[*pilot.Verdict]providers.PerMTok{monday: 0.30, tuesday: 0.15} {
		v.Run.Rates = map[string]providers.Price{"m": {Input: input, Output: 0.60}}
		v.Spending = []pilot.Spending{{Stage: "p0", Model: "m", Outcome: "ok", Attempts: 104, PromptTokens: 2_000_000,
			CostUSD: 2 * float64(input)}}
		v.Run.Spent = v.Spending[0].CostUSD
		v.Stages[0].CostUSD = v.Run.Spent
	}
	tuesday.Decision, tuesday.Checks[1].Status, tuesday.Checks[1].Summary = record.GO, record.Pass,
		"4% under the estimate."

	if err := report.Compare(os.Stdout, monday, tuesday, "monday", "tuesday", 72); err != nil {
		log.Fatal(err)
	}
	// Output:
	// A  HOLD: monday, done; 100 prompts, $0.6000 spent, 1 hold, 1 pass
	// B  GO: tuesday, done; 100 prompts, $0.3000 spent, 2 pass
	//
	// Run otherwise
	//   prices m  0.3 in, 0.6 out -> 0.15 in, 0.6 out
	//
	// Checks that came out differently
	//   + cost.estimate: hold -> pass
	//       A  30% over the estimate.
	//       B  4% under the estimate.
	//
	// Cost
	//   Stage  Calls A  Calls B   Cost A   Cost B  Change  Time A  Time B
	//   p0         104      104  $0.6000  $0.3000    -50%   1m23s   1m23s
	//   B cost $0.3000 less than A: $0 by the number of prompts, -$0.3000 by
	//   prices, $0 by calls and tokens a prompt.
	//
	// Policies
	//   The two runs have no policy in common.
}
