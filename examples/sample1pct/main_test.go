package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/arenagen"
	_ "github.com/reweigh/reweigh/internal/lessgc"
	"github.com/reweigh/reweigh/internal/shareddata"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers/sim"
)

// sample runs the program in this process, on a few of the bundled conversations if the
// arguments name no input: to make and to read all of them takes longer than a small run.
func sample(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	if !slices.Contains(args, "-input") && !slices.Contains(args, "-merge") {
		args = append([]string{"-input", conversations(t)}, args...)
	}
	return onDefaults(args...)
}

// conversations is a file of a tenth of the bundled ones.
func conversations(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "few.jsonl")
	if err := os.WriteFile(path, tenth(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

var tenth = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	if err := arenagen.WriteJSONL(&b, 600, 1); err != nil {
		panic(err)
	}
	return b.Bytes()
})

// onDefaults is sample, on the bundled conversations.
func onDefaults(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

// ofFew are args for n prompts, too few to calibrate a judge: for tests of something else.
func ofFew(n string, args ...string) []string {
	return append(args, "-waive", "judge.calibration=too few for it", "-n", n)
}

func lines(t *testing.T, path string) int {
	t.Helper()
	rows, err := dataset.ReadFile[json.RawMessage](path)
	if err != nil {
		t.Fatal(err)
	}
	return len(rows)
}

func TestDefaultRunIsGO(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	dir := filepath.Join(t.TempDir(), "run")
	code, stdout, stderr := onDefaults("-out", dir, "-json")
	if code != exitGO {
		t.Fatalf("exit %d:\n%s", code, stderr)
	}
	var v pilot.Verdict
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		t.Fatalf("-json writes report.json and nothing else: %v", err)
	}
	if v.Decision != record.GO || v.State != "done" {
		t.Errorf("%s (%s): %q", v.Decision, v.State, v.Reasons)
	}
	if file, err := os.ReadFile(filepath.Join(dir, "report.json")); err != nil || string(file) != stdout {
		t.Errorf("the folder's report is another one than was printed (%v)", err)
	}
	// The contract of the run directory: 100 prompts under five policies.
	for name, want := range map[string]int{
		"prompts.jsonl": 100, "responses.jsonl": 500, "logprobs.jsonl": 500, "oracle.jsonl": 100, "judge.jsonl": 500,
		"samples.jsonl":                        100,
		"fresh_draws/pi_clone_responses.jsonl": 100, "fresh_draws/pi_cot_responses.jsonl": 100,
		"fresh_draws/pi_bigger_model_responses.jsonl": 100, "fresh_draws/pi_bad_responses.jsonl": 100,
	} {
		if got := lines(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s has %d lines, want %d", name, got, want)
		}
	}
	for _, name := range []string{"manifest.json", "ledger.jsonl", "report.json", "report.md", "report.html"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, want := range []string{"certify", "p0", "targets", "logprobs", "oracle", "judge", "$"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("progress does not show %q:\n%s", want, stderr)
		}
	}
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.jsonl", `{"prompt_id":"a","prompt":"one"}`+"\n"+`{"prompt_id":"b","prompt":"two"}`+"\n")
	for _, env := range []string{"FIREWORKS_API_KEY", "OPENAI_API_KEY"} {
		t.Setenv(env, "")
	}
	tests := []struct {
		name   string
		args   []string
		code   int
		say    []string // what a person needs to act
		reason string
	}{
		{"unknown flag", []string{"-nope"}, exitUsage, []string{"-nope"}, "a typo must not run anything"},
		{"stray argument", []string{"go"}, exitUsage, []string{`"go"`}, "a forgotten dash must not run anything"},
		{"n of zero", []string{"-n", "0"}, exitUsage, []string{"-n"}, "there is no such sample"},
		{"faults with live", []string{"-live", "-faults", "429=1"}, exitUsage, []string{"-faults"},
			"drills must not reach a paid service"},
		{"URL without live", []string{"-fireworks-url", "http://127.0.0.1:1/v1"}, exitUsage, []string{"-live"},
			"it would be ignored in silence"},
		{"waiver without a reason", []string{"-waive", "cost.estimate"}, exitUsage, []string{"id=reason"},
			"a waiver states its reason"},
		{"live without keys", []string{"-live"}, exitPreflight, []string{"FIREWORKS_API_KEY", "OPENAI_API_KEY"},
			"both missing keys at once"},
		{"no such input", []string{"-input", filepath.Join(dir, "none.jsonl")}, exitPreflight, []string{"none.jsonl"},
			"name the file"},
		{"bad JSON", []string{"-input", write("bad.jsonl", `{"prompt_id":"a","prompt":"one"}`+"\n{oops\n")}, exitPreflight,
			[]string{"bad.jsonl", "2"}, "name file and line"},
		{"no prompts", []string{"-input", write("empty.jsonl", "")}, exitPreflight, []string{"empty.jsonl"},
			"an empty sample says nothing"},
		{"duplicate ids", []string{"-input",
			write("dup.jsonl", `{"prompt_id":"a","prompt":"one"}`+"\n"+`{"prompt_id":"a","prompt":"two"}`+"\n")}, exitPreflight,
			[]string{"dup.jsonl", `"a"`, "2"}, "records join by id"},
		{"too few prompts", []string{"-input", good, "-n", "3"}, exitPreflight, []string{"2", "-n"},
			"say how many there are"},
		{"unknown fault", []string{"-faults", "lightning=1"}, exitPreflight, []string{"lightning"}, "name it"},
		{"plain http to another machine", []string{"-live", "-fireworks-url", "http://192.0.2.1/v1?token=t0k3n"},
			exitPreflight, []string{"192.0.2.1", "-insecure-http"}, "keys and prompts would go in clear"},
		{"the same by an endpoint", []string{"-endpoint", "e=vllm:http://192.0.2.1/v1"}, exitPreflight,
			[]string{"192.0.2.1", "-insecure-http"}, "prompts would go in clear"},
		{"unknown waiver", []string{"-input", good, "-n", "2", "-waive", "cost.estimat=typo"}, exitPreflight,
			[]string{"cost.estimat"}, "it would waive nothing"},
		{"unpriced judge", []string{"-input", good, "-n", "2", "-judge-model", "gpt-9"}, exitPreflight,
			[]string{"gpt-9", "-prices", "does not serve"}, "unpriced is refused, not free"},
		{"budget below the expected cost", []string{"-budget", "0.01"}, exitPreflight, []string{"-budget", "$0.01"},
			"a run that cannot end is not begun"},
		{"too few labels for any estimate", []string{"-n", "20"}, exitPreflight, []string{"20 labels", "fewer than 25",
			"-n 25", "-waive judge.calibration=REASON"}, "it could only end as a NO-GO"},
		{"too few by the design", []string{"-label-design", "fraction=0.1"}, exitPreflight, []string{"10 labels", "-n 245"},
			"the number that works"},
		{"a reason that was copied", []string{"-waive", "judge.calibration=REASON"}, exitUsage,
			[]string{"in place of REASON"}, "a placeholder is no reason"},
		{"preflight alone", []string{"-preflight"}, exitGO, []string{"Cost of", "nothing was spent"}, "it passed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "run")
			code, stdout, stderr := sample(t, append([]string{"-out", out}, tt.args...)...)
			if code != tt.code {
				t.Errorf("exit %d, want %d (%s):\n%s", code, tt.code, tt.reason, stderr)
			}
			if stdout != "" {
				t.Errorf("stdout: %q", stdout)
			}
			for _, want := range tt.say {
				if !strings.Contains(stderr, want) {
					t.Errorf("the message does not say %q:\n%s", want, stderr)
				}
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("a refused run left a folder behind")
			}
		})
	}
}

func TestAnotherConfigurationIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	dir := filepath.Join(t.TempDir(), "run")
	args := ofFew("3", "-out", dir)
	if code, _, stderr := sample(t, args...); code != exitGO {
		t.Fatalf("exit %d:\n%s", code, stderr)
	}
	before, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	code, _, stderr := sample(t, append(args, "-seed", "43")...)
	if code != exitPreflight || !strings.Contains(stderr, "seed") || !strings.Contains(stderr, "-out") {
		t.Errorf("exit %d: want %d and a message that names seed and -out:\n%s", code, exitPreflight, stderr)
	}
	after, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the refused run touched the report: %v", err)
	}
}

// TestLiveSpeaksToTheGivenAddresses runs -live against a simulator on loopback.
func TestLiveSpeaksToTheGivenAddresses(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	s := sim.New(sim.Config{Keys: []string{"fw-key", "oa-key"}})
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	args := ofFew("3", "-live", "-fireworks-url", s.FireworksURL(), "-openai-url", s.OpenAIURL(), "-out",
		filepath.Join(t.TempDir(), "run"))
	t.Setenv("FIREWORKS_API_KEY", "fw-key")
	t.Setenv("OPENAI_API_KEY", "wrong-key")
	code, _, stderr := sample(t, args...)
	if code != exitPreflight || !strings.Contains(stderr, "openai") || s.Bill().Total.Calls != 0 {
		t.Errorf("a refused key: exit %d after %d paid calls:\n%s", code, s.Bill().Total.Calls, stderr)
	}
	if strings.Contains(stderr, "wrong-key") {
		t.Error("the key was printed")
	}
	t.Setenv("OPENAI_API_KEY", "oa-key")
	code, _, stderr = sample(t, args...)
	if code == exitPreflight || code == exitNoReport || s.Bill().Total.Calls == 0 {
		t.Errorf("exit %d after %d calls:\n%s", code, s.Bill().Total.Calls, stderr)
	}
}

