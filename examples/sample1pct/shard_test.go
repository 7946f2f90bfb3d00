package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot"
)

// TestShardsUnderOneBudget: two shards that are killed and started again, one of them at a
// server that bills more than was estimated. It stops at its part of the budget, goes on
// with what the other left, and the servers have billed no more than the whole. Merged, the
// records are those of the run made in one go.
func TestShardsUnderOneBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped with -short: starts a dozen processes")
	}
	const budget = 0.058 // a quarter more than is expected
	cheap, dear := newServed(t, 8, 4, ""), newServed(t, 8, 4, "expensive=1.3")
	calm := cheap.calm
	cheap.finish(t, calm)
	before := cheap.server.Bill().Total.USD
	dirs := []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")}
	args := [][]string{cheap.args, dear.args}
	start := func(i int, kill int64, flags ...string) string {
		t.Helper()
		d := *cheap
		d.args = append(append(flags, "-shard", fmt.Sprintf("%d/2", i), "-budget", fmt.Sprint(budget)), args[i]...)
		cmd, out := d.start(t, dirs[i], kill)
		cmd.Wait()
		switch code := cmd.ProcessState.ExitCode(); code {
		case -1:
			return "killed"
		case exitGO, exitHold:
			return out.String()
		default:
			t.Fatalf("shard %d: exit %d:\n%s", i, code, out)
			return ""
		}
	}
	const spent, ended = "shard's part of the budget is spent", "Merge the folders of all 2 shards"
	for _, s := range []struct {
		shard int
		kill  int64
		flags []string
		says  string
	}{
		{0, 150, nil, "killed"},
		{1, 90, nil, "killed"},
		{0, 0, nil, ended},
		{1, 0, nil, spent},
		{1, 0, nil, spent}, // it has no other money
		{1, 0, []string{"-ledger", dirs[0]}, ended},
	} {
		if out := start(s.shard, s.kill, s.flags...); !strings.Contains(out, s.says) {
			t.Errorf("shard %d %v does not say %q:\n%s", s.shard, s.flags, s.says, out)
		}
	}
	cheap.billed(t)
	dear.billed(t)
	if bill := cheap.server.Bill().Total.USD - before + dear.server.Bill().Total.USD; !(bill <= budget) {
		t.Errorf("the servers billed $%.5f, the budget is $%.5f", bill, budget)
	} else {
		t.Logf("billed $%.5f of $%.5f", bill, budget)
	}
	merged := filepath.Join(t.TempDir(), "merged")
	killed := drill{args: []string{"-merge", dirs[0], dirs[1], "-out"}}
	cmd, _ := killed.start(t, merged, 100)
	if cmd.Wait() == nil {
		t.Error("the merge was not killed")
	}
	code, out, errs := sample(t, "-merge", "-out", merged, dirs[1], dirs[0])
	if code != exitNoGo || !strings.Contains(out, "judge.calibration") { // so few labels make no calibrator
		t.Errorf("merged: exit %d\n%s%s", code, out, errs)
	}
	// Responses say what the server counted.
	for _, name := range []string{"prompts.jsonl", "logprobs.jsonl", "oracle.jsonl", "judge.jsonl",
		"canaries.jsonl", "samples.jsonl", "fresh_draws/pi_cot_responses.jsonl"} {
		a, errA := os.ReadFile(filepath.Join(calm, name))
		b, errB := os.ReadFile(filepath.Join(merged, name))
		if err := errors.Join(errA, errB); err != nil || len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s differs from the run's that was made in one go (%v)", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(merged, "report.html")); err != nil {
		t.Error(err)
	}
}

func TestShardFlags(t *testing.T) {
	for _, r := range []struct {
		args  string
		shard pilot.Shard
		dirs  []string
		ok    bool
	}{
		{"-shard 0/4", pilot.Shard{Of: 4}, nil, true},
		{"-shard 3/4 -ledger a -ledger b", pilot.Shard{Index: 3, Of: 4}, nil, true},
		{"-shard 4/4", pilot.Shard{}, nil, false},
		{"-shard 1", pilot.Shard{}, nil, false},
		{"-shard x/2", pilot.Shard{}, nil, false},
		{"-shard 0/0", pilot.Shard{}, nil, false},
		{"-ledger a", pilot.Shard{}, nil, false},
		{"-merge -out m a b", pilot.Shard{}, []string{"a", "b"}, true},
		{"-merge a b -out m", pilot.Shard{}, []string{"a", "b"}, true},
		{"-out m -merge a,b c", pilot.Shard{}, []string{"a", "b", "c"}, true},
		{"-merge=a -merge=b -out m", pilot.Shard{}, []string{"a", "b"}, true},
		{"-merge", pilot.Shard{}, nil, false},
		{"-merge a -shard 0/2", pilot.Shard{}, nil, false},
		{"a b", pilot.Shard{}, nil, false},
	} {
		o, err := parse(strings.Fields(r.args), io.Discard)
		var dirs []string
		if o.merge != nil {
			dirs = o.merge.dirs
		}
		if (err == nil) != r.ok || r.ok && (o.shard != r.shard || !slices.Equal(dirs, r.dirs)) {
			t.Errorf("%s: shard %+v, folders %q, %v", r.args, o.shard, dirs, err)
		}
	}
}
