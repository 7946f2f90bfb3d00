package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/offpolicy/pilot/report"
)

// runFolder is a run's folder as its report leaves it.
func runFolder(t *testing.T, decision record.Decision) string {
	t.Helper()
	none := record.Quantity{}
	v := &pilot.Verdict{
		SchemaVersion: record.SchemaVersion, State: "done", Decision: decision,
		Checks:     []record.Finding{{ID: "prompts.unique", Status: record.Pass, Summary: "all different"}},
		Cost:       record.CostEstimate{},
		Projection: record.Projection{Calls: none, USD: none, Tokens: none, Seconds: none},
		Run:        pilot.RunInfo{Prompts: 100},
	}
	dir := t.TempDir()
	if err := report.WriteFiles(dir, v); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRun(t *testing.T) {
	a, b := runFolder(t, record.GO), runFolder(t, record.HOLD)
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, report.JSONFile), []byte("{\n\"state\": oops}"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		args   []string
		code   int
		stdout string
		stderr string
		reason string
	}{
		{"render", []string{"-run", a}, 0, "Can the full run start? Yes (GO).", "", "the short form"},
		{"render without the flag", []string{a}, 0, filepath.Join(a, "report.html"), "", "say where the page is"},
		{"compare", []string{a, b}, 0, "B  HOLD: " + b, "", "two folders"},
		{"compare by flag", []string{"-run", a, b}, 0, "A  GO: " + a, "", "the flag's folder comes first"},
		{"none", nil, 2, "", "0 folders", "say what is wanted"},
		{"three", []string{a, b, a}, 2, "", "3 folders", "a third would be dropped"},
		{"unknown flag", []string{"-x"}, 2, "", "-x", "usage"},
		{"no report", []string{t.TempDir()}, 1, "", "report.json", "name the file"},
		{"broken report", []string{a, broken}, 1, "", "line 2", "name the line"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(c.args, &stdout, &stderr)
		if code != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) ||
			c.code != 0 && stdout.Len() > 0 {
			t.Errorf("%s (%s): exit %d\n%s%s", c.name, c.reason, code, &stdout, &stderr)
		}
	}
}

func TestRenderWritesThePageAnew(t *testing.T) {
	dir := runFolder(t, record.GO)
	page := filepath.Join(dir, report.HTMLFile)
	before, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(page); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := run([]string{"-run", dir}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit %d: %s", code, &stderr)
	}
	after, err := os.ReadFile(page)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the page is another than the run's own: %v", err)
	}
}
