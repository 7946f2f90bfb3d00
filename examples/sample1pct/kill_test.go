package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reweigh/reweigh/dataset/journal"
	"github.com/reweigh/reweigh/internal/failpoint"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// drillEnv makes the test binary the program itself. Its value is the number of
// the write at which the program kills itself; at 0 it lives, and says at the
// end how many writes there were.
const drillEnv = "REWEIGH_DRILL_CHILD"

func TestMain(m *testing.M) {
	if at, err := strconv.ParseInt(os.Getenv(drillEnv), 10, 64); err == nil {
		var writes atomic.Int64
		failpoint.Set(func(string) {
			if writes.Add(1) == at {
				self, _ := os.FindProcess(os.Getpid())
				self.Kill()
				select {} // the signal is on its way: not one write more
			}
		})
		code := run(os.Args[1:], os.Stdout, os.Stderr)
		fmt.Printf("writes %d\n", writes.Load())
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// drill is a run of the program in a process of its own, which may be killed, against
// a simulator in this one, which sees all that was asked of it.
type drill struct {
	args        []string
	server      *sim.Server
	input       string
	concurrency int
	prompts     int

	calm   string // the undisturbed run's folder
	calls  int    // what it was billed
	writes int64
	took   time.Duration
}

// newDrill readies the two and makes the undisturbed run, with more
// flags if any are given.
func newDrill(t *testing.T, prompts, concurrency int, flags ...string) *drill {
	t.Helper()
	d := newServed(t, prompts, concurrency, "", append(flags, brief(t)...)...)
	begin := time.Now()
	out := d.finish(t, d.calm)
	d.took = time.Since(begin)
	if _, err := fmt.Sscanf(out[strings.LastIndex(out, "writes "):], "writes %d", &d.writes); err != nil {
		t.Fatalf("the undisturbed run: %v\n%s", err, out)
	}
	d.calls = d.billed(t)
	return d
}

// brief are flags for three policies whose responses are cut early, for speed.
func brief(t *testing.T) []string {
	t.Helper()
	arm := `"model":"` + sim.ScoutModel + `","template":"llama4","temperature":1,"top_p":1,"top_k":0,"max_tokens":24,` +
		`"expected_tokens":24}`
	path := filepath.Join(t.TempDir(), "policies.json")
	plan := `[{"name":"p0","role":"logging",` + arm + `,{"name":"pi_clone","role":"clone",` + arm +
		`,{"name":"pi_bad","role":"target","system":"You are an unhelpful assistant.",` + arm + `]`
	if err := os.WriteFile(path, []byte(plan), 0o666); err != nil {
		t.Fatal(err)
	}
	return []string{"-policies", path}
}

// newServed starts a simulator with faults, for the given flags.
func newServed(t *testing.T, prompts, concurrency int, faults string, flags ...string) *drill {
	t.Helper()
	dir := t.TempDir()
	f, err := sim.ParseFaults(faults)
	if err != nil {
		t.Fatal(err)
	}
	server := sim.New(sim.Config{Faults: f, Seed: 42})
	if err := server.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	prices, input := filepath.Join(dir, "prices.json"), filepath.Join(dir, "prompts.jsonl")
	var rows bytes.Buffer
	for i := range prompts {
		fmt.Fprintf(&rows, "{\"prompt_id\":\"q%02d\",\"prompt\":\"Name %d things that are blue.\"}\n", i, i+2)
	}
	if err := errors.Join(os.WriteFile(prices, sim.PricesJSON(), 0o666), os.WriteFile(input, rows.Bytes(),
		0o666)); err != nil {
		t.Fatal(err)
	}
	d := &drill{server: server, input: input, concurrency: concurrency, prompts: prompts,
		calm: filepath.Join(dir, "calm")}
	d.args = append(flags, "-live", "-fireworks-url", server.FireworksURL(), "-openai-url", server.OpenAIURL(),
		"-prices", prices, "-input", input, "-n", fmt.Sprint(prompts), "-concurrency", fmt.Sprint(concurrency), "-out")
	return d
}

// start starts the program; it kills itself at the given write, unless that is 0.
func (d *drill) start(t *testing.T, dir string, at int64) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, append(d.args[:len(d.args):len(d.args)], dir)...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", drillEnv, at), "FIREWORKS_API_KEY=dummy", "OPENAI_API_KEY=dummy")
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// finish runs the program to its end. So few prompts cannot be a GO, and attempts
// that were in flight at a kill stay in the ledger at their reservation, so the
// verdict says little; but there must be one.
func (d *drill) finish(t *testing.T, dir string) string {
	t.Helper()
	cmd, out := d.start(t, dir, 0)
	cmd.Wait()
	switch code := cmd.ProcessState.ExitCode(); code {
	case exitGO, exitNoGo, exitHold:
	default:
		t.Fatalf("exit %d:\n%s", code, out)
	}
	return out.String()
}

// billed is how many calls the server has charged so far, once it has nothing
// more to do.
func (d *drill) billed(t *testing.T) int {
	t.Helper()
	last, same := -1, 0
	for same < 3 {
		now := d.server.Bill().Total.Calls
		if same++; now != last {
			last, same = now, 0
		}
		time.Sleep(5 * time.Millisecond)
	}
	return last
}

// unacknowledged adds to calls those of a killed run that no record in its journal
// covers: those in flight, and those whose answer was about to be written.
func unacknowledged(t *testing.T, dir string, calls map[string]bool) {
	t.Helper()
	entries := map[string]providers.Entry{}
	have := map[string]bool{}
	err := journal.Scan(filepath.Join(dir, "journal"), func(r journal.Record) error {
		if r.Kind != "ledger" {
			have[r.Kind+" "+r.Key] = true
			return nil
		}
		var e providers.Entry
		if err := json.Unmarshal(r.Payload, &e); err != nil {
			return err
		}
		entries[e.ID] = e
		return nil
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	kinds := map[string]string{"p0": "response", "targets": "response", "logprobs": "logprob", "oracle": "label",
		"judge": "score", "canaries": "canary"}
	for id, e := range entries {
		kind, paid := kinds[e.Stage]
		switch {
		case e.Stage == "certify":
			// A certificate's key is its model and template.
			parts := strings.Split(e.Key, "/")
			cert := strings.Join(parts[:len(parts)-2], "/") + " " + parts[len(parts)-2]
			if !have["echo "+e.Key+"#"+e.Call] && !have["certificate "+cert] {
				calls[id] = true
			}
		case !paid: // a listing
		case have[kind+" "+e.Key]:
		case e.Call == "context" && have["echo "+e.Key]:
		default:
			calls[id] = true
		}
	}
}

// check compares a run that was killed and finished with the undisturbed one:
// what it recorded, and what it was billed since the bill stood at before.
func (d *drill) check(t *testing.T, dir, what string, before, inFlight int) {
	t.Helper()
	for _, name := range []string{
		"prompts.jsonl", "responses.jsonl", "logprobs.jsonl", "oracle.jsonl", "judge.jsonl", "canaries.jsonl",
		"samples.jsonl", "fresh_draws/pi_clone_responses.jsonl", "fresh_draws/pi_bad_responses.jsonl",
	} {
		a, errA := os.ReadFile(filepath.Join(d.calm, name))
		b, errB := os.ReadFile(filepath.Join(dir, name))
		if err := errors.Join(errA, errB); err != nil {
			t.Error(what, err)
		} else if len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s: %s differs from the undisturbed run's", what, name)
		}
	}
	if calls := d.billed(t) - before; calls > d.calls+inFlight {
		t.Errorf("%s: %d calls were billed, the undisturbed run's %d and the %d in flight are %d", what, calls, d.calls,
			inFlight, d.calls+inFlight)
	}
	// Every acknowledged record is there once: a key's later record would have
	// been paid for again.
	seen := map[string]int{}
	err := journal.Scan(filepath.Join(dir, "journal"), func(r journal.Record) error {
		switch r.Kind {
		case "response", "logprob", "label", "score", "canary", "certificate":
			if seen[r.Kind+" "+r.Key]++; seen[r.Kind+" "+r.Key] > 1 {
				t.Errorf("%s: %s %s was made twice", what, r.Kind, r.Key)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(what, err)
	}
}

// full says that the drills are run in full, which takes a quarter of an hour:
//
//	REWEIGH_DRILL=full go test ./examples/sample1pct -run Killed -v -timeout 60m
var full = os.Getenv("REWEIGH_DRILL") == "full"

// TestKilledAtEveryWrite kills the program at a write boundary, starts it again,
// and compares; for every boundary of a run in the full drill, for some of them
// otherwise.
func TestKilledAtEveryWrite(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped with -short: starts dozens of processes")
	}
	// With strata, the draw waits for the scores and is written between them and
	// the labels.
	d := newDrill(t, 2, 4, "-label-design", "strata=2", "-probes", "1")
	step := d.writes / 5
	if full {
		step = 1
	}
	killed, inFlight := 0, 0
	for at := int64(1); at <= d.writes; at += step {
		before := d.billed(t)
		dir := filepath.Join(t.TempDir(), "run")
		cmd, out := d.start(t, dir, at)
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code == exitNoReport || code == exitUsage || code == exitPreflight {
			t.Fatalf("exit %d:\n%s", code, out)
		} else if code < 0 {
			killed++
		}
		calls := map[string]bool{}
		unacknowledged(t, dir, calls)
		inFlight += len(calls)
		d.finish(t, dir)
		d.check(t, dir, fmt.Sprintf("killed at write %d of %d", at, d.writes), before, len(calls))
		os.RemoveAll(dir)
	}
	t.Logf("%d writes in an undisturbed run of %d calls; killed at %d of them; %d calls in flight then", d.writes,
		d.calls, killed, inFlight)
	if killed == 0 {
		t.Error("no kill came in time")
	}
}

// TestKilledAtRandomMoments kills a run several times from outside, whenever.
func TestKilledAtRandomMoments(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped with -short: starts dozens of processes")
	}
	const perRun = 5
	kills := 5
	if full {
		kills = 200
	}
	d := newDrill(t, 6, 8)
	r := rand.New(rand.NewPCG(1, 0))
	killed, all := 0, 0
	for killed < kills {
		before := d.billed(t)
		dir := filepath.Join(t.TempDir(), "run")
		calls := map[string]bool{}
		for range perRun {
			cmd, out := d.start(t, dir, 0)
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case <-time.After(time.Duration(r.Float64() * 0.5 * float64(d.took))):
			case <-ended:
				ended <- nil
			}
			cmd.Process.Kill()
			<-ended
			if code := cmd.ProcessState.ExitCode(); code < 0 {
				killed++
			} else if code == exitNoReport || code == exitUsage || code == exitPreflight {
				t.Fatalf("exit %d:\n%s", code, out)
			}
			unacknowledged(t, dir, calls)
		}
		inFlight := len(calls)
		all += inFlight
		d.finish(t, dir)
		d.check(t, dir, fmt.Sprintf("after %d kills", killed), before, inFlight)
		if most := perRun * 2 * (d.concurrency + 1); inFlight > most {
			t.Errorf("%d calls were in flight at %d kills, more than two services of %d each", inFlight, perRun, d.concurrency)
		}
		os.RemoveAll(dir)
	}
	t.Logf("%d calls undisturbed; killed %d times; %d calls in flight then", d.calls, killed, all)
}
