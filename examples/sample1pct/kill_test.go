package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/reweigh/reweigh/providers/sim"
)

// build compiles the two programs of the drill.
func build(t *testing.T) (sample1pct, simserver string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"sample1pct", "simserver"} {
		cmd := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "../"+name)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	suffix := ""
	if runtime.GOOS == "windows" {
		suffix = ".exe"
	}
	return filepath.Join(dir, "sample1pct"+suffix), filepath.Join(dir, "simserver"+suffix)
}

// server starts simserver in another process and returns its two URLs.
func server(t *testing.T, program, bill string) (fireworks, openai string) {
	t.Helper()
	cmd := exec.Command(program, "-bill", bill)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	urls := map[string]string{}
	scanner := bufio.NewScanner(stdout)
	for len(urls) < 2 && scanner.Scan() {
		name, url, _ := strings.Cut(scanner.Text(), " ")
		urls[name] = url
	}
	if urls["fireworks"] == "" || urls["openai"] == "" {
		t.Fatalf("simserver did not print its addresses: %v", urls)
	}
	return urls["fireworks"], urls["openai"]
}

func readBill(path string) (b sim.Bill, ok bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return b, false
	}
	return b, json.Unmarshal(data, &b) == nil
}

// TestKilledTenTimes kills the program without warning at ten points of its
// run, told by the server's bill, and starts it again each time.
func TestKilledTenTimes(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped with -short: starts a dozen processes")
	}
	program, simserver := build(t)
	prices := filepath.Join(t.TempDir(), "prices.json")
	if err := os.WriteFile(prices, sim.PricesJSON(), 0o666); err != nil {
		t.Fatal(err)
	}
	const concurrency = 8
	start := func(dir, fireworks, openai string) (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.Command(program, "-live", "-fireworks-url", fireworks, "-openai-url", openai, "-prices", prices,
			"-n", "60", "-concurrency", fmt.Sprint(concurrency), "-out", dir)
		cmd.Env = append(os.Environ(), "FIREWORKS_API_KEY=dummy", "OPENAI_API_KEY=dummy")
		out := &bytes.Buffer{}
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, out
	}
	root := t.TempDir()

	calm, calmBill := filepath.Join(root, "calm"), filepath.Join(root, "calm.json")
	fireworks, openai := server(t, simserver, calmBill)
	if cmd, out := start(calm, fireworks, openai); cmd.Wait() != nil {
		t.Fatalf("the undisturbed run: %v\n%s", cmd.ProcessState, out)
	}
	want, ok := readBill(calmBill)
	if !ok {
		t.Fatal("no bill of the undisturbed run")
	}

	killed, killedBill := filepath.Join(root, "killed"), filepath.Join(root, "killed.json")
	fireworks, openai = server(t, simserver, killedBill)
	const kills = 10
	done := 0
	for k := range kills {
		target := want.Total.Calls * (2*k + 1) / (2 * kills)
		cmd, out := start(killed, fireworks, openai)
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for {
			if b, ok := readBill(killedBill); ok && b.Total.Calls >= target {
				break
			}
			select {
			case err := <-ended:
				t.Fatalf("the run ended before %d calls: %v\n%s", target, err, out)
			case <-time.After(time.Millisecond):
			}
		}
		cmd.Process.Kill()
		if err := <-ended; err != nil {
			done++
		}
	}
	if done < kills-1 {
		t.Errorf("only %d of %d kills came in time", done, kills)
	}
	cmd, out := start(killed, fireworks, openai)
	if err := cmd.Wait(); err != nil {
		var exit *exec.ExitError
		// Attempts that were in flight at a kill stay in the ledger at their
		// reservation, so the cost check may hold: that is what it is for.
		if !errors.As(err, &exit) || exit.ExitCode() != exitHold || !bytes.Contains(out.Bytes(), []byte("cost.estimate")) {
			t.Fatalf("the last start: %v\n%s", err, out)
		}
	}
	got, ok := readBill(killedBill)
	if !ok {
		t.Fatal("no bill of the killed run")
	}
	twice := 0
	for _, n := range got.Answers {
		twice += n - 1
	}
	if len(got.Answers) != len(want.Answers) {
		t.Errorf("%d different calls were paid, %d in the undisturbed run", len(got.Answers), len(want.Answers))
	}
	if inFlight := kills * 2 * concurrency; twice > inFlight { // at two services
		t.Errorf("%d calls were paid again, more than the %d that can have been in flight", twice, inFlight)
	}
	t.Logf("undisturbed: %d calls, $%.4f; killed %d times: %d calls, $%.4f, %d paid again", want.Total.Calls, want.Total.USD, done, got.Total.Calls, got.Total.USD, twice)
	for _, name := range []string{
		"prompts.jsonl", "responses.jsonl", "logprobs.jsonl", "oracle.jsonl", "judge.jsonl", "samples.jsonl",
		"fresh_draws/pi_clone_responses.jsonl", "fresh_draws/pi_cot_responses.jsonl",
		"fresh_draws/pi_bigger_model_responses.jsonl", "fresh_draws/pi_bad_responses.jsonl",
	} {
		a, errA := os.ReadFile(filepath.Join(calm, name))
		b, errB := os.ReadFile(filepath.Join(killed, name))
		if err := errors.Join(errA, errB); err != nil {
			t.Error(err)
		} else if !bytes.Equal(a, b) {
			t.Errorf("%s differs from the undisturbed run's", name)
		}
	}
}
