package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A cell's outcome does not depend on the concurrency, what is hopeless is refused, and
// what is easy is answered.
func TestCell(t *testing.T) {
	c := cell{"selected_labels", 100, 25}
	a, err := simulateCell(c, 6, 10, 1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := simulateCell(c, 6, 10, 3)
	if diff := cmp.Diff(a, b, cmpopts.EquateNaNs(), cmp.AllowUnexported(figure{}, tally{})); err != nil || diff != "" {
		t.Errorf("concurrency changes the outcome (%v): %s", err, diff)
	}
	for _, f := range a.Values {
		if want := map[bool]int{true: 6}[f.Name == "probed"]; f.N != 6 || f.Answered != want {
			t.Errorf("%s answers %d of %d, want %d: labels are on half of the scores", f.Name, f.Answered, f.N, want)
		}
	}
	if len(a.Pairs) != 6 || len(a.breaches()) > 0 && !strings.Contains(a.breaches()[0].why, "missed") {
		t.Errorf("%d pairs, breaches %v", len(a.Pairs), a.breaches())
	}
	if _, err := simulateCell(cell{"no such world", 10, 5}, 2, 2, 1); err == nil {
		t.Error("a world that is not there was simulated")
	}
}

// A limit is broken beyond two standard errors, not before.
func TestHeld(t *testing.T) {
	for _, tt := range []struct {
		share, at, n float64
		least, want  bool
	}{
		{.065, .05, 400, false, true}, // one standard error is 1.1 points
		{.08, .05, 400, false, false},
		{.91, .93, 400, true, true},
		{.90, .93, 400, true, false},
	} {
		if got := held(tt.share, tt.at, tt.n, tt.least); got != tt.want {
			t.Errorf("%+v: held %v", tt, got)
		}
	}
}

// What is finished is not computed again, and a line that was cut short is.
func TestStateResumes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.jsonl")
	computed := 0
	work := func() (cellOutcome, error) { computed++; return cellOutcome{Cell: cell{"base", 100, 25}, Holm: 7}, nil }
	for range 2 {
		s, err := openState(path)
		if err != nil {
			t.Fatal(err)
		}
		out, err := once(s, "a", work)
		if err != nil || out.Holm != 7 {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	if computed != 1 {
		t.Errorf("computed %d times", computed)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw[:len(raw)-5], 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := openState(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := once(s, "a", work); err != nil || computed != 2 {
		t.Errorf("after a cut computed %d times (%v), want 2", computed, err)
	}
	if s, err = openState(path); err != nil || s.done["a"] == nil {
		t.Errorf("what follows a cut line is lost (%v)", err)
	}
}

func TestCellTable(t *testing.T) {
	o, err := simulateCell(cell{"near_equal", 100, 25}, 3, 5, 2)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := writeCells(&b, []cellOutcome{o}, 3, 5); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"3 repetitions a world", "| near_equal | 100 | 25 |", "p < .05 % |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
	if n := strings.Count(b.String(), "| near_equal |"); n != 10 {
		t.Errorf("%d rows of many policies, want the five worst of each table", n)
	}
	if err := writeCells(failing{}, nil, 3, 5); err == nil {
		t.Error("a table that could not be written is no table")
	}
}
