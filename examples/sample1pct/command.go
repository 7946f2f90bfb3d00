package main

import (
	"os"
	"strings"
)

// commandLine is this program with the given flags, as a shell takes it. No flag
// holds a secret. What go run built has a name that nobody can start again.
func commandLine(flags []string) string {
	program := os.Args[0]
	if strings.Contains(program, "go-build") {
		program = "go run ./examples/sample1pct"
	} else {
		program = quoted(program)
	}
	for _, f := range flags {
		program += " " + quoted(f)
	}
	return program
}

func quoted(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=:,%+@", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
