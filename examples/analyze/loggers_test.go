package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy"
)

// Lines that name their logger are pooled; -logger takes the rows of one.
func TestLoggers(t *testing.T) {
	var lines strings.Builder
	for i := range 120 {
		x := float64(i%60)/60 + .5/60
		logger, own, other := "old", math.Log(2*(1-x)), math.Log(2*x)
		if i >= 60 {
			logger, own, other = "new", other, own
		}
		fmt.Fprintf(&lines, `{"prompt_id": "q%d", "prompt": "p", "response": "r", "logger": %q, "base_policy_logprob": %v, `+
			`"target_policy_logprobs": {%q: %v, "target": -10}, "judge_score": %v, "oracle_label": %v}`+"\n", i, logger, own-10,
			map[string]string{"old": "new", "new": "old"}[logger], other-10, x, math.Round(10*x)/10)
	}
	file := filepath.Join(t.TempDir(), "logged.jsonl")
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(args ...string) (d offpolicy.Document) {
		t.Helper()
		code, stdout, stderr := call(t, append([]string{"-json", "-logged", file}, args...)...)
		if code != exitOK {
			t.Fatalf("exit %d, %s", code, stderr)
		}
		if err := json.Unmarshal([]byte(stdout), &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := read()
	w := d.Policies["target"].Weights
	if d.Logging != "logs" || d.Rows != 120 || math.Abs(w.ESS.OrNaN()-120) > 1e-6 || len(w.Loggers) != 2 ||
		d.Policies["old"] == nil {
		t.Errorf("%s, %d rows, ESS %v, loggers %+v", d.Logging, d.Rows, w.ESS, w.Loggers)
	}
	if d := read("-logger", "new"); d.Logging != "new" || d.Rows != 60 || d.Policies["old"] == nil ||
		!(d.Policies["target"].Weights.ESS.OrNaN() < 50) {
		t.Errorf("of new alone: %s, %d rows, ESS %v", d.Logging, d.Rows, d.Policies["target"].Weights.ESS)
	}
	if code, _, stderr := call(t, "-logged", file, "-logger", "nobody"); code != exitFail ||
		!strings.Contains(stderr, "no logged response of nobody") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	if code, _, stderr := call(t, "-logged", file, "-logger", "new", "-logging", "old"); code != exitUsage ||
		!strings.Contains(stderr, "leave -logging out") {
		t.Errorf("two names of one logging policy: exit %d, %s", code, stderr)
	}
	// What is wrong with a row is said of its own line, of whichever logger it is.
	bad := strings.Replace(lines.String(), `{"prompt_id": "q100"`, `{"inclusion_prob": 7, "prompt_id": "q100"`, 1)
	if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := call(t, "-logged", file, "-logger", "new"); code != exitFail ||
		!strings.Contains(stderr, ":101:") {
		t.Errorf("exit %d, %s; want line 101", code, stderr)
	}
	if code, _, _ := call(t, "-run", file, "-logger", "new"); code != exitUsage {
		t.Errorf("-logger of a run: exit %d", code)
	}
}
