package report_test

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/offpolicy/pilot/report"
	"github.com/reweigh/reweigh/providers"
)

// verdict is a small one; a run makes it with package pilot.
func verdict() *pilot.Verdict {
	none := record.Interval{}
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
		Estimate:   record.Estimate{Calls: 100, ExpectedUSD: 0.5, WorstUSD: 2, ActualUSD: dataset.Known(0.65)},
		Projection: record.Projection{Calls: none, USD: none, Tokens: none, Seconds: none},
		Run:        pilot.RunInfo{Prompts: 100, Seed: 42, Spent: 0.65, Seconds: 83},
	}
}

func ExampleText() {
	if err := report.Text(os.Stdout, verdict(), 72); err != nil {
		log.Fatal(err)
	}
	// Output:
	// HOLD  The full run should wait until a person has looked at what is
	//       below.
	//   - cost.estimate holds: 30% over the estimate
	//
	// Checks: 1 hold, 1 pass
	//   HOLD  cost.estimate: 30% over the estimate.
	//       do: Compare the policies' expected_tokens with what they wrote.
	//
	// Stages
	//   Stage  Items  Failed  Calls  Retries  Rate-limited     Cost   Time
	//   p0       100       0    104        0             0  $0.6500  1m23s
	//
	// Cost
	//   Expected $0.5000, $2.00 at worst; actual $0.6500 (+30%).
	//
	// Policies
	//   No policy has responses yet.
	//
	// Estimates
	//   Nothing has been estimated yet.
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
	head, _, _ := strings.Cut(b.String(), "## Checks")
	fmt.Print(head)
	// Output:
	// # HOLD
	//
	// **The full run should wait until a person has looked at what is below.**
	//
	// - cost.estimate holds: 30% over the estimate
	//
	// Prompts 100 · Policies 0 · Calls 104 · Spent $0.6500 · Expected $0.5000 · Time 1m23s · Servers simulated, no real money
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

	c := report.Compare(monday, tuesday)
	fmt.Println(len(c.Causes), c.Causes[0].Kind, c.Causes[0].Of)
	if err := c.Text(os.Stdout, "monday", "tuesday", 72); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1 prices m
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
