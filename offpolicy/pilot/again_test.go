package pilot_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// lacking is a provider that never answers some items' calls.
type lacking struct {
	providers.Provider
	items map[string]dataset.Key // by stage

	mu   sync.Mutex
	seen map[string]bool // stages in which it did not
}

func (l *lacking) fails(tag providers.Tag) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k, ok := l.items[tag.Stage]; !ok || k != tag.Key {
		return nil
	}
	l.seen[tag.Stage] = true
	return &providers.Error{Class: providers.ClassOverloaded, Status: 503, Err: errors.New("not this one")}
}

func (l *lacking) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	if err := l.fails(req.Tag); err != nil {
		return providers.Generation{}, err
	}
	return l.Provider.Generate(ctx, req)
}

func (l *lacking) ScorePrompt(ctx context.Context, req providers.ScoreRequest) (providers.PromptScore, error) {
	if err := l.fails(req.Tag); err != nil {
		return providers.PromptScore{}, err
	}
	return l.Provider.ScorePrompt(ctx, req)
}

// Whatever failed in one start is made by the next, in every stage: the records are then those of
// a run in which nothing failed.
func TestWhatFailedIsMadeByTheNextStart(t *testing.T) {
	for _, stage := range []string{record.StageP0, record.StageTargets, record.StageLogProbs, record.StageOracle,
		record.StageJudge} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			key := dataset.Key{PromptID: prompts(few)[2].ID, Policy: "p0"}
			if stage == record.StageTargets || stage == record.StageLogProbs {
				key.Policy = "pi_bad"
			}
			s, dir := serve(t, ""), t.TempDir()
			cfg := config(t, s, dir, few)
			items, seen := map[string]dataset.Key{stage: key}, map[string]bool{}
			cfg.Policies = &lacking{Provider: cfg.Policies, items: items, seen: seen}
			cfg.Grader = &lacking{Provider: cfg.Grader, items: items, seen: seen}
			v, err := pilot.Run(t.Context(), cfg)
			if err != nil || !seen[stage] {
				t.Fatalf("%v, %s, calls refused in %v", err, describe(v), seen)
			}
			failed := 0
			for _, st := range v.Stages {
				failed += st.Failed
			}
			if failed == 0 {
				t.Fatalf("nothing failed: %+v", v.Stages)
			}
			if v, err = pilot.Run(t.Context(), config(t, s, dir, few)); err != nil {
				t.Fatalf("%v, %s", err, describe(v))
			}
			sameRecords(t, dir, whole(t, few))
		})
	}
}

// A shard divides the budget as its first start did, whatever is expected later; if how that was
// cannot be read, nothing is spent.
func TestSharesStand(t *testing.T) {
	s, dir := serve(t, ""), t.TempDir()
	start := func() (*pilot.Verdict, error) {
		cfg := config(t, s, dir, few)
		cfg.Shard, cfg.Budget = pilot.Shard{Index: 1, Of: 2}, 1
		return pilot.Run(t.Context(), cfg)
	}
	manifest := filepath.Join(dir, "manifest.json")
	if _, err := start(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	shares := regexp.MustCompile(`"shares": \[[^]]*\]`)
	other := shares.ReplaceAll(good, []byte(`"shares": [0.75, 0.25]`))
	if bytes.Equal(other, good) {
		t.Fatalf("the manifest has no shares: %s", good)
	}
	for _, row := range []struct {
		content []byte // nil: none
		refused string
		shares  string
	}{
		{other, "", `"shares": [0.75,0.25]`},
		{good[:len(good)/2], "how this shard divided the budget cannot be read", ""},
		{shares.ReplaceAll(good, []byte(`"shares": [0.75, 0.75]`)), "add up to 1.5", ""},
		{nil, "", strings.Join(strings.Fields(string(shares.Find(good))), "")},
	} {
		if err := os.Remove(manifest); err != nil {
			t.Fatal(err)
		}
		if row.content != nil {
			if err := os.WriteFile(manifest, row.content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := start()
		if row.refused != "" {
			if err == nil || !strings.Contains(err.Error(), row.refused) {
				t.Errorf("%v, want %q", err, row.refused)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		now, err := os.ReadFile(manifest)
		squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
		if got := squeeze(string(shares.Find(now))); err != nil || got != squeeze(row.shares) {
			t.Errorf("%v, %s, want %s", err, got, row.shares)
		}
	}
}
