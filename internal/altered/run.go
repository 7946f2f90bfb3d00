package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
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

// result is what a run came to.
type result struct {
	kind
	rate    float64
	verdict *pilot.Verdict
	altered int
	again   int // answers that were billed for a call that had one already
	bill    float64
	records [sha256.Size]byte
	bytes   int // of the run's folder
}

func (r result) want() outcome {
	if r.rate < 1 {
		return r.few
	}
	return r.all
}

// names reports whether a check says what is wrong: one that decides, unless the verdict
// is GO.
func (r result) names() bool {
	for _, c := range r.verdict.Checks {
		if (r.want().decision == record.GO || c.Status == record.Hold || c.Status == record.Fail) &&
			strings.Contains(c.Summary, r.want().words) {
			return true
		}
	}
	return false
}

// mostBytes is more than the folder of a small run takes.
const mostBytes = 4 << 20

// wrong lists what is not as it should be; plain is an undisturbed run.
func (r result) wrong(plain result) (list []string) {
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
	// What graders say in another form is read, and its record says so.
	case r.exact && !r.graders && want.decision == record.GO && r.records != plain.records:
		list = append(list, "other records")
	}
	if r.bytes > mostBytes {
		list = append(list, fmt.Sprintf("a folder of %d bytes", r.bytes))
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
	for _, answers := range bill.Replies {
		r.again += max(0, answers-1)
	}
	return r, r.look(dir)
}

// look sums up the folder of a run.
func (r *result) look(dir string) error {
	h := sha256.New()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		r.bytes += len(b)
		if strings.HasSuffix(path, ".jsonl") && !strings.HasPrefix(path, "journal") && path != "ledger.jsonl" {
			fmt.Fprintf(h, "%s %d\n%s", path, len(b), b)
		}
		return err
	})
	h.Sum(r.records[:0])
	return err
}
