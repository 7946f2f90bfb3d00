package main

import (
	"os"
	"strings"
	"testing"
)

// TestTable: every mutation still applies, and applies to something. Whether it is
// noticed takes minutes to see: go run ./internal/mutants.
func TestTable(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range mutations {
		text, err := m.mutate(root)
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		b, err := os.ReadFile(root + "/" + m.file)
		if err != nil {
			t.Fatal(err)
		}
		if text == string(b) || m.test == "" || m.reason == "" || seen[m.name] {
			t.Errorf("%s: changes nothing, or has no test or reason, or is there twice", m.name)
		}
		seen[m.name] = true
	}
}

// TestOneIsKilled runs a single mutation, and one that changes nothing, which has
// to survive.
func TestOneIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a package twice")
	}
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutations {
		if m.name == "two BOS" {
			if err := m.kill(root); err != nil {
				t.Error(err)
			}
			m.new = m.old
			if err := m.kill(root); err == nil || !strings.Contains(err.Error(), "passes although") {
				t.Errorf("%v: a mutation that changes nothing is said to be noticed", err)
			}
		}
	}
}
