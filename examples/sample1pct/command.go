package main

import (
	"os"
	"strconv"
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

// extended are the flags of a larger run in the same folder.
func extended(flags []string, prompts, probes int) []string {
	var out []string
	for i := 0; i < len(flags); i++ {
		name, _, given := strings.Cut(strings.TrimLeft(flags[i], "-"), "=")
		if strings.HasPrefix(flags[i], "-") && (name == "n" || name == "probes") {
			if !given {
				i++ // its value
			}
			continue
		}
		out = append(out, flags[i])
	}
	out = append(out, "-n", strconv.Itoa(prompts))
	if probes > 0 {
		out = append(out, "-probes", strconv.Itoa(probes))
	}
	return out
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
