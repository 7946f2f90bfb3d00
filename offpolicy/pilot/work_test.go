package pilot_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// slow is a provider each of whose calls takes a while, whatever the machine.
type slow struct {
	providers.Provider
	takes time.Duration

	mu      sync.Mutex
	calls   map[string]int // by model
	stages  []string       // of the calls as they began
	onCall  func(n int)
	aborted int // calls broken off
}

func (s *slow) wait(ctx context.Context, tag providers.Tag, model string) error {
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[model]++
	s.stages = append(s.stages, tag.Stage)
	if s.onCall != nil {
		s.onCall(len(s.stages))
	}
	s.mu.Unlock()
	select {
	case <-time.After(s.takes):
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		s.aborted++
		s.mu.Unlock()
		return ctx.Err()
	}
}

func (s *slow) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	if err := s.wait(ctx, req.Tag, req.Model); err != nil {
		return providers.Generation{}, err
	}
	return s.Provider.Generate(ctx, req)
}

func (s *slow) ScorePrompt(ctx context.Context, req providers.ScoreRequest) (providers.PromptScore, error) {
	if err := s.wait(ctx, req.Tag, req.Model); err != nil {
		return providers.PromptScore{}, err
	}
	return s.Provider.ScorePrompt(ctx, req)
}

// TestSlowestLimitSetsTheTime: stages overlap, so that a run takes as long as its
// slowest limit, and not the sum of its stages' waits. The clock is a fake one.
func TestSlowestLimitSetsTheTime(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	const takes = 200 * time.Millisecond
	rows := []struct {
		prompts     int
		shared      bool // one service for policies and graders
		concurrency int
		rpm         int // what the server lets through a minute, of each model
		reason      string
	}{
		{24, true, 4, 0, "the plan's calls under one shared limit of calls in flight"},
		{30, false, 64, 600, "limits of requests: one model answers for four policies, and the others must not wait for it"},
	}
	for _, row := range rows {
		synctest.Test(t, func(t *testing.T) {
			s := sim.New(sim.Config{Seed: 7, Limits: sim.Limits{RequestsPerMinute: row.rpm}})
			defer s.Close()
			cfg := plan(t, s, t.TempDir(), row.prompts)
			cfg.Arms = cut(16)
			policies, grader := &slow{Provider: cfg.Policies, takes: takes}, &slow{Provider: cfg.Grader, takes: takes}
			cfg.Policies, cfg.Grader, cfg.Concurrency = policies, grader, row.concurrency
			services := []*slow{policies, grader}
			if row.shared {
				both := &slow{Provider: oneService{policies.Provider, grader.Provider}, takes: takes}
				cfg.Policies, cfg.Grader, services = both, both, []*slow{both}
			}
			begin := time.Now()
			v, err := pilot.Run(t.Context(), cfg)
			took := time.Since(begin)
			if err != nil || v.State != "done" {
				t.Fatalf("%v, %s", err, describe(v))
			}
			var bound time.Duration
			for _, s := range services {
				total := 0
				for _, n := range s.calls {
					total += n
					if row.rpm > 0 {
						bound = max(bound, time.Duration(n)*time.Minute/time.Duration(row.rpm))
					}
				}
				bound = max(bound, time.Duration(total)*takes/time.Duration(row.concurrency))
			}
			t.Logf("%s: %v, %.3f of the lower bound %v", row.reason, took, took.Seconds()/bound.Seconds(), bound)
			if took < bound || took > bound*11/10 {
				t.Errorf("%s: it took %v, want at most 1.1 of %v", row.reason, took, bound)
			}
		})
	}
}

