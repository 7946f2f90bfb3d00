package pilot_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
)

// TestMerge: the folders of a run's shards give the records of the run made in one go,
// byte for byte, whatever was merged before they had ended.
func TestMerge(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	const n, of = 14, 3
	dir := t.TempDir()
	settings := func(name string) pilot.Config {
		cfg := config(t, serve(t, ""), filepath.Join(dir, name), n)
		cfg.Labels = oracle.Design{Fraction: 0.8, Probes: 4, Duplicates: 3}
		cfg.Full = 300
		return cfg
	}
	single := settings("single")
	one, err := pilot.Run(t.Context(), single)
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	calls := 0
	for i := range of {
		cfg := settings(fmt.Sprint("shard", i))
		cfg.Shard = pilot.Shard{Index: i, Of: of}
		v, err := pilot.Run(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if v.Run.Shard == nil || *v.Run.Shard != cfg.Shard ||
			v.Decision != record.NoGo && !strings.Contains(v.Next.Do, "Merge the folders") {
			t.Errorf("shard %d: %+v, next %q", i, v.Run.Shard, v.Next.Do)
		}
		dirs = append(dirs, cfg.Dir)
		calls += calledIn(v, record.StageJudge) + calledIn(v, record.StageLogProbs) + calledIn(v, record.StageCanaries)
	}
	want := calledIn(one, record.StageJudge) + calledIn(one, record.StageLogProbs) + calledIn(one, record.StageCanaries)
	if calls != want {
		t.Errorf("the shards made %d calls for log-probs, scores and canaries, the run %d", calls, want)
	}
	out := filepath.Join(dir, "merged")
	for _, r := range []struct {
		dirs []string
		says string
	}{
		{nil, "no folders"},
		{dirs[:2], "shards 2 of 3 are missing"},
		{[]string{dirs[0], dirs[1], dirs[1]}, "are the same shard"},
		{[]string{single.Dir, dirs[1], dirs[2]}, "is not the folder of a shard"},
		{[]string{dirs[0], dirs[1], filepath.Join(dir, "none")}, "none"},
	} {
		if _, err := pilot.Merge(out, r.dirs...); err == nil || !strings.Contains(err.Error(), r.says) {
			t.Errorf("merged %v: %v, want %q", r.dirs, err, r.says)
		}
		if _, err := os.Stat(out); err == nil {
			t.Fatalf("merging %v left %s", r.dirs, out)
		}
	}
	other := settings("other")
	other.Shard, other.Prompts = pilot.Shard{Index: 2, Of: of}, other.Prompts[:n-1]
	if _, err := pilot.Run(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if _, err := pilot.Merge(out, dirs[0], dirs[1], other.Dir); err == nil ||
		!strings.Contains(err.Error(), "of different runs") {
		t.Errorf("merged a shard of fewer prompts: %v", err)
	}
	for range 2 { // the second finds all there
		v, err := pilot.Merge(out, dirs[2], dirs[0], dirs[1])
		if err != nil {
			t.Fatal(err)
		}
		sameRecords(t, single.Dir, out)
		if v.State != pilot.Done || v.Decision != one.Decision || v.Run.Prompts != n || v.Projection.Prompts != 300 {
			t.Errorf("merged: %s %s of %d prompts, the run: %s", v.State, v.Decision, v.Run.Prompts, one.Decision)
		}
	}
	// The merged folder is the run's: it goes on as one, and owes nothing.
	whole := settings("merged")
	v, err := pilot.Run(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	if got := calledIn(v, record.StageP0); got != calledIn(one, record.StageP0) {
		t.Errorf("the merged run was asked for again: %d calls", got)
	}
	sameRecords(t, single.Dir, out)
	if _, err := pilot.Merge(out, dirs...); err != nil {
		t.Errorf("a run that bought nothing of its own is merged again: %v", err)
	}
}

func calledIn(v *pilot.Verdict, stage string) int {
	for _, s := range v.Stages {
		if s.Name == stage {
			return s.Calls
		}
	}
	return 0
}
