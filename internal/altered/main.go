// Altered runs pilots against a simulator whose replies are altered on the way, as
// services are known to write theirs, at rates of 3% and 100%:
//
//	go run ./internal/altered
//
// It prints a table: the verdict of each run, whether a check names the cause, what the
// ledger says, and what the service would bill. It fails if a verdict is another than
// expected, if no check names the cause, or if the ledger is below the bill, or above it
// although the usage can be read. It takes about a minute.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/arenagen"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/check"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// rates are the shares of replies that are altered.
var rates = []float64{.03, 1}

func main() {
	only := flag.String("only", ".", "the kinds whose names match")
	n := flag.Int("n", 30, "prompts of a run")
	why := flag.Bool("v", false, "print the checks that did not pass")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "altered: -only:", err)
		os.Exit(2)
	}
	fmt.Printf("%-34s %5s %8s %-6s %6s %9s %10s %10s\n", "kind", "rate", "altered", "verdict", "cause", "again",
		"ledger", "bill")
	failed := 0
	for _, k := range kinds {
		if !match.MatchString(k.name) {
			continue
		}
		for _, rate := range rates {
			r, err := run(context.Background(), k, rate, *n)
			if err != nil {
				fmt.Fprintf(os.Stderr, "altered: %s: %v\n", k.name, err)
				os.Exit(1)
			}
			wrong := r.wrong()
			cause := "-"
			if r.want().words != "" {
				cause = map[bool]string{true: "named", false: "no"}[r.names()]
			}
			fmt.Printf("%-34s %5v %8d %-6s %6s %9d %10.6f %10.6f  %s\n", k.name, rate, r.altered, r.verdict.Decision, cause,
				r.again, r.verdict.Run.Spent, r.bill, strings.Join(wrong, "; "))
			if len(wrong) > 0 {
				failed++
			}
			if *why {
				for _, c := range r.verdict.Checks {
					if s := r.want().words; s != "" && strings.Contains(c.Summary, s) || c.Status == record.Hold || c.Status == record.Fail {
						fmt.Printf("\t%s %s: %.400s\n", c.ID, c.Status, c.Summary)
					}
				}
			}
		}
	}
	if failed > 0 {
		fmt.Printf("%d runs went wrong\n", failed)
		os.Exit(1)
	}
}

// result is what a run came to.
type result struct {
	kind
	rate    float64
	verdict *pilot.Verdict
	altered int
	again   int // answers that were billed for a call that had one already
	bill    float64
}

func (r result) want() outcome {
	if r.rate < 1 {
		return r.few
	}
	return r.all
}

// names reports whether a check says what is wrong.
func (r result) names() bool {
	for _, c := range r.verdict.Checks {
		if c.Status != record.Pass && strings.Contains(c.Summary, r.want().words) {
			return true
		}
	}
	return false
}

// wrong lists what is not as it should be.
func (r result) wrong() (list []string) {
	want, spent := r.want(), r.verdict.Run.Spent
	if r.verdict.Decision != want.decision {
		list = append(list, fmt.Sprintf("want %s", want.decision))
	}
	if want.words != "" && !r.names() {
		list = append(list, fmt.Sprintf("no check says %q", want.words))
	}
	switch {
	case spent < r.bill*(1-1e-9):
		list = append(list, "the ledger is below the bill")
	case r.exact && spent > r.bill*(1+1e-9):
		list = append(list, "the ledger is above the bill")
	}
	return list
}

// run makes one pilot of n prompts.
func run(ctx context.Context, k kind, rate float64, n int) (result, error) {
	r := result{kind: k, rate: rate}
	dir, err := os.MkdirTemp("", "altered")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	server := sim.New(sim.Config{Seed: 7})
	defer server.Close()
	prices, err := providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "the simulator's prices")
	if err != nil {
		return r, err
	}
	between := &proxy{kind: k, next: server.Client().Transport, rate: rate, prices: prices, seen: map[string]int{}}
	at := providers.HTTPConfig{BaseURL: "http://sim/inference/v1", Key: providers.NewSecret("key"),
		HTTP: &http.Client{Transport: between}}
	policies, err := providers.NewFireworks(at)
	if err != nil {
		return r, err
	}
	at.BaseURL = "http://sim/v1"
	grader, err := providers.NewOpenAI(at)
	if err != nil {
		return r, err
	}
	arms := record.PlanArms()
	arms = append(arms[:2:2], arms[4])
	for i := range arms {
		arms[i].Policy.Sampling.MaxTokens, arms[i].ExpectedTokens = 80, 79 // for speed
	}
	thresholds := check.DefaultThresholds()
	thresholds.Truncated = 1
	waived := map[string]string{}
	if n < offpolicy.MinLabels {
		waived[check.Calibration] = "a small run, for the pipeline alone"
	}
	cfg := pilot.Config{
		Dir: dir, Input: record.Input{Name: "altered"}, Arms: arms, Seed: 42, Origin: "altered",
		Thresholds: &thresholds, Waived: waived,
		Policies: policies, Grader: grader, Prices: prices, Labels: oracle.Design{Fraction: 1},
		Retry: providers.Retry{Base: time.Millisecond}, Pause: time.Millisecond,
		Judge: func(g judge.Generator) (judge.Scorer, error) {
			return judge.NewInterval(judge.Config{Name: "judge", Generator: g, Model: "gpt-4o-mini"})
		},
		Oracle: func(g judge.Generator) (oracle.Oracle, error) {
			return oracle.NewLabeler(judge.Config{Name: "oracle", Generator: g, Model: "gpt-4o"})
		},
	}
	for i, text := range arenagen.Prompts(n, 1) {
		cfg.Prompts = append(cfg.Prompts, dataset.Prompt{ID: fmt.Sprintf("q%03d", i), Text: text})
	}
	if r.verdict, err = pilot.Run(ctx, cfg); err != nil {
		return r, err
	}
	bill := server.Bill()
	r.bill, r.altered = bill.Total.USD+float64(between.extra), between.hits
	for _, answers := range bill.Answers {
		r.again += max(0, answers-1)
	}
	return r, nil
}