// TestShardsShareTheLimits: the shards of a run, beside one another, are together not above the
// limits of the services, of which each takes its part. The clock is a fake one.
func TestShardsShareTheLimits(t *testing.T) {
	const of = 4
	synctest.Test(t, func(t *testing.T) {
		// The server lets in a second's worth at once, which is one request of each shard and one more.
		s := sim.New(sim.Config{Seed: 7, Limits: sim.Limits{RequestsPerMinute: 300}})
		defer s.Close()
		var refused [of]atomic.Int64
		var wg sync.WaitGroup
		for i := range of {
			wg.Go(func() {
				cfg := config(t, s, t.TempDir(), 24)
				cfg.Arms = cfg.Arms[:2]
				// Until the first reply nobody knows of a limit.
				cfg.Shard, cfg.Concurrency = pilot.Shard{Index: i, Of: of}, 2
				cfg.Progress = func(e record.Event) {
					if e.Limited > 0 {
						refused[i].Store(int64(e.Limited))
					}
				}
				if v, err := pilot.Run(t.Context(), cfg); err != nil || v.State != pilot.Done {
					t.Errorf("shard %d: %v, %s", i, err, describe(v))
				}
			})
		}
		wg.Wait()
		for i := range refused {
			if n := refused[i].Load(); n > 0 {
				t.Errorf("shard %d was above the limits %d times", i, n)
			}
		}
	})
}

// oneService answers for both.
type oneService struct{ policies, grader providers.Provider }

func (o oneService) Name() string { return "one service" }

func (o oneService) of(model string) providers.Provider {
	if strings.HasPrefix(model, "gpt") {
		return o.grader
	}
	return o.policies
}

func (o oneService) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	return o.of(req.Model).Generate(ctx, req)
}

func (o oneService) ScorePrompt(ctx context.Context, req providers.ScoreRequest) (providers.PromptScore, error) {
	return o.of(req.Model).ScorePrompt(ctx, req)
}

func (o oneService) Models(ctx context.Context) ([]providers.Model, error) {
	a, errA := o.policies.Models(ctx)
	b, errB := o.grader.Models(ctx)
	return append(a, b...), errors.Join(errA, errB)
}

// TestGentleStop: asked to stop, a run sends nothing more, and what was in flight
// ends and is kept: nothing is paid for twice.
func TestGentleStop(t *testing.T) {
	for _, after := range []int{20, 55, 90} { // calls to the policies' service, certification's among them
		synctest.Test(t, func(t *testing.T) {
			s := sim.New(sim.Config{Seed: 7})
			defer s.Close()
			dir := t.TempDir()
			cfg := config(t, s, dir, 10)
			stop := make(chan struct{})
			policies := &slow{Provider: cfg.Policies, takes: 200 * time.Millisecond}
			policies.onCall = func(n int) {
				if n == after {
					close(stop)
				}
			}
			cfg.Policies, cfg.Stop, cfg.Concurrency = policies, stop, 8
			v, err := pilot.Run(t.Context(), cfg)
			if !errors.Is(err, context.Canceled) || v == nil || v.State != "interrupted" || v.Decision != record.HOLD {
				t.Fatalf("%v, %s", err, describe(v))
			}
			// Those that are let in at that very moment may still go.
			if n := len(policies.stages); n > after+cfg.Concurrency || policies.aborted > 0 {
				t.Errorf("stopped at call %d: %d calls were made, %d broken off", after, n, policies.aborted)
			}
			if v, err = pilot.Run(t.Context(), config(t, s, dir, 10)); err != nil || v.State != "done" {
				t.Fatalf("%v, %s", err, describe(v))
			}
			for id, n := range s.Bill().Replies {
				if n > 1 {
					t.Errorf("%s was paid %d times", id, n)
				}
			}
		})
	}
}

