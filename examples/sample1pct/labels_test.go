package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/oracle"
)

// few writes an input of eight prompts, q0 to q7, and returns the flags for it.
func few(t *testing.T) []string {
	t.Helper()
	input := filepath.Join(t.TempDir(), "prompts.jsonl")
	var rows strings.Builder
	for i := range 8 {
		fmt.Fprintf(&rows, "{\"prompt_id\":\"q%d\",\"prompt\":\"Name %d things that are blue.\"}\n", i, i+2)
	}
	if err := os.WriteFile(input, []byte(rows.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return []string{"-input", input, "-n", "8", "-out", filepath.Join(t.TempDir(), "run"),
		"-waive", "judge.calibration=too few for it"}
}

// TestLabelsAreRefused: what -label-design and -labels cannot be is said with the
// word or the line at fault, before anything is spent.
func TestLabelsAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "people.csv")
	for _, c := range []struct {
		design, rows string
		code         int
		says, reason string
	}{
		{"fraction=0", "", exitUsage, "fraction 0", "no label at all"},
		{"fraction=25", "", exitUsage, "fraction 25", "a percentage"},
		{"fraction=NaN", "", exitUsage, "fraction NaN", "no number"},
		{"strata=many", "", exitUsage, `strata "many" is not a number`, "a word"},
		{"strata=-2", "", exitUsage, "Strata -2", "less than none"},
		{"duplicates=1,duplicates=2", "", exitUsage, "duplicates is given twice", "which of the two?"},
		{"stratum=2", "", exitUsage, `"stratum=2": want fraction=`, "a misspelling is no default"},
		{"fraction=1", "nobody,p0,0,0.5", exitPreflight, file + `:2: prompt_id "nobody" is unknown`, "an unknown id"},
		{"fraction=1", "q0,pi_cot,0,0.5", exitPreflight, file + `:2: q0/pi_cot/0 is a response of policy "pi_cot"`,
			"another policy's response"},
		{"fraction=1", "q0,p0,0,85", exitPreflight, file + ":2: label 85 is not in [0, 1]", "out of scale"},
		{"fraction=1", "q0,p0,0,0.5\nq0,p0,0,0.5", exitPreflight, file + ":3: q0/p0/0 was labeled already on line 2",
			"a duplicate"},
		{"strata=3", "q0,p0,0,0.5", exitPreflight, "scores that are not there yet", "strata before scores"},
	} {
		args := append(few(t), "-preflight", "-label-design", c.design)
		if c.rows != "" {
			if err := os.WriteFile(file, []byte("prompt_id,policy,draw_idx,label\n"+c.rows+"\n"), 0o666); err != nil {
				t.Fatal(err)
			}
			args = append(args, "-labels", file)
		}
		code, stdout, stderr := sample(t, args...)
		if code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit %d, want %d and %q:\n%s%s", c.reason, code, c.code, c.says, stdout, stderr)
		}
	}
}

// TestLabelsByDesignThenByPeople is the way of a user without a budget for labels:
// a few, spread over the scores, by a model; then the same ones by people.
func TestLabelsByDesignThenByPeople(t *testing.T) {
	args := append(few(t), "-probes", "1", "-label-design")
	dir := args[5]
	read := func() []dataset.OracleLabel {
		rows, err := dataset.ReadFile[dataset.OracleLabel](filepath.Join(dir, "oracle.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if code, _, stderr := sample(t, append(args, "fraction=0.5,strata=2,duplicates=2")...); code != exitGO {
		t.Fatalf("exit %d:\n%s", code, stderr)
	}
	model := read()
	roles := map[string]int{}
	text := "prompt_id,policy,draw_idx,label\n"
	for _, l := range model {
		if roles[l.Role]++; l.Role != oracle.RoleDuplicate {
			text += fmt.Sprintf("%s,%s,0,0.25\n", l.PromptID, l.Policy)
		}
	}
	if roles[oracle.RoleCalibration] != 4 || roles[oracle.RoleProbe] != 4 || roles[oracle.RoleDuplicate] != 2 {
		t.Fatalf("labels by role: %v", roles)
	}
	file := filepath.Join(dir, "..", "people.csv")
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	calls := func() int {
		ledger, err := os.ReadFile(filepath.Join(dir, "ledger.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(ledger), "\n") - strings.Count(string(ledger), `"stage":"preflight"`)
	}
	before := calls()
	if code, _, stderr := sample(t, append(args, "fraction=0.5,strata=2", "-labels", file)...); code != exitHold {
		t.Fatalf("exit %d:\n%s", code, stderr)
	}
	theirs := read()
	if len(theirs) != 8 {
		t.Fatalf("%d labels of people, want 8", len(theirs))
	}
	for _, l := range theirs {
		if l.Label.OrNaN() != .25 || !strings.HasPrefix(l.Oracle, "people@") {
			t.Errorf("label %+v", l)
		}
	}
	if paid := calls() - before; paid != 0 || before < 100 {
		t.Errorf("%d more calls after %d", paid, before)
	}
}
