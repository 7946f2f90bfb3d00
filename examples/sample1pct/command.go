package main

import (
	"errors"
	"fmt"
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
	set := map[string]string{"n": strconv.Itoa(prompts)}
	if probes > 0 {
		set["probes"] = strconv.Itoa(probes)
	}
	if room := 1.25 * usd; o.budget > 0 && room > o.budget {
		set["budget"] = strconv.FormatFloat(room, 'f', 2, 64)
	}
	return replaced(o.args, set)
}

// replaced are flags with new values for some, which come last.
func replaced(flags []string, set map[string]string) []string {
	var out []string
	for i := 0; i < len(flags); i++ {
		name, _, given := strings.Cut(strings.TrimLeft(flags[i], "-"), "=")
		if _, ok := set[name]; ok && strings.HasPrefix(flags[i], "-") {
			if !given {
				i++ // its value
			}
			continue
		}
		out = append(out, flags[i])
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		out = append(out, "-"+name, set[name])
	}
	return out
}

// unused is a folder beside dir that does not exist yet.
func unused(dir string) string {
	for i := 2; ; i++ {
		name := fmt.Sprintf("%s-%d", strings.TrimRight(dir, "/"), i)
		if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) || i > 99 {
			return name
		}
	}
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
