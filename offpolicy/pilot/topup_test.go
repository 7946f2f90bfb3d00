package pilot_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
)

// More labels and more prompts top a run up to what it would have been in one
// go. What was bought is not bought again.
func TestTopUp(t *testing.T) {
	const n = 10 // no calibrator is needed
	grow := []struct {
		name   string
		steps  []oracle.Design
		ns     []int
		reason string
	}{
		{"simple random", []oracle.Design{{Fraction: .5}, {Fraction: .9, Probes: 6, Duplicates: 3}}, []int{n, n},
			"the report asks for -probes: they can be added"},
		{"strata", []oracle.Design{{Fraction: .5, Probes: 5, Strata: 3},
			{Fraction: .8, Probes: 6, Duplicates: 3, Strata: 3}}, []int{n, n}, "draws are nested"},
		{"strata, more prompts", []oracle.Design{strata, strata}, []int{n / 2, n}, "drawn again from all"},
	}
	for _, g := range grow {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, "")
			dir, whole := t.TempDir(), t.TempDir()
			had := map[dataset.Key]bool{}
			for i, d := range g.steps {
				cfg := config(t, s, dir, g.ns[i])
				cfg.Labels = d
				v, err := pilot.Run(t.Context(), cfg)
				if err != nil || v.State != "done" || finding(v, "oracle.range").Status != record.Pass {
					t.Fatalf("%s, step %d: %v, %s", g.reason, i, err, describe(v))
				}
				sameDesign(t, dir, d, scoresOf(t, dir))
				now := map[dataset.Key]bool{}
				for _, l := range labels(t, dir) {
					now[l.Key()] = true
				}
				for k := range had {
					if !now[k] && g.ns[i] == n && g.ns[0] == n {
						t.Errorf("step %d lost the label of %s", i, k)
					}
				}
				had = now
			}
			for id, times := range s.Bill().Replies {
				if times > 1 {
					t.Errorf("%s was paid %d times", id, times)
				}
			}
			cfg := config(t, serve(t, ""), whole, n)
			cfg.Labels = g.steps[len(g.steps)-1]
			if _, err := pilot.Run(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			sameRecords(t, dir, whole)
		})
	}
	cfg := config(t, serve(t, ""), t.TempDir(), 6)
	if _, err := pilot.Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Labels.Strata = 3
	var refused *pilot.PreflightError
	if _, err := pilot.Run(t.Context(), cfg); !errors.As(err, &refused) ||
		!strings.Contains(err.Error(), "labels.strata") {
		t.Errorf("other strata: %v, want a refusal: their draw is another", err)
	}
}

// people are an oracle's labels from a file: v for each of the keys.
func people(keys []dataset.Key, v float64) func(judge.Generator) (oracle.Oracle, error) {
	return func(judge.Generator) (oracle.Oracle, error) {
		given := map[dataset.Key]float64{}
		for i, k := range keys {
			given[k] = v + .01*float64(i%40)
		}
		return oracle.NewFile("people", given)
	}
}

// What people label must be there first: a run that a model has labeled takes
// their labels, costs nothing more, and never has labels of both.
func TestPeopleTakeOver(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	for name, d := range map[string]oracle.Design{"simple random": {Fraction: .5, Probes: 2},
		"strata": {Fraction: .5, Probes: 2, Strata: 3}} {
		const n = 10
		s := serve(t, "")
		dir := t.TempDir()
		start := func(o func(judge.Generator) (oracle.Oracle, error)) (*pilot.Verdict, []dataset.OracleLabel, error) {
			cfg := config(t, s, dir, n)
			cfg.Labels = d
			if o != nil {
				cfg.Oracle = o
			}
			v, err := pilot.Run(t.Context(), cfg)
			if err != nil {
				return v, nil, err
			}
			return v, labels(t, dir), nil
		}
		_, model, err := start(nil)
		if err != nil {
			t.Fatal(err)
		}
		calls := s.Bill().Total.Calls
		var keys []dataset.Key
		for _, l := range model {
			keys = append(keys, l.Key())
		}
		some, theirs, err := start(people(keys[1:], .1))
		if err != nil || theirs[0].Label.Valid() || theirs[0].Error == nil ||
			theirs[0].Error.Class != string(judge.ReasonMissing) || finding(some, "oracle.range").Status == record.Pass {
			t.Fatalf("%s: a response that people left out: %v, %+v", name, err, theirs)
		}
		v, theirs, err := start(people(keys, .1))
		if err != nil || finding(v, "oracle.range").Status != record.Pass || !strings.HasPrefix(v.Run.Oracle, "people@") {
			t.Fatalf("%s: %v, %s", name, err, describe(v))
		}
		// What the model's labels cost is in the ledger, and so in the estimate.
		if c := finding(v, "cost.estimate"); c.Status != record.Pass {
			t.Errorf("%s: cost.estimate is %q: %s", name, c.Status, c.Summary)
		}
		for i, l := range theirs {
			if l.Oracle != v.Run.Oracle || l.Label.OrNaN() != .1+.01*float64(i%40) || l.Key() != keys[i] ||
				l.InclusionProb != model[i].InclusionProb || l.Stratum != model[i].Stratum {
				t.Errorf("%s: label %+v in place of %+v", name, l, model[i])
			}
		}
		_, _, err = start(func(g judge.Generator) (oracle.Oracle, error) {
			return oracle.NewLabeler(judge.Config{Name: "oracle", Generator: g, Model: "gpt-4o-mini"})
		})
		var refused *pilot.PreflightError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "would be paid to give them all again") {
			t.Errorf("%s: another model: %v, want a refusal", name, err)
		}
		if _, again, err := start(nil); err != nil || len(again) != len(model) || again[0] != model[0] {
			t.Errorf("%s: the first oracle's labels are not back: %v, %+v", name, err, again)
		}
		if more := s.Bill().Total.Calls - calls; more > 0 {
			t.Errorf("%s: %d more calls were paid for", name, more)
		}
	}
}

