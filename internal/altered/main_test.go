package main

import (
	"testing"
)

// The table of kinds is run as a whole by go run ./internal/altered; here are the runs that
// reach each of the ways in which one may end.
func TestSomeKinds(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not")
	}
	const few, enough = 4, 26 // prompts: enough for a verdict of GO
	rows := map[string]int{
		"reasoning counted beside":       few, // stopped by certification, charged in full
		"a gateway's price":              few, // goes through, charged in full
		"no finish reason":               few, // paid in vain
		"NaN for a value":                few,
		"an object behind":               few, // no grade
		"graders that fail midway":       few, // paid in vain, and found by no certification
		"odd fields that are not needed": enough,
	}
	plain, err := run(t.Context(), kind{}, 0, enough)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		n, ok := rows[k.name]
		if !ok {
			continue
		}
		delete(rows, k.name)
		r, err := run(t.Context(), k, 1, n)
		if err != nil {
			t.Fatal(err)
		}
		if r.altered == 0 {
			t.Errorf("%s: nothing was altered", k.name)
		}
		for _, w := range r.wrong(plain) {
			t.Errorf("%s: %s: %s, the ledger $%v, the bill $%v", k.name, w, r.verdict.Decision, r.verdict.Run.Spent, r.bill)
		}
		if r.again > 20 { // of 30 calls
			t.Errorf("%s: %d answers were paid for again", k.name, r.again)
		}
	}
	if len(rows) > 0 {
		t.Errorf("there are no kinds %v", rows)
	}
}
