package main

import (
	"io"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// TestWords: every setting that a remedy can name is said by a flag that there is.
func TestWords(t *testing.T) {
	var usage strings.Builder
	if _, err := parse([]string{"-h"}, &usage); err == nil {
		t.Fatal("-h is no error")
	}
	for _, f := range record.Fields() {
		got := words(record.Change{Field: f})
		if !strings.HasPrefix(got, "-") || !strings.Contains(usage.String(), "\n  "+got) {
			t.Errorf("%s is %q, which is no flag", f, got)
		}
	}
	if got := words(record.Change{Field: record.FieldBudget, To: "2.50"}); got != "-budget 2.50" {
		t.Errorf("a budget of 2.50 is %q", got)
	}
	if _, err := parse(strings.Fields("-budget 2.50"), io.Discard); err != nil {
		t.Error(err)
	}
}
