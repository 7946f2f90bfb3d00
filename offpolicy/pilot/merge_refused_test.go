package pilot_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// halves makes both shards of a run of n prompts, and returns their folders. Change, if not
// nil, changes the configuration of each.
func halves(t *testing.T, n int, change func(*pilot.Config)) (dirs [2]string) {
	t.Helper()
	server := serve(t, "")
	for i := range dirs {
		dirs[i] = filepath.Join(t.TempDir(), "shard")
		cfg := config(t, server, dirs[i], n)
		cfg.Shard = pilot.Shard{Index: i, Of: 2}
		if change != nil {
			change(&cfg)
		}
		if _, err := pilot.Run(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	return dirs
}

// copied is a copy of a folder.
func copied(t *testing.T, dir string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(out, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return out
}

// withManifest is a copy of a shard's folder in whose manifest the shard is changed.
func withManifest(t *testing.T, dir string, change func(shard map[string]any)) string {
	t.Helper()
	out := copied(t, dir)
	path := filepath.Join(out, "manifest.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]json.RawMessage{}
	shard := map[string]any{}
	if err := errors.Join(json.Unmarshal(b, &m), json.Unmarshal(m["shard"], &shard)); err != nil {
		t.Fatal(err)
	}
	change(shard)
	if m["shard"], err = json.Marshal(shard); err != nil {
		t.Fatal(err)
	}
	if b, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestMergeIntoARunThatWentOn: a merged folder that was extended, or labeled further, is
// not merged into again: it has what no shard has.
func TestMergeIntoARunThatWentOn(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	const n = 10
	dirs := halves(t, n, nil)
	for name, extend := range map[string]func(*pilot.Config){
		"more prompts": func(c *pilot.Config) { c.Prompts = prompts(n + 2) },
		"more labels":  func(c *pilot.Config) { c.Labels.Probes = 3 },
	} {
		out := filepath.Join(t.TempDir(), "merged")
		if _, err := pilot.Merge(out, dirs[:]...); err != nil {
			t.Fatal(err)
		}
		cfg := config(t, serve(t, ""), out, n)
		extend(&cfg)
		if _, err := pilot.Run(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		before := copied(t, out)
		_, err := pilot.Merge(out, dirs[:]...)
		var refused *pilot.MergeError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "has gone on as a run of its own") {
			t.Errorf("%s: %v", name, err)
		}
		sameRecords(t, before, out)
		for _, file := range []string{"manifest.json", "journal/log.jsonl"} {
			a, errA := os.ReadFile(filepath.Join(before, file))
			b, errB := os.ReadFile(filepath.Join(out, file))
			if err := errors.Join(errA, errB); err != nil || string(a) != string(b) {
				t.Errorf("%s: the refused merge changed %s (%v)", name, file, err)
			}
		}
	}
}

// TestMergeHoldsManifestsToWhatShardsWrite: a manifest that no shard has written is refused,
// by a merge and by a shard that is to take over what is left of the budget.
func TestMergeHoldsManifestsToWhatShardsWrite(t *testing.T) {
	dirs := halves(t, 6, func(c *pilot.Config) { c.Budget = 1 })
	account := func(place string) (float64, error) {
		cfg := config(t, serve(t, ""), filepath.Join(t.TempDir(), "other"), 6)
		cfg.Shard, cfg.Budget, cfg.Ledgers = pilot.Shard{Index: 1, Of: 2}, 1, []string{place}
		v, err := pilot.Run(t.Context(), cfg)
		if err != nil {
			return 0, err
		}
		return v.Run.Budget.OrNaN(), nil
	}
	for _, c := range []struct {
		name   string
		change func(map[string]any)
		says   string
	}{
		{"an unknown stage", func(s map[string]any) { s["open"] = []string{"nonsense"} }, "a stage that there is not"},
		{"no shard", func(s map[string]any) { clear(s) }, "is not the folder of a shard"},
		{"the whole run", func(s map[string]any) { s["index"], s["of"] = 0, 1 }, "is not the folder of a shard"},
		{"an index below 0", func(s map[string]any) { s["index"] = -1 }, "want an index"},
		{"an index too far", func(s map[string]any) { s["index"] = 2 }, "want an index"},
		{"shares of another number", func(s map[string]any) { s["shares"] = []float64{1} }, "want 2 that add up to 1"},
		{"shares of more than all", func(s map[string]any) { s["shares"] = []float64{0.5, 0.6} }, "want 2 that add up to 1"},
		{"a share below 0", func(s map[string]any) { s["shares"] = []float64{2, -1} }, "want no less than 0"},
		{"a design that there is not", func(s map[string]any) { s["labels"] = map[string]any{"Probes": -1} }, "robes"},
	} {
		bad := withManifest(t, dirs[0], c.change)
		_, err := pilot.Merge(filepath.Join(t.TempDir(), "merged"), bad, dirs[1])
		var refused *pilot.MergeError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: merged: %v, want %q", c.name, err, c.says)
		}
		if _, err := account(bad); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: as an account: %v, want %q", c.name, err, c.says)
		}
	}
	many := withManifest(t, dirs[0], func(s map[string]any) { s["of"], s["shares"] = 1<<40, nil })
	if err := os.WriteFile(filepath.Join(many, "prompts.jsonl"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := pilot.Merge(filepath.Join(t.TempDir(), "merged"), many); err == nil ||
		!strings.Contains(err.Error(), "the folders of 1099511627775 of 1099511627776 shards are missing") {
		t.Errorf("a part of very many: %v", err)
	}
	for _, spent := range []any{nil, -5} {
		silent := withManifest(t, dirs[0], func(s map[string]any) { s["spent_usd"] = spent })
		if _, err := account(silent); err == nil || !strings.Contains(err.Error(), "does not say what the shard has spent") {
			t.Errorf("a shard that has spent %v: %v", spent, err)
		}
	}
	// The shares of the first start stand, so that corrected prices divide nothing anew.
	divided := withManifest(t, dirs[0], func(s map[string]any) { s["shares"], s["spent_usd"] = []float64{0.2, 0.8}, 0.2 })
	if got, err := account(divided); err != nil || got != 0.8 {
		t.Errorf("of a budget that was divided 1 to 4 the other shard may spend $%v (%v)", got, err)
	}
	cfg := config(t, serve(t, ""), copied(t, dirs[1]), 6)
	cfg.Shard, cfg.Budget, cfg.Ledgers = pilot.Shard{Index: 1, Of: 2}, 1, []string{divided}
	if _, err := pilot.Run(t.Context(), cfg); err == nil ||
		!strings.Contains(err.Error(), "divides the budget in other shares") {
		t.Errorf("two shards that divide the budget in different shares: %v", err)
	}
	// The manifest alone says what an ended shard has spent, whatever is left of its ledger.
	short := copied(t, dirs[0])
	if err := os.WriteFile(filepath.Join(short, "ledger.jsonl"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want, errA := account(dirs[0])
	got, errB := account(short)
	if err := errors.Join(errA, errB); err != nil || got != want || want <= 0.5 {
		t.Errorf("with a ledger that was cut the other shard may spend $%v, want $%v (%v)", got, want, err)
	}
}

// TestMergeOfShardsThatDiffer: settings that the verdict rests on are those of the first
// shard, and it says so; the evaluation has one for all.
func TestMergeOfShardsThatDiffer(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	merge := func(change func(*pilot.Config)) (*pilot.Verdict, error) {
		t.Helper()
		dirs := halves(t, 4, change)
		return pilot.Merge(filepath.Join(t.TempDir(), "merged"), dirs[:]...)
	}
	const says = "shards were started with different settings"
	v, err := merge(func(c *pilot.Config) { c.Concurrency = 3 + c.Shard.Index })
	if err != nil || strings.Contains(strings.Join(v.Warnings, "\n"), says) {
		t.Errorf("calls in flight are each shard's own: %v, %q", err, v.Warnings)
	}
	v, err = merge(func(c *pilot.Config) {
		c.Waived = maps.Clone(c.Waived)
		if c.Shard.Index == 1 {
			c.Full, c.Waived["cost.estimate"] = 300, "agreed"
		}
	})
	if want := says + " (full, waived); those of shard 0 count"; err != nil ||
		!strings.Contains(strings.Join(v.Warnings, "\n"), want) {
		t.Errorf("%v, %q: want %q", err, v.Warnings, want)
	}
	for name, change := range map[string]func(*pilot.Config){
		"noise": func(c *pilot.Config) { c.Noise = dataset.Known(0.01 * float64(c.Shard.Index)) },
		"transport margin": func(c *pilot.Config) {
			t := *c.Thresholds
			t.TransportMargin += 0.01 * float64(c.Shard.Index)
			c.Thresholds = &t
		},
	} {
		if _, err := merge(change); err == nil || !strings.Contains(err.Error(), "different transport margins or noise") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMergeSaysWhatIsNext: a drill stays one, and of a run whose shards have not ended it is
// they that go on.
func TestMergeSaysWhatIsNext(t *testing.T) {
	dirs := halves(t, 6, func(c *pilot.Config) { c.Drill = true })
	open := withManifest(t, dirs[1], func(s map[string]any) { s["open"] = []string{record.StageJudge} })
	for _, c := range []struct{ second, says string }{
		{dirs[1], "This was a drill"},
		{open, "Start the shards that have not ended again, and merge again."},
	} {
		v, err := pilot.Merge(filepath.Join(t.TempDir(), "merged"), dirs[0], c.second)
		if err != nil || !strings.Contains(v.Next.Do, c.says) || v.Next.Command != "" {
			t.Errorf("%v, %+v: want %q", err, v.Next, c.says)
		}
	}
}