// TestHardStop: the end of the context breaks calls off.
func TestHardStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim.New(sim.Config{Seed: 7})
		defer s.Close()
		cfg := plan(t, s, t.TempDir(), 10)
		ctx, cancel := context.WithCancel(t.Context())
		stop := make(chan struct{})
		policies := &slow{Provider: cfg.Policies, takes: time.Hour}
		policies.onCall = func(n int) {
			if n == 2 { // both certificates' first
				close(stop)
				time.AfterFunc(time.Minute, cancel)
			}
		}
		cfg.Policies, cfg.Stop, cfg.Retry.AttemptTimeout = policies, stop, 2*time.Hour
		begin := time.Now()
		_, err := pilot.Run(ctx, cfg)
		if took := time.Since(begin); !errors.Is(err, context.Canceled) || took != time.Minute || policies.aborted != 2 {
			t.Errorf("%v after %v, %d calls broken off", err, took, policies.aborted)
		}
	})
}

// TestOutageIsWaitedOut: while a service is down the run pauses, and goes on when
// it is back; what failed before the pause is done by the next start.
func TestOutageIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim.New(sim.Config{Seed: 7})
		defer s.Close()
		dir := t.TempDir()
		cfg := config(t, s, dir, n)
		begin := time.Now()
		grader := &outage{Provider: cfg.Grader,
			down: func(n int) bool { return n > 40 && time.Since(begin) < 2*time.Minute }}
		cfg.Grader = grader
		var alerts []string
		var mu sync.Mutex
		cfg.Progress = func(e record.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Alert != "" {
				alerts = append(alerts, e.Alert)
			}
		}
		v, err := pilot.Run(t.Context(), cfg)
		if err != nil || v.State != "done" || len(alerts) == 0 || !strings.Contains(alerts[0], "paused for 30s") {
			t.Fatalf("%v, %s, %q", err, describe(v), alerts)
		}
		failed := 0
		for _, st := range v.Stages {
			failed += st.Failed
		}
		if failed < 20 || failed > 60 {
			t.Errorf("%d items failed: want the 20 in a row, those in flight beside them and the probes", failed)
		}
		if v, err = pilot.Run(t.Context(), config(t, s, dir, n)); err != nil || v.Decision != record.GO {
			t.Fatalf("%v, %s", err, describe(v))
		}
	})
}

// outage is a provider that is down for some calls.
type outage struct {
	providers.Provider
	down func(n int) bool

	mu sync.Mutex
	n  int
}

func (o *outage) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	o.mu.Lock()
	o.n++
	down := o.down(o.n)
	o.mu.Unlock()
	if down {
		return providers.Generation{},
			&providers.Error{Class: providers.ClassOverloaded, Status: 503, Err: errors.New("down for maintenance")}
	}
	return o.Provider.Generate(ctx, req)
}

// TestDamagedAndMoved: a run whose journal is damaged is refused, untouched and
// unpaid; one that was moved goes on in its new place, where nothing is left to
// pay for.
func TestDamagedAndMoved(t *testing.T) {
	s := serve(t, "")
	root := t.TempDir()
	dir := filepath.Join(root, "run")
	if _, err := pilot.Run(t.Context(), config(t, s, dir, 3)); err != nil {
		t.Fatal(err)
	}
	calls := s.Bill().Total.Calls
	log := filepath.Join(dir, "journal", "log.jsonl")
	whole, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-100] ^= 4
	for what, bad := range map[string][]byte{"cut off": whole[:len(whole)-4000],
		"a bit of the last record flipped": flipped, "empty": {}} {
		if err := os.WriteFile(log, bad, 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := pilot.Run(t.Context(), config(t, s, dir, 3))
		var refused *pilot.PreflightError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "damaged at byte") {
			t.Errorf("%s: %v, want a refusal that says where", what, err)
		}
		if got, err := os.ReadFile(log); err != nil || !bytes.Equal(got, bad) {
			t.Errorf("%s: the journal was changed", what)
		}
	}
	if err := os.WriteFile(log, whole, 0o666); err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(root, "moved")
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if v, err := pilot.Run(t.Context(), config(t, s, moved, 3)); err != nil || v.State != "done" {
		t.Errorf("moved: %v, %s", err, describe(v))
	}
	if n := s.Bill().Total.Calls; n != calls {
		t.Errorf("%d calls were made again", n-calls)
	}
}
