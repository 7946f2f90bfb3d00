package pilot_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// declining is a grader whose oracle declines some responses.
type declining struct {
	providers.Provider
	of func(dataset.Key) bool
}

func (d declining) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	g, err := d.Provider.Generate(ctx, req)
	if req.Tag.Stage == record.StageOracle && d.of(req.Tag.Key) {
		g.Text = "I would rather not."
	}
	return g, err
}

// A budget of labels answers every policy, around responses that the oracle declines; a
// larger one tops it up where labels vary most, and another start asks for nothing.
func TestLabelsBudget(t *testing.T) {
	const n = 30
	s := serve(t, "")
	dir := t.TempDir()
	cfg := plan(t, s, dir, n)
	cfg.LabelsBudget, cfg.Labels.Duplicates = 100, 10
	cfg.Grader = declining{cfg.Grader, func(k dataset.Key) bool { return strings.HasSuffix(k.PromptID, "7") }}
	count := func() (labeled, declined map[string]int) {
		labeled, declined = map[string]int{}, map[string]int{}
		for _, l := range labels(t, dir) {
			switch {
			case l.Role == oracle.RoleDuplicate:
				if !l.Label.Valid() {
					t.Errorf("%s has no second label", l.Key())
				}
			case l.Label.Valid():
				labeled[l.Policy]++
			default:
				declined[l.Policy]++
			}
		}
		return labeled, declined
	}
	v, err := pilot.Run(t.Context(), cfg)
	if err != nil || v.State != "done" {
		t.Fatalf("%v, %s", err, describe(v))
	}
	labeled, declined := count()
	if want := map[string]int{"p0": 25, "pi_cot": 25, "pi_bigger_model": 25, "pi_bad": 25}; !maps.Equal(labeled, want) {
		t.Errorf("labels %v, want %v", labeled, want)
	}
	total := 0
	for policy, d := range declined {
		total += d
		for _, l := range labels(t, dir) {
			if p := 25. * float64(24+d) / (24 * n); l.Policy == policy && l.Role != oracle.RoleDuplicate &&
				math.Abs(l.InclusionProb.OrNaN()-min(p, 1)) > 1e-12 {
				t.Errorf("%s has the probability %v, want %v after %d that were declined", l.Key(), l.InclusionProb, p, d)
			}
		}
	}
	c := finding(v, "oracle.range")
	if c.Status != record.Pass || total == 0 ||
		!strings.Contains(c.Summary, "100 of 100 labels") ||
		!strings.Contains(c.Summary, fmt.Sprintf("%d responses could not be labeled and gave way", total)) ||
		!strings.Contains(c.Summary, fmt.Sprintf("of %d of pi_bad", n)) {
		t.Errorf("%d declined: %s", total, c.Summary)
	}
	for _, id := range []string{"files.valid", "judge.calibration"} {
		if f := finding(v, id); f.Status != record.Pass {
			t.Errorf("%s: %s", id, f.Summary)
		}
	}
	for policy, e := range v.Evaluation.Policies {
		if policy != "pi_clone" && e.Answer.Estimator == "" {
			t.Errorf("%s has no estimate: %s", policy, e.Answer.Reason)
		}
	}

	asked := len(s.Bill().Replies)
	if _, err := pilot.Run(t.Context(), cfg); err != nil || len(s.Bill().Replies) != asked {
		t.Errorf("%v; a second start made %d more calls", err, len(s.Bill().Replies)-asked)
	}
	before := labeled
	cfg.LabelsBudget = 106
	if v, err = pilot.Run(t.Context(), cfg); err != nil || v.State != "done" ||
		finding(v, "files.valid").Status != record.Pass {
		t.Fatalf("%v, %s", err, describe(v))
	}
	labeled, _ = count()
	sum := 0
	for policy, k := range labeled {
		sum += k
		if k < before[policy] {
			t.Errorf("%s had %d labels and has %d", policy, before[policy], k)
		}
	}
	if sum != 106 && len(labels(t, dir)) != 4*n+10 { // or all were tried
		t.Errorf("%v labels, want 106 in all", labeled)
	}
}

