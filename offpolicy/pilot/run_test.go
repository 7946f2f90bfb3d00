package pilot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/arenagen"
	_ "github.com/reweigh/reweigh/internal/lessgc"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/check"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// prompts returns n prompts of the bundled generator; the first n of a larger
// number are the same.
func prompts(n int) []dataset.Prompt {
	out := make([]dataset.Prompt, n)
	for i, text := range arenagen.Prompts(n, 1) {
		out[i] = dataset.Prompt{ID: fmt.Sprintf("q%03d", i), Text: text}
	}
	return out
}

// serve starts a simulator in memory.
func serve(t *testing.T, faults string) *sim.Server {
	t.Helper()
	f, err := sim.ParseFaults(faults)
	if err != nil {
		t.Fatal(err)
	}
	s := sim.New(sim.Config{Faults: f, Seed: 7})
	t.Cleanup(func() { s.Close() })
	return s
}

// arms are three of the plan's policies (the logging policy, its clone, and pi_bad)
// with responses cut at 40 tokens, for speed.
func arms() []record.Arm {
	all := cut(40)
	return append(all[:2:2], all[4])
}

// plan is a pilot of all of the plan's policies.
func plan(t *testing.T, s *sim.Server, dir string, n int) pilot.Config {
	t.Helper()
	cfg := config(t, s, dir, n)
	cfg.Arms = planArms()
	return cfg
}

// planArms are all of the plan's policies with responses cut at 80 tokens, which is enough
// for judges to tell one from another.
func planArms() []record.Arm { return cut(80) }

func cut(tokens int) []record.Arm {
	out := record.PlanArms()
	for i := range out {
		out[i].Policy.Sampling.MaxTokens, out[i].ExpectedTokens = tokens, float64(tokens-1)
	}
	return out
}

// config is a pilot of n prompts and three policies against s.
func config(t *testing.T, s *sim.Server, dir string, n int) pilot.Config {
	t.Helper()
	key := providers.NewSecret("k")
	fireworks, err := providers.NewFireworks(providers.HTTPConfig{BaseURL: "http://sim.test/inference/v1", Key: key,
		HTTP: s.Client()})
	if err != nil {
		t.Fatal(err)
	}
	openai, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: "http://sim.test/v1", Key: key, HTTP: s.Client()})
	if err != nil {
		t.Fatal(err)
	}
	prices, err := providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "prices")
	if err != nil {
		t.Fatal(err)
	}
	thresholds := check.DefaultThresholds()
	thresholds.Truncated = 1 // the arms' responses are cut for speed
	waived := map[string]string{}
	if n < offpolicy.MinLabels {
		waived[check.Calibration] = "a small run, for the pipeline alone"
	}
	return pilot.Config{
		Thresholds: &thresholds, Waived: waived,
		Dir: dir, Prompts: prompts(n), Input: record.Input{Name: "test", SHA256: "abc"}, Arms: arms(), Seed: 42,
		Origin:   "simulator",
		Policies: fireworks, Grader: openai, Prices: prices, Labels: oracle.Design{Fraction: 1},
		Retry: providers.Retry{Base: time.Millisecond},
		Judge: func(g judge.Generator) (judge.Scorer, error) {
			return judge.NewInterval(judge.Config{Name: "interval", Generator: g, Model: "gpt-4o-mini"})
		},
		Oracle: func(g judge.Generator) (oracle.Oracle, error) {
			return oracle.NewLabeler(judge.Config{Name: "oracle", Generator: g, Model: "gpt-4o"})
		},
	}
}

// recordFiles are the outputs that must not depend on how a run went.
var recordFiles = []string{
	"prompts.jsonl", "responses.jsonl", "logprobs.jsonl", "oracle.jsonl", "judge.jsonl", "canaries.jsonl",
	"samples.jsonl",
	"fresh_draws/pi_clone_responses.jsonl", "fresh_draws/pi_bad_responses.jsonl",
}

