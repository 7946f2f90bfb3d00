package pilot_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/journal"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
)

// strata is a design that has to wait for the scores.
var strata = oracle.Design{Fraction: .9, Probes: 8, Duplicates: 5, Strata: 4}

// stages notes the stages of a grader's calls, in their order.
type stages struct {
	providers.Provider
	mu  sync.Mutex
	got []string
}

func (s *stages) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	s.mu.Lock()
	s.got = append(s.got, req.Tag.Stage)
	s.mu.Unlock()
	return s.Provider.Generate(ctx, req)
}

func labels(t *testing.T, dir string) []dataset.OracleLabel {
	t.Helper()
	rows, err := dataset.ReadFile[dataset.OracleLabel](filepath.Join(dir, "oracle.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// scoresOf are the scores of a run, NaN where there is none.
func scoresOf(t *testing.T, dir string) map[dataset.Key]float64 {
	t.Helper()
	rows, err := dataset.ReadFile[dataset.JudgeScore](filepath.Join(dir, "judge.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[dataset.Key]float64{}
	for _, r := range rows {
		out[r.Key()] = r.Mean.OrNaN()
	}
	return out
}

// sameDesign checks that the labels of a run are those that d draws from the
// scores, each with its role, stratum and probability.
func sameDesign(t *testing.T, dir string, d oracle.Design, scores map[dataset.Key]float64) {
	t.Helper()
	d.Seed = 42
	type drawn struct {
		key  dataset.Key
		role string
	}
	want := map[drawn]oracle.Assignment{}
	for _, a := range d.AssignByScore(scores, "p0") {
		want[drawn{a.Key, a.Role}] = a
	}
	for _, l := range labels(t, dir) {
		a, ok := want[drawn{l.Key(), l.Role}]
		if !ok || a.InclusionProb != l.InclusionProb || a.Stratum != l.Stratum || d.Strata > 1 && l.Stratum == "" {
			t.Errorf("label %s, %s of %q with %v: the design has %+v", l.Key(), l.Role, l.Stratum, l.InclusionProb.OrNaN(), a)
		}
		delete(want, drawn{l.Key(), l.Role})
	}
	if len(want) > 0 {
		t.Errorf("%d labels of the design are not there", len(want))
	}
}

// Where the design has strata every score comes before the first label, the
// labels are those of the design, and the report says which it was.
func TestStrata(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	const n = 30
	whole := t.TempDir()
	cfg := plan(t, serve(t, ""), whole, n)
	cfg.Labels = strata
	order := &stages{Provider: cfg.Grader}
	cfg.Grader = order
	v, err := pilot.Run(t.Context(), cfg)
	if err != nil || v.State != "done" || finding(v, "files.valid").Status != record.Pass ||
		finding(v, "oracle.range").Status != record.Pass {
		t.Fatalf("%v, %s", err, describe(v))
	}
	judged, labeled := 0, 0
	for _, s := range order.got {
		switch s {
		case "judge":
			judged++
			if labeled > 0 {
				t.Fatalf("%d labels were asked for after %d of the scores", labeled, judged-1)
			}
		case "oracle":
			labeled++
		}
	}
	if judged != 5*n || labeled != 27+4*8+5 {
		t.Errorf("%d scores and %d labels, want %d and 64", judged, labeled, 5*n)
	}
	sameDesign(t, whole, strata, scoresOf(t, whole))
	c := finding(v, "oracle.range")
	if !strings.Contains(c.Summary, "59 of 59 labels") || !strings.Contains(c.Summary, "27 of 30 of p0 within ") ||
		!strings.Contains(c.Summary, "8 of 30 of pi_bad within ") ||
		!strings.Contains(c.Summary, "5 of 30 of p0 twice") {
		t.Errorf("the report does not say which design: %s", c.Summary)
	}
	var sum, weights float64
	for _, l := range labels(t, whole) {
		if l.Role != oracle.RoleDuplicate {
			sum += l.Label.OrNaN() / l.InclusionProb.OrNaN()
			weights += 1 / l.InclusionProb.OrNaN()
		}
	}
	if says := fmt.Sprintf("the responses that they stand for %.3f",
		sum/weights); !strings.Contains(finding(v, "oracle.distribution").Summary, says) {
		t.Errorf("%s: want %q", finding(v, "oracle.distribution").Summary, says)
	}
	if a, b := figure(finding(v, "judge.calibration"), "pi_bad mean residual"),
		figure(finding(v, "transport.pi_bad"), "mean residual"); !(math.Abs(a-b) <= 1e-9) {
		t.Errorf("of pi_bad's own labels judge.calibration says %v, transport.pi_bad %v", a, b)
	}
	figures := 0
	for _, f := range c.Evidence.Figures {
		if strings.HasPrefix(f.Name, "probability of a label, p0 [") && f.Value.OrNaN() > 0 && f.Value.OrNaN() <= 1 {
			figures++
		}
	}
	if figures < 2 {
		t.Errorf("%d strata of p0 with a probability: %+v", figures, c.Evidence.Figures)
	}
	stage, estimate := oracleStage(v)
	if r := stage.CostUSD / estimate.ExpectedUSD; r < .9 || r > 1.1 || estimate.Calls != labeled {
		t.Errorf("$%v and %d calls were expected, $%v and %d it took", estimate.ExpectedUSD, estimate.Calls, stage.CostUSD,
			labeled)
	}

	asRead(t, whole, v)
}

// spent is a service whose account is empty after some calls.
type spent struct {
	providers.Provider
	after int64
	n     atomic.Int64
}

func (s *spent) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	if s.n.Add(1) > s.after {
		return providers.Generation{}, &providers.Error{Class: providers.ClassQuota, Status: 429}
	}
	return s.Provider.Generate(ctx, req)
}

// An interruption before, at or after the draw changes nothing; nor does the batch,
// nor the concurrency.
func TestStrataInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	const n = 10 // no calibrator is needed
	whole := t.TempDir()
	cfg := config(t, serve(t, ""), whole, n)
	cfg.Labels = strata
	v, err := pilot.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	stage, _ := oracleStage(v)
	s := serve(t, "")
	dir := t.TempDir()
	cfg = config(t, s, dir, n)
	cfg.Labels, cfg.Grader = strata, &spent{Provider: cfg.Grader, after: 20}
	if v, err := pilot.Run(t.Context(), cfg); err != nil || v.Decision != record.NoGo ||
		!strings.Contains(finding(v, "run.errors").Summary, "stage judge (quota)") {
		t.Fatalf("an empty account: %v, %s", err, describe(v))
	}
	for _, at := range []struct {
		stage string
		done  int
	}{{"judge", 25}, {"judge", 5 * n}, {"oracle", 20}} {
		stop := make(chan struct{})
		var once sync.Once
		cfg := config(t, s, dir, n)
		cfg.Labels, cfg.Stop = strata, stop
		cfg.Progress = func(e record.Event) {
			if e.Stage == at.stage && e.Done >= at.done && !e.Begun {
				once.Do(func() { close(stop) })
			}
		}
		if v, err := pilot.Run(t.Context(), cfg); err != nil &&
			(!errors.Is(err, context.Canceled) || v.State != "interrupted") {
			t.Fatalf("interrupted at %d of %s: %v, %s", at.done, at.stage, err, describe(v))
		}
	}
	cfg = config(t, s, dir, n)
	cfg.Labels, cfg.Concurrency = strata, 1
	if v, err := pilot.Run(t.Context(), cfg); err != nil || v.State != "done" {
		t.Fatalf("%v, %s", err, describe(v))
	}
	sameRecords(t, whole, dir)
	for id, times := range s.Bill().Replies {
		if times > 1 {
			t.Errorf("%s was paid %d times", id, times)
		}
	}
	draws := 0
	if err := journal.Scan(filepath.Join(dir, "journal"), func(r journal.Record) error {
		if r.Kind == "design" {
			draws++
		}
		return nil
	}); err != nil || draws != 1 {
		t.Errorf("%d draws were kept, want the one from all scores; %v", draws, err)
	}

	batched := t.TempDir()
	cfg = config(t, serve(t, ""), batched, n)
	cfg.Labels = strata
	cfg.BatchLabels = &batch.Config{PollMin: time.Millisecond, PollMax: time.Millisecond, ListDelay: time.Millisecond}
	if v, err = pilot.Run(t.Context(), cfg); err != nil || v.State != "done" {
		t.Fatalf("by batch: %v, %s", err, describe(v))
	}
	sameRecords(t, whole, batched)
	if half, _ := oracleStage(v); math.Abs(half.CostUSD/stage.CostUSD-.5) > 1e-9 {
		t.Errorf("by batch $%v, by single calls $%v: want half", half.CostUSD, stage.CostUSD)
	}
}

// figure is one of a check's, NaN where it has none of the name.
func figure(c record.Finding, name string) float64 {
	for _, f := range c.Evidence.Figures {
		if f.Name == name {
			return f.Value.OrNaN()
		}
	}
	return math.NaN()
}

// asRead checks that the files of a run carry the probabilities: who evaluates
// them comes to what the run itself has found, and to something else without.
func asRead(t *testing.T, dir string, v *pilot.Verdict) {
	t.Helper()
	logged, err := dataset.ReadFile[dataset.Sample](filepath.Join(dir, "samples.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := dataset.ReadFreshDraws(filepath.Join(dir, "fresh_draws"))
	if err != nil {
		t.Fatal(err)
	}
	value := func(policy string, est offpolicy.Estimator) float64 {
		s, err := offpolicy.FromRecords(dataset.Logs{
			Logging: "p0", Judge: v.Run.Judge, Samples: logged, Draws: fresh, Scored: v.Evaluation.LogProbs,
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := offpolicy.Evaluate(s, offpolicy.Config{Seed: 42, Clones: []string{"pi_clone"}})
		if err != nil {
			t.Fatal(err)
		}
		return r.Policy(policy).Estimate(est).Value
	}
	a := v.Evaluation.Policies["p0"].Answer
	if a.Estimator == "" {
		t.Fatalf("p0 has no estimate: %+v", v.Evaluation)
	}
	if got := value("p0", offpolicy.Estimator(a.Estimator)); math.Abs(got-a.Value.OrNaN()) > 1e-12 {
		t.Errorf("the files give %v for p0 by %s, the run %v", got, a.Estimator, a.Value)
	}
	with := value("p0", offpolicy.LabeledSNIPS)
	for i := range logged {
		logged[i].InclusionProb = dataset.Float{}
	}
	if without := value("p0", offpolicy.LabeledSNIPS); without == with {
		t.Errorf("the labels' mean is %v with and without their probabilities", with)
	}
}

// A response without a score has a stratum, and the draw outlives the reason: when
// the score is there at last, the labels keep stratum and probability.
func TestUnscoredStratumIsKept(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	const n = 16 // no calibrator is needed
	dir := t.TempDir()
	run := func(s providers.Provider) *pilot.Verdict {
		cfg := config(t, serve(t, ""), dir, n)
		cfg.Labels = strata
		if s != nil {
			cfg.Grader = s
		}
		v, err := pilot.Run(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	run(&mumbling{Provider: config(t, serve(t, ""), dir, n).Grader})
	before, scores := labels(t, dir), scoresOf(t, dir)
	sameDesign(t, dir, strata, scores)
	unscored := map[string]int{}
	for _, l := range before {
		if math.IsNaN(scores[l.Key()]) != (l.Stratum == "unscored") {
			t.Errorf("%s has score %v and stratum %s", l.Key(), scores[l.Key()], l.Stratum)
		}
		if l.Stratum == "unscored" {
			unscored[l.Role]++
			if !l.Label.Valid() {
				t.Errorf("%s, unscored, has no label: %+v", l.Key(), l.Error)
			}
		}
	}
	if unscored[oracle.RoleCalibration] == 0 || unscored[oracle.RoleProbe] == 0 {
		t.Errorf("labels of unscored responses by role: %v", unscored)
	}
	v := run(nil)
	for k, s := range scoresOf(t, dir) {
		if math.IsNaN(s) {
			t.Errorf("%s is still unscored", k)
		}
	}
	after := labels(t, dir)
	for i := range before {
		if i >= len(after) || after[i] != before[i] {
			t.Fatalf("a mended score changed a label or what is known of it: %+v", before[i])
		}
	}
	if finding(v, "files.valid").Status != record.Pass || len(after) != len(before) {
		t.Errorf("%d labels became %d; %s", len(before), len(after), describe(v))
	}
}

// mumbling is a grader whose judge says nothing of a few responses.
type mumbling struct {
	providers.Provider
}

func (m *mumbling) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	g, err := m.Provider.Generate(ctx, req)
	if req.Tag.Stage == "judge" && strings.HasSuffix(req.Tag.Key.PromptID, "5") { // q005, q015
		g.Text = "Hm."
	}
	return g, err
}