// An oracle that labels nothing is at fault itself: it is asked for the budget and no more, and
// again at the next start.
func TestLabelsBudgetOfAnOracleThatFails(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	dir := t.TempDir()
	cfg := config(t, serve(t, ""), dir, 28)
	cfg.LabelsBudget = 50
	grader, fails, asked := cfg.Grader, true, map[dataset.Key]bool{}
	var mu sync.Mutex
	cfg.Grader = declining{grader, func(k dataset.Key) bool {
		mu.Lock()
		defer mu.Unlock()
		asked[k] = true
		return fails
	}}
	v, err := pilot.Run(t.Context(), cfg)
	if err != nil || finding(v, "oracle.range").Status != record.Fail || len(asked) != 50 {
		t.Errorf("%v: %d responses were asked about, want 50; %s", err, len(asked), finding(v, "oracle.range").Summary)
	}
	fails = false
	if v, err = pilot.Run(t.Context(), cfg); err != nil || finding(v, "oracle.range").Status != record.Pass {
		t.Errorf("%v: %s", err, finding(v, "oracle.range").Summary)
	}
}

// A budget goes to what it says, and to nothing else.
func TestLabelsBudgetIsRefused(t *testing.T) {
	for reason, change := range map[string]func(*pilot.Config){
		"too few to calibrate":    func(c *pilot.Config) { c.LabelsBudget = 20 },
		"a budget and a design":   func(c *pilot.Config) { c.LabelsBudget, c.Labels = 100, oracle.Design{Probes: 3} },
		"a part of the prompts":   func(c *pilot.Config) { c.LabelsBudget, c.Shard = 100, pilot.Shard{Index: 0, Of: 2} },
		"prompts that come later": func(c *pilot.Config) { c.LabelsBudget, c.Anytime, c.Looks = 100, n, 2 },
		"less than nothing":       func(c *pilot.Config) { c.LabelsBudget = -1 },
	} {
		cfg := plan(t, serve(t, ""), t.TempDir(), n)
		change(&cfg)
		if _, err := pilot.RunPreflight(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "LabelsBudget") {
			t.Errorf("%s: %v", reason, err)
		}
	}
	cfg := plan(t, serve(t, ""), t.TempDir(), n)
	cfg.LabelsBudget = 100
	if keys := cfg.LabelKeys(); len(keys) != 4*n ||
		slices.ContainsFunc(keys, func(k dataset.Key) bool { return k.Policy == "pi_clone" }) {
		t.Errorf("%d responses may have a label, want %d of four policies", len(keys), 4*n)
	}
}

// TestHundredLabelsAnswer runs the plan's pilot on its hundred labels, REWEIGH_BUDGETS times;
// in the second half of the runs the oracle declines 2% of responses. All policies are to be
// answered in 95% of them, with a widest half-width of at most .08 on average.
func TestHundredLabelsAnswer(t *testing.T) {
	runs, err := strconv.Atoi(os.Getenv("REWEIGH_BUDGETS"))
	if err != nil {
		t.Skip("REWEIGH_BUDGETS=200 runs it, in some minutes")
	}
	const n = 100
	answered, held, sum, worst := 0, map[string]int{}, 0.0, 0.0
	for k := range runs {
		s := sim.New(sim.Config{Seed: uint64(k)})
		cfg := config(t, s, t.TempDir(), n)
		cfg.Arms, cfg.Seed, cfg.LabelsBudget, cfg.Prompts = record.PlanArms(), uint64(k), 100, longPrompts(n, 1, uint64(k))
		if 2*k >= runs {
			cfg.Grader = declining{cfg.Grader, func(key dataset.Key) bool {
				h := fnv.New64a()
				fmt.Fprint(h, k, key)
				return h.Sum64()%50 == 0
			}}
		}
		v, err := pilot.Run(t.Context(), cfg)
		s.Close()
		if err != nil {
			t.Fatal(err)
		}
		all, widest := true, 0.0
		for name, p := range v.Evaluation.Policies {
			e := p.Estimators[p.Answer.Estimator]
			if name == "pi_clone" {
				continue
			}
			if p.Answer.Estimator == "" {
				all = false
				t.Logf("run %d: %s: %s", k, name, p.Answer.Reason)
				continue
			}
			widest = max(widest, (e.CI[1].OrNaN()-e.CI[0].OrNaN())/2)
		}
		for _, c := range v.Checks {
			if c.Status == record.Hold || c.Status == record.Fail {
				held[c.ID]++
			}
		}
		if all {
			answered++
			sum += widest
			worst = max(worst, widest)
		}
	}
	mean := sum / float64(answered)
	t.Logf("%d of %d answer all; widest half-width %.4f on average, %.4f at most; checks that hold or fail: %v", answered,
		runs, mean, worst, held)
	if float64(answered) < .95*float64(runs) || !(mean <= .08) {
		t.Errorf("%d of %d runs answer all, with a widest half-width of %.4f: want 95%% and .08", answered, runs, mean)
	}
}
