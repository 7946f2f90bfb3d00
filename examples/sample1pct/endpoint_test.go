package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/internal/shareddata"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// TestFirstTestOfAnEndpoint: the logging policy and its clone, on models that cost
// nothing, is what people try first.
func TestFirstTestOfAnEndpoint(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	code, stdout, stderr := sample(t, "-out", out, "-n", "30", "-json",
		"-policies", shareddata.File(t, "cases/policies/aa.json"),
		"-prices", shareddata.File(t, "cases/policies/free_prices.json"))
	if code != exitGO {
		t.Fatalf("exit %d:\n%s%s", code, stderr, stdout)
	}
	var v pilot.Verdict
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		t.Fatal(err)
	}
	for _, f := range v.Checks {
		switch f.ID {
		case "cost.estimate":
			if f.Status != record.Pass || !strings.Contains(f.Summary, "$0 expected and $0 spent") {
				t.Errorf("%s is %s: %s", f.ID, f.Status, f.Summary)
			}
		case "weights.identical", "projection.cost":
			if f.Status != record.NotApplicable {
				t.Errorf("%s is %s: %s", f.ID, f.Status, f.Summary)
			}
		}
	}
	for _, name := range []string{"report.json", "report.md", "report.html"} {
		b, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"$NaN", "unknown price", "unpriced"} {
			if strings.Contains(string(b), bad) {
				t.Errorf("%s says %q of a free run", name, bad)
			}
		}
	}
}