func sameRecords(t *testing.T, a, b string) {
	t.Helper()
	for _, name := range recordFiles {
		x, errX := os.ReadFile(filepath.Join(a, name))
		y, errY := os.ReadFile(filepath.Join(b, name))
		if err := errors.Join(errX, errY); err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(x, y) {
			t.Errorf("%s differs between the two runs", name)
		}
		if len(x) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
}

func finding(v *pilot.Verdict, id string) record.Finding {
	for _, c := range v.Checks {
		if c.ID == id {
			return c
		}
	}
	panic("no check " + id)
}

func describe(v *pilot.Verdict) string {
	if v == nil {
		return "no verdict"
	}
	return fmt.Sprintf("%s (%s): %q", v.Decision, v.State, v.Reasons)
}

// n is small enough for speed and large enough for a calibrator; few is for what needs
// none.
const (
	n   = 26
	few = 8
)

// whole returns the folder of an undisturbed run of k prompts, which is made once for
// all tests that compare with it.
func whole(t *testing.T, k int) string {
	t.Helper()
	wholes.Lock()
	defer wholes.Unlock()
	if wholes.dirs[k] == "" {
		dir := filepath.Join(wholes.parent, strconv.Itoa(k))
		if _, err := pilot.Run(t.Context(), config(t, serve(t, ""), dir, k)); err != nil {
			t.Fatal(err)
		}
		wholes.dirs[k] = dir
	}
	return wholes.dirs[k]
}

var wholes = struct {
	sync.Mutex
	parent string
	dirs   map[int]string
}{dirs: map[int]string{}}

func TestMain(m *testing.M) {
	var err error
	if wholes.parent, err = os.MkdirTemp("", "pilot"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(wholes.parent)
	os.Exit(code)
}

func TestRunGoesThroughAndResumes(t *testing.T) {
	s := serve(t, "")
	dir := t.TempDir()
	v, err := pilot.Run(t.Context(), plan(t, s, dir, n))
	if err != nil {
		t.Fatal(err)
	}
	if v.Decision != record.GO || v.State != "done" {
		t.Fatalf("%s (%s): %q", v.Decision, v.State, v.Reasons)
	}
	want := map[string]int{"prepare": n, "certify": 2, "p0": n, "targets": 4 * n, "logprobs": 5 * n, "oracle": n,
		"judge": 5 * n, "canaries": 20}
	got := map[string]int{}
	for _, st := range v.Stages {
		got[st.Name] = st.Items - st.Failed
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("records by stage (-want +got):\n%s", d)
	}
	if bill := s.Bill(); !near(bill.Total.USD, v.Run.Spent, 1e-9) {
		t.Errorf("the ledger says $%v, the bill $%v", v.Run.Spent, bill.Total.USD)
	}
	onlyOwners(t, dir, false)
	rows, err := dataset.ReadFile[dataset.LogProb](filepath.Join(dir, "logprobs.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]map[string]dataset.Float{} // by prompt and policy
	for _, r := range rows {
		if values[r.PromptID] == nil {
			values[r.PromptID] = map[string]dataset.Float{}
		}
		values[r.PromptID][r.Policy] = r.LogProb
	}
	for id, v := range values {
		if v["pi_bad"] == v["p0"] {
			t.Errorf("%s: the response has log-prob %v under p0 and under pi_bad", id, v["p0"])
		}
	}
	calls := s.Bill().Total.Calls
	share := plan(t, s, dir, n)
	share.Share = true
	again, err := pilot.Run(t.Context(), share)
	onlyOwners(t, dir, true)
	if err != nil {
		t.Fatal(err)
	}
	if s.Bill().Total.Calls != calls {
		t.Errorf("a finished run paid for %d more calls", s.Bill().Total.Calls-calls)
	}
	if again.Decision != v.Decision {
		t.Errorf("decision %s became %s", v.Decision, again.Decision)
	}
}

func near(a, b, rel float64) bool { return a-b <= rel*b && b-a <= rel*b }

func TestConcurrencyDoesNotShow(t *testing.T) {
	for _, concurrency := range []int{1, 64} {
		cfg := config(t, serve(t, ""), t.TempDir(), few)
		cfg.Concurrency = concurrency
		if _, err := pilot.Run(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		sameRecords(t, cfg.Dir, whole(t, few))
	}
}

func TestMorePromptsExtendARun(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	s := serve(t, "")
	dir := t.TempDir()
	for _, k := range []int{few / 2, few} {
		if _, err := pilot.Run(t.Context(), config(t, s, dir, k)); err != nil {
			t.Fatal(err)
		}
	}
	for id, times := range s.Bill().Replies {
		if times > 1 {
			t.Errorf("%s was paid %d times", id, times)
		}
	}
	sameRecords(t, dir, whole(t, few))

	_, err := pilot.Run(t.Context(), config(t, s, dir, few/2))
	var refused *pilot.PreflightError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "shortened") {
		t.Errorf("fewer prompts: %v, want a refusal", err)
	}
}

func TestDrills(t *testing.T) {
	tests := []struct {
		faults   string
		decision record.Decision
		check    string // that decides
		status   record.Status
		says     string // the rows or the cause, in the check's summary or records
		reason   string
	}{
		{"zero=0.05", record.NoGo, "logprobs.zero", record.Fail, "/0", "the plan's first NO-GO"},
		{"positive=0.05", record.NoGo, "logprobs.sign", record.Fail, "/0", "pitfall 27"},
		{"null=0.1", record.NoGo, "logprobs.complete", record.Fail, "missing_logprob", "pitfall 27"},
		{"noecho=1", record.NoGo, "endpoint.certified", record.Fail, "no prompt log-probs", "pitfall 14"},
		{"429=1", record.NoGo, "run.ratelimit", record.Fail, "certify", "the plan's fourth NO-GO"},
		{"zero=1", record.NoGo, "endpoint.certified", record.Fail, "coverage", "a server that is certain of every text"},
		{"null=1", record.NoGo, "endpoint.certified", record.Fail, "coverage", "a silent null is common"},
		{"positive=1", record.NoGo, "endpoint.certified", record.Fail, "coverage", "no probability exceeds 1"},
		{"wrongtemplate=1", record.NoGo, "endpoint.certified", record.Fail, "template", "pitfall 12"},
		{"order=1", record.NoGo, "endpoint.certified", record.Fail, "repeatability", "pitfall 15"},
		{"429=0.2,500=0.1", record.GO, "run.ratelimit", record.Pass, "absorbed", "what retries absorb harms nothing"},
		{"reset=0.01,truncate=0.01,503=0.05", record.GO, "run.errors", record.Pass, "end", "torn answers are retried too"},
		{"expensive=1.3", record.HOLD, "cost.estimate", record.Hold, "over the estimate", "20-50% over"},
		{"expensive=2", record.NoGo, "cost.estimate", record.Fail, "over the estimate", "more than 50% over"},
		{"drift=1", record.NoGo, "models.served", record.Fail, "answered for", "another model is another policy"},
		{"badjson=0.2", record.NoGo, "judge.complete", record.Fail, "unparsable", "unparsable is unscored, never a number"},
		{"empty=0.3", record.NoGo, "p0.complete", record.Fail, "p0 lacks", "the plan: no empty responses"},
	}
	for _, tt := range tests {
		t.Run(tt.faults, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tt.faults)
			cfg := config(t, s, t.TempDir(), few)
			v, err := pilot.Run(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if v.Decision != tt.decision {
				t.Errorf("%s, want %s (%s): %q", v.Decision, tt.decision, tt.reason, v.Reasons)
			}
			c := finding(v, tt.check)
			if c.Status != tt.status {
				t.Errorf("%s is %s: %s", c.ID, c.Status, c.Summary)
			}
			if text := c.Summary + " " + strings.Join(c.Evidence.Records, " "); !strings.Contains(text, tt.says) {
				t.Errorf("%s does not say %q: %s", c.ID, tt.says, text)
			}
			if strings.HasPrefix(tt.check, "endpoint") {
				mends := map[string]string{"template": "family", "repeatability": "caching"}[tt.says]
				if mends == "" {
					mends = "returns prompt log-probs"
				}
				if !strings.Contains(c.Remedy, mends) {
					t.Errorf("remedy %q, want one with %q", c.Remedy, mends)
				}
				if total := s.Bill().Total; total.Calls > 60 {
					t.Errorf("%d paid calls: only the probes may be spent", total.Calls)
				}
			}
		})
	}
}

func TestBudgetStopsAndResumes(t *testing.T) {
	s := serve(t, "")
	dir := t.TempDir()
	cfg := config(t, s, dir, few)
	pf, err := pilot.RunPreflight(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Budget = providers.USD(pf.Cost.ExpectedUSD / 2)
	_, err = pilot.Run(t.Context(), cfg)
	var refused *pilot.PreflightError
	if !errors.As(err, &refused) || !errors.Is(err, providers.ErrBudget) || s.Bill().Total.Calls != 0 {
		t.Fatalf("%v after %d calls: want a refusal before the first", err, s.Bill().Total.Calls)
	}
	// A budget that the expectation fits and the run does not: half of what
	// it is expected to need was spent on something else.
	cfg.Budget = providers.USD(pf.Cost.ExpectedUSD * 1.001)
	for i := range cfg.Arms {
		cfg.Arms[i].ExpectedTokens /= 4 // too low an expectation
	}
	pf, err = pilot.RunPreflight(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Budget = providers.USD(pf.Cost.ExpectedUSD * 1.001)
	v, err := pilot.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if v.Decision != record.HOLD || finding(v, "run.errors").Status != record.Hold {
		t.Fatalf("%s: %q, want HOLD by run.errors", v.Decision, v.Reasons)
	}
	if spent := s.Bill().Total.USD; spent > float64(cfg.Budget) {
		t.Errorf("$%v was billed of a budget of $%v", spent, cfg.Budget)
	}
	cfg = config(t, s, dir, few)
	if v, err = pilot.Run(t.Context(), cfg); err != nil || v.Decision != record.GO {
		t.Fatalf("resumed without a budget: %v, %s", err, describe(v))
	}
	sameRecords(t, dir, whole(t, few))
}

func TestInterruptedRunGoesOn(t *testing.T) {
	s := serve(t, "")
	dir := t.TempDir()
	for _, after := range []int64{1, 8, 10, 12, 14} { // events, across the stages
		ctx, cancel := context.WithCancel(t.Context())
		cfg := config(t, s, dir, few)
		var events atomic.Int64
		cfg.Progress = func(record.Event) {
			if events.Add(1) == after {
				cancel()
			}
		}
		v, err := pilot.Run(ctx, cfg)
		cancel()
		if !errors.Is(err, context.Canceled) || v == nil || v.State != "interrupted" || v.Decision != record.HOLD {
			t.Fatalf("interrupted after %d events: %v, %s", after, err, describe(v))
		}
	}
	if v, err := pilot.Run(t.Context(), config(t, s, dir, few)); err != nil || v.State != "done" {
		t.Fatalf("%v, %s", err, describe(v))
	}
	sameRecords(t, dir, whole(t, few))
}

func TestForeignFoldersAreLeftAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	s := serve(t, "")
	dir := t.TempDir()
	if _, err := pilot.Run(t.Context(), config(t, s, dir, few)); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "responses.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	calls := s.Bill().Total.Calls
	other := config(t, s, dir, few)
	other.Seed++
	var refused *pilot.PreflightError
	if _, err := pilot.Run(t.Context(), other); !errors.As(err, &refused) || !strings.Contains(err.Error(), "seed") {
		t.Errorf("another seed: %v, want a refusal that names the seed", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, "responses.jsonl"))
	if err != nil || !bytes.Equal(before, after) || s.Bill().Total.Calls != calls {
		t.Errorf("the refused run changed the folder or paid for calls: %v", err)
	}
	precious := t.TempDir()
	if err := os.WriteFile(filepath.Join(precious, "thesis.txt"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := pilot.Run(t.Context(), config(t, s, precious, few)); !errors.As(err, &refused) {
		t.Errorf("somebody's folder: %v, want a refusal", err)
	}
}

func TestPreflightNamesEveryObstacle(t *testing.T) {
	s := serve(t, "")
	cfg := plan(t, s, t.TempDir(), n)
	cfg.Arms = append([]record.Arm(nil), cfg.Arms...)
	for i := range cfg.Arms {
		if cfg.Arms[i].Policy.Name == "pi_bigger_model" {
			cfg.Arms[i].Policy.Model = "accounts/fireworks/models/withdrawn"
		}
		if cfg.Arms[i].Policy.Name == "pi_bad" {
			cfg.Arms[i].Policy.Template = "llama9"
		}
	}
	cfg.Waived = nil
	_, err := pilot.RunPreflight(t.Context(), cfg)
	var refused *pilot.PreflightError
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	for _, want := range []string{"withdrawn has no price", "does not serve accounts/fireworks/models/withdrawn",
		"llama4-maverick", `policy pi_bad: no chat template "llama9"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
	if s.Bill().Total.Calls != 0 {
		t.Error("the preflight spent something")
	}
	cfg = plan(t, s, t.TempDir(), n)
	cfg.Waived, cfg.Resolution = map[string]string{"logprobs.zeros": "typo"}, -0.1
	if _, err := pilot.RunPreflight(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "logprobs.zeros") ||
		!strings.Contains(err.Error(), "Resolution is -0.1") {
		t.Errorf("a waiver of no check, and no width: %v", err)
	}
}

// A report stands in the folder from the first stage on, and tells what is still
// to come from what failed.
func TestThereIsAReportToWatch(t *testing.T) {
	s, dir := serve(t, ""), t.TempDir()
	cfg := config(t, s, dir, 25)
	var seen []*pilot.Verdict
	cfg.Render = func(_ string, v *pilot.Verdict) error {
		seen = append(seen, v)
		return nil
	}
	if _, err := pilot.Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	first, last := seen[0], seen[len(seen)-1]
	if len(seen) < 2 || first.State != "running" || first.Run.Spent != 0 || last.State != "done" {
		t.Fatalf("%d reports, the first %s after $%v, the last %s", len(seen), first.State, first.Run.Spent, last.State)
	}
	for _, c := range first.Checks {
		if c.Status == record.Fail || c.Status == record.Hold && c.State != record.ToCome {
			t.Errorf("before anything was asked %s is %s: %s", c.ID, c.Status, c.Summary)
		}
	}
	if len(first.Reasons) != 1 || !strings.Contains(first.Reasons[0], "still to come") {
		t.Errorf("reasons %q", first.Reasons)
	}
	for i, st := range first.Stages {
		if st.Name != "prepare" && (st.Pending != st.Items || st.Items != last.Stages[i].Items && st.Name != "canaries") {
			t.Errorf("%s: %d of %d to come at first, %d at the end", st.Name, st.Pending, st.Items, last.Stages[i].Items)
		}
		if last.Stages[i].Pending != 0 {
			t.Errorf("%s: %d to come at the end", st.Name, last.Stages[i].Pending)
		}
	}
}