func TestWaiverShows(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	code, stdout, _ := sample(t, ofFew("3", "-faults", "expensive=3", "-waive", "cost.estimate=agreed with finance",
		"-out", filepath.Join(t.TempDir(), "run"))...)
	if code != exitGO || !strings.Contains(stdout, "agreed with finance") {
		t.Errorf("exit %d: want GO that names the waiver:\n%s", code, stdout)
	}
}

func TestPoliciesAndPricesFromFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	dir := t.TempDir()
	var arms []map[string]any
	for i, name := range []string{"base", "twin", "worse"} {
		arm := map[string]any{
			"name": name, "role": []string{"logging", "clone", "target"}[i], "model": sim.ScoutModel, "template": "llama4",
			"temperature": 1, "top_p": 1, "top_k": 0, "max_tokens": 256, "expected_tokens": 200, "expected_rank": 1 + i/2,
		}
		if name == "worse" {
			arm["system"] = "You are an unhelpful assistant. Give vague, evasive answers and do not answer the question."
			arm["expected_tokens"] = 100
		}
		arms = append(arms, arm)
	}
	b, err := json.Marshal(arms)
	if err != nil {
		t.Fatal(err)
	}
	policies, prices := filepath.Join(dir, "policies.json"), filepath.Join(dir, "prices.json")
	table := fmt.Sprintf(`{"date":"2026-01-01","models":{%q:{"input":150,"output":600}}}`, sim.ScoutModel)
	for path, content := range map[string]string{policies: string(b), prices: table} {
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "run")
	code, sout, stderr := sample(t, ofFew("5", "-policies", policies, "-prices", prices, "-out", out, "-waive",
		"cost.estimate=lengths are made up", "-waive", "responses.truncated=so are the limits")...)
	if code != exitGO {
		t.Fatalf("exit %d:\n%s%s", code, stderr, sout)
	}
	if got := lines(t, filepath.Join(out, "fresh_draws", "worse_responses.jsonl")); got != 5 {
		t.Errorf("%d fresh draws of the file's own target", got)
	}
	rows, err := dataset.ReadFile[map[string]any](filepath.Join(out, "ledger.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	most := 0.0
	for _, row := range rows {
		most = max(most, row["cost_usd"].(float64))
	}
	if most < 0.01 { // a thousand times the table's price of a few thousandths of a cent
		t.Errorf("the dearest call cost $%v: the price file was not used", most)
	}
}

func TestRealPromptsAndExtension(t *testing.T) {
	input := shareddata.File(t, "data/arena_prompts.jsonl")
	s := sim.New(sim.Config{})
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	t.Setenv("FIREWORKS_API_KEY", "k")
	t.Setenv("OPENAI_API_KEY", "k")
	prices := filepath.Join(t.TempDir(), "prices.json")
	if err := os.WriteFile(prices, sim.PricesJSON(), 0o666); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "run")
	for _, n := range []string{"4", "10"} {
		code, stdout, stderr := sample(t, ofFew(n, "-live", "-fireworks-url", s.FireworksURL(), "-openai-url",
			s.OpenAIURL(), "-prices", prices, "-input", input, "-seed", "7", "-out", dir)...)
		if code != exitGO {
			t.Fatalf("-n %s: exit %d:\n%s%s", n, code, stdout, stderr)
		}
	}
	for id, times := range s.Bill().Replies {
		if times > 1 {
			t.Errorf("%s was paid %d times: the first four's calls were made again", id, times)
		}
	}
}

// The exit code is that of the decision in report.json, and the report in the
// folder is the one that was printed; for GO, [TestDefaultRunIsGO] says so.
func TestExitCodesAgreeWithTheReport(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: whole runs, which race no other way than the default run")
	}
	codes := map[record.Decision]int{record.GO: exitGO, record.HOLD: exitHold, record.NoGo: exitNoGo}
	for _, row := range []struct {
		args   []string
		want   record.Decision
		reason string
	}{
		{ofFew("6", append(brief(t), "-faults", "expensive=1.3")...), record.HOLD, "the bill is over by 30%"},
		{ofFew("3", "-faults", "zero=0.5"), record.NoGo, "zeros that nothing explains"},
		{ofFew("6", "-faults", "expensive=3", "-budget", "0.04"), record.HOLD,
			"a budget that ends in the middle can be raised"},
	} {
		dir := filepath.Join(t.TempDir(), "run")
		code, stdout, stderr := sample(t, append([]string{"-out", dir, "-json"}, row.args...)...)
		var printed pilot.Verdict
		if err := json.Unmarshal([]byte(stdout), &printed); err != nil {
			t.Fatalf("%q: %v\n%s", row.args, err, stderr)
		}
		file, err := os.ReadFile(filepath.Join(dir, "report.json"))
		if err != nil || string(file) != stdout {
			t.Errorf("%q: the folder's report is another one than was printed (%v)", row.args, err)
		}
		if printed.Decision != row.want || code != codes[row.want] {
			t.Errorf("%q: %s and exit %d, want %s and %d (%s): %q", row.args, printed.Decision, code, row.want, codes[row.want],
				row.reason, printed.Reasons)
		}
	}
}
