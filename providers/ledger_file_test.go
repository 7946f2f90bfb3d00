package providers_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/providers"
)

// A second process that opens the file has the entries of the first, each as it
// ended, without the line that the first did not finish.
func TestFileLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	open := func() *providers.FileLedger {
		l, err := providers.OpenFileLedger(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	a := providers.Entry{ID: "a", Stage: "p0", Outcome: providers.OutcomeInFlight, Cost: 2}
	b := providers.Entry{ID: "b", Outcome: providers.OutcomeInFlight, Cost: 3}
	ended := a
	ended.Outcome, ended.Cost, ended.UsageKnown, ended.PromptTokens = providers.OutcomeOK, 1, true, 7
	first := open()
	for _, err := range []error{first.Begin(a), first.Begin(b), first.End(ended)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if first.Begin(a) == nil || first.End(providers.Entry{ID: "c"}) == nil {
		t.Error("an entry began twice, or ended without a beginning")
	}
	first.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := append(whole, `{"id":"c","cost_usd":`...)
	if err := os.WriteFile(path, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	second := open()
	if !second.Began("a") || second.Began("c") {
		t.Error("what began is not what the file says")
	}
	d := providers.Entry{ID: "d", Outcome: providers.OutcomeInFlight}
	if err := second.Begin(d); err != nil {
		t.Fatal(err)
	}
	got, err := second.Entries()
	if diff := cmp.Diff([]providers.Entry{ended, b, d}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestFileLedgerRefusesWhatIsNone(t *testing.T) {
	for content, words := range map[string]string{"{}\n": "line 1: the attempt has no id",
		"{\"id\":\"a\"}\nx\n": "line 2"} {
		path := filepath.Join(t.TempDir(), "ledger.jsonl")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := providers.OpenFileLedger(path); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", content, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != content {
			t.Errorf("%q is now %q, %v", content, after, err)
		}
	}
}

// What earlier processes spent, or may have spent, counts against the budget.
func ExampleOpenFileLedger() {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ledger, err := providers.OpenFileLedger(filepath.Join(dir, "ledger.jsonl"))
	if err != nil {
		log.Fatal(err)
	}
	defer ledger.Close()
	if err := ledger.Begin(providers.Entry{ID: "p0-1", Outcome: providers.OutcomeInFlight, Cost: 0.25}); err != nil {
		log.Fatal(err)
	}

	budget := providers.NewBudget(1)
	entries, err := ledger.Entries()
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range entries {
		budget.Charge(e.Cost)
	}
	fmt.Println("spent:", budget.Spent())
	// Output:
	// spent: $0.250000
}
