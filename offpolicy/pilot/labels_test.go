package pilot_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
)

func oracleStage(v *pilot.Verdict) (s pilot.Stage, e record.StageCost) {
	for _, x := range v.Stages {
		if x.Name == "oracle" {
			s = x
		}
	}
	for _, x := range v.Cost.Stages {
		if x.Name == "oracle" {
			e = x
		}
	}
	return s, e
}

// Labels by batch are the same labels, for half of the money, also where the run
// is interrupted and goes on; and the estimate knows.
func TestLabelsByBatch(t *testing.T) {
	const n = 8 // no calibrator is needed
	single, batched := t.TempDir(), t.TempDir()
	s := serve(t, "")
	v, err := pilot.Run(t.Context(), config(t, s, single, n))
	if err != nil {
		t.Fatal(err)
	}
	one, _ := oracleStage(v)

	s = serve(t, "")
	cfg := config(t, s, batched, n)
	cfg.BatchLabels = &batch.Config{PollMin: time.Millisecond, PollMax: time.Millisecond, ListDelay: time.Millisecond}
	cfg.Budget = providers.USD(v.Run.Spent)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var begun atomic.Bool
	cfg.Progress = func(e record.Event) {
		if e.Stage == "canaries" && e.Done > 0 && begun.CompareAndSwap(false, true) {
			cancel() // while the batch is on its way, or just through
		}
	}
	if _, err = pilot.Run(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Logf("the run was faster than its interruption: %v", err)
	}
	cfg.Progress = nil
	if v, err = pilot.Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if v.State != "done" || finding(v, "files.valid").Status != record.Pass ||
		finding(v, "oracle.range").Status != record.Pass {
		t.Fatal(describe(v))
	}
	sameRecords(t, single, batched)
	half, estimate := oracleStage(v)
	if math.Abs(half.CostUSD/one.CostUSD-.5) > 1e-9 || half.Failed != 0 {
		t.Errorf("by batch $%v, by single calls $%v: want half", half.CostUSD, one.CostUSD)
	}
	if r := half.CostUSD / estimate.ExpectedUSD; r < .9 || r > 1.1 {
		t.Errorf("$%v was expected and $%v spent", estimate.ExpectedUSD, half.CostUSD)
	}
	// Calls that the interruption broke off are held at their reservation.
	unseen := 0.0
	for _, sp := range v.Spending {
		unseen += sp.UnseenUSD
	}
	if bill := s.Bill().Total.USD; bill > v.Run.Spent+1e-9 || bill < v.Run.Spent-unseen-1e-9 {
		t.Errorf("the ledger says $%v, of which $%v unseen, the bill $%v", v.Run.Spent, unseen, bill)
	}

	cfg = config(t, s, t.TempDir(), n)
	cfg.BatchLabels = &batch.Config{}
	cfg.Grader, cfg.Policies = cfg.Policies, cfg.Grader // Fireworks offers none here
	var refused *pilot.PreflightError
	if _, err := pilot.RunPreflight(t.Context(), cfg); !errors.As(err, &refused) ||
		!strings.Contains(err.Error(), "by batch") {
		t.Errorf("a service without batches: %v, want a refusal", err)
	}
}

// Duplicates measure the oracle and join nothing; a run that grows draws its
// probes from all that it has then.
func TestDuplicatesAndProbes(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	dir, whole := t.TempDir(), t.TempDir()
	s := serve(t, "")
	for _, k := range []int{n / 2, n} {
		cfg := config(t, s, dir, k)
		cfg.Labels = oracle.Design{Fraction: 1, Probes: 5, Duplicates: 6}
		v, err := pilot.Run(t.Context(), cfg)
		if k < n {
			continue // too few labels for a calibrator
		}
		if err != nil || finding(v, "files.valid").Status != record.Pass ||
			finding(v, "oracle.range").Status != record.Pass {
			t.Fatalf("%v, %s", err, describe(v))
		}
		if st, _ := oracleStage(v); st.Items != n+2*5+6 || st.Failed != 0 {
			t.Errorf("stage %+v", st)
		}
		if c := finding(v, "oracle.distribution"); !strings.Contains(c.Summary,
			"labels of one response have sd 0.000 (6 labeled twice)") {
			t.Errorf("the simulator's oracle repeats itself: %s", c.Summary)
		}
		if len(v.Calibration) != n+2*5 {
			t.Errorf("%d points of the calibration, want one of each response with a label", len(v.Calibration))
		}
		if c := finding(v, "judge.calibration"); !strings.Contains(c.Summary, "on pi_bad 5 labels lie") ||
			strings.Contains(c.Summary, "untested") {
			t.Errorf("probes test the calibration: %s", c.Summary)
		}
	}
	cfg := config(t, serve(t, ""), whole, n)
	cfg.Labels = oracle.Design{Fraction: 1, Probes: 5, Duplicates: 6}
	if _, err := pilot.Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	sameRecords(t, dir, whole)
	rows, err := dataset.ReadFile[dataset.OracleLabel](filepath.Join(dir, "oracle.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string]int{}
	for _, r := range rows {
		roles[r.Role]++
		if want := map[string]float64{"calibration": 1, "probe": 5. / n,
			"duplicate": 6. / n}[r.Role]; r.InclusionProb.OrNaN() != want {
			t.Errorf("%s %s: inclusion probability %v, want %v", r.Key(), r.Role, r.InclusionProb.OrNaN(), want)
		}
	}
	if roles["calibration"] != n || roles["probe"] != 10 || roles["duplicate"] != 6 {
		t.Errorf("labels by role: %v", roles)
	}
}

// A file of labels may hold those that the design wants and no others.
func TestLabelKeys(t *testing.T) {
	cfg := plan(t, serve(t, ""), t.TempDir(), 4)
	if keys := cfg.LabelKeys(); len(keys) != 4 || keys[0] != (dataset.Key{PromptID: "q000", Policy: "p0"}) {
		t.Errorf("keys %v, want P0's four", keys)
	}
	cfg.Labels = oracle.Design{Fraction: 1, Probes: 1, Duplicates: 2}
	if keys := cfg.LabelKeys(); len(keys) != 8 {
		t.Errorf("keys %v, want P0's four and one of each target", keys)
	}
}
