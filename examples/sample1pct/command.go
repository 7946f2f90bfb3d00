package main

import (
	"maps"
	"os"
	"slices"
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

// extended are the flags of a larger run in the same folder, which is expected to
// cost usd in all. A budget that is too small for it is raised to leave a quarter
// of room; one that was not set is not.
func extended(o options, prompts, probes int, usd float64) []string {
	var out []string
	set := map[string]string{"n": strconv.Itoa(prompts)}
	if probes > 0 {
		set["probes"] = strconv.Itoa(probes)
	}
	if room := 1.25 * usd; o.budget > 0 && room > o.budget {
		set["budget"] = strconv.FormatFloat(room, 'f', 2, 64)
	}
	for i := 0; i < len(o.args); i++ {
		name, _, given := strings.Cut(strings.TrimLeft(o.args[i], "-"), "=")
		if _, replaced := set[name]; replaced && strings.HasPrefix(o.args[i], "-") {
			if !given {
				i++ // its value
			}
			continue
		}
		out = append(out, o.args[i])
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		out = append(out, "-"+name, set[name])
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
