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
	"github.com/reweigh/reweigh/offpolicy/pilot/report"
)

// verdict is a small one; a run makes it with package pilot.
func verdict() *pilot.Verdict {
	none := pilot.Interval{Value: dataset.Missing(), Lo: dataset.Missing(), Hi: dataset.Missing()}
	return &pilot.Verdict{
		SchemaVersion: 1,
		State:         "done",
		Decision:      pilot.HOLD,
		Reasons:       []string{"cost.estimate holds: 30% over the estimate"},
		Checks: []pilot.Check{
			{ID: "prompts.unique", Status: pilot.Pass, Summary: "100 ids, all different."},
			{ID: "cost.estimate", Status: pilot.Hold, Summary: "30% over the estimate.", Threshold: "within 20%",
				Remedy:   "Compare the policies' expected_tokens with what they wrote.",
				Evidence: pilot.Evidence{Figures: []pilot.Figure{{Name: "actual", Value: 0.65, Unit: "USD"}}}},
		},
		Stages:     []pilot.Stage{{Name: "p0", Items: 100, Calls: 104, CostUSD: 0.65, Seconds: 83}},
		Estimate:   pilot.Estimate{Calls: 100, ExpectedUSD: 0.5, WorstUSD: 2, ActualUSD: 0.65},
		Projection: pilot.Projection{Calls: none, USD: none, Tokens: none, Seconds: none, HalfWidth: dataset.Missing()},
		Run:        pilot.RunInfo{Prompts: 100, Seed: 42, Budget: dataset.Missing(), Spent: 0.65, Seconds: 83},
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
}

// A report.json keeps what is missing apart from zero.
func ExampleJSON() {
	var b bytes.Buffer
	if err := report.JSON(&b, verdict()); err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, "decision") || strings.Contains(line, "budget_usd") || strings.Contains(line, "specimens") {
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
	// Prompts 100 · Policies 0 · Calls 104 · Spent $0.6500 · Expected $0.5000 · Time 1m23s · Servers simulated
}

// Whatever a model wrote stays text.
func ExampleHTML() {
	v := verdict()
	v.Specimens = []pilot.Specimen{{Key: "p1/pi_bad/0", Why: "longest", Prompt: "Hi", Response: "<script>alert(1)</script>"}}
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

	_, err = report.Read(strings.NewReader(strings.Replace(b.String(), `"calls": 104`, `"calls": null`, 1)), "report.json")
	fmt.Println(err)
	// Output:
	// HOLD 104
	// report: read report.json: stages[0].calls is absent or null: nothing may stand in for it; render the report again
}