// Strata follow from scores: before there are any nobody can have labeled the
// responses that will be drawn.
func TestStrataRefuseAFile(t *testing.T) {
	s := serve(t, "")
	cfg := plan(t, s, t.TempDir(), n)
	cfg.Labels = oracle.Design{Strata: 4}
	if keys := cfg.LabelKeys(); len(keys) != n {
		t.Errorf("%d keys, want all of P0's, any of which may be drawn", len(keys))
	}
	cfg.Labels.Probes = 1
	if keys := cfg.LabelKeys(); len(keys) != 5*n {
		t.Errorf("%d keys, want all responses", len(keys))
	}
	cfg.Oracle = people([]dataset.Key{{PromptID: "q000", Policy: "p0"}}, .5)
	var refused *pilot.PreflightError
	if _, err := pilot.RunPreflight(t.Context(), cfg); !errors.As(err, &refused) ||
		!strings.Contains(err.Error(), "scores that are not there yet") ||
		!strings.Contains(err.Error(), "leave strata out") {
		t.Errorf("a file and strata: %v, want a refusal with its remedy", err)
	}
	if s.Bill().Total.Calls != 0 {
		t.Error("the preflight spent something")
	}
}

// stuck is a service whose batches are taken and never looked after: the run is
// asked to stop at the first poll.
type stuck struct {
	providers.Batcher
	stop chan struct{}
	once *sync.Once
}

func (s stuck) GetBatch(ctx context.Context, tag providers.Tag, id string) (providers.BatchInfo, error) {
	s.once.Do(func() { close(s.stop) })
	<-ctx.Done()
	return providers.BatchInfo{}, ctx.Err()
}

// A batch that was left on its way is finished as it was sent, also where the run
// has grown meanwhile and draws other responses.
func TestGrownRunFinishesItsBatch(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	for name, d := range map[string]oracle.Design{"simple random": {Probes: 3},
		"strata": {Fraction: .5, Probes: 3, Strata: 3}} {
		s := serve(t, "")
		dir, whole := t.TempDir(), t.TempDir()
		batched := func(n int, dir string) pilot.Config {
			cfg := config(t, s, dir, n)
			cfg.Labels = d
			cfg.BatchLabels = &batch.Config{PollMin: time.Millisecond, PollMax: time.Millisecond, ListDelay: time.Millisecond}
			return cfg
		}
		cfg := batched(5, dir)
		stop := make(chan struct{})
		cfg.Grader, cfg.Stop = stuck{cfg.Grader.(providers.Batcher), stop, &sync.Once{}}, stop
		if _, err := pilot.Run(t.Context(), cfg); !errors.Is(err, context.Canceled) {
			t.Fatalf("%s: %v, want an interrupted run", name, err)
		}
		v, err := pilot.Run(t.Context(), batched(10, dir))
		if err != nil || v.State != "done" || finding(v, "oracle.range").Status != record.Pass {
			t.Fatalf("%s: %v, %s: %+v", name, err, describe(v), finding(v, "run.errors"))
		}
		for id, times := range s.Bill().Replies {
			if times > 1 {
				t.Errorf("%s: %s was paid %d times", name, id, times)
			}
		}
		s = serve(t, "")
		if _, err := pilot.Run(t.Context(), batched(10, whole)); err != nil {
			t.Fatal(err)
		}
		sameRecords(t, dir, whole)
	}
}
