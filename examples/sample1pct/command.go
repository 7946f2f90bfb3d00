package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
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

// again are the flags that start this run again with settings changed, in a new folder
// if fresh. A drill's faults are not planted in that: they would lead to the same verdict.
func again(o options, fresh bool, changes ...record.Change) []string {
	set := map[string]string{}
	var added []string
	given := func(name string) bool {
		return slices.ContainsFunc(o.args, func(arg string) bool { return flagName(arg) == name })
	}
	for _, c := range changes {
		name := strings.TrimPrefix(flagOf[c.Field], "-")
		switch {
		case c.Field == record.FieldWaived:
			added = append(added, flagOf[c.Field], c.To)
		case c.Field == record.FieldLedgers: // one more
			added = append(added, flagOf[c.Field], "FOLDER")
		case c.To != "":
			set[name] = c.To
		case !given(name): // else what it names is to be changed
			set[name] = strings.ToUpper(name)
		}
	}
	var drop []string
	if fresh {
		set["out"] = unused(o.out)
		drop = []string{"faults"}
	}
	return append(replaced(o.args, set, drop...), added...)
}

// flagName is the name of the flag that an argument gives, empty if it gives none.
func flagName(arg string) string {
	if !strings.HasPrefix(arg, "-") {
		return ""
	}
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	return name
}

// replaced are flags with new values for some, which come last, and without those that
// are dropped.
func replaced(flags []string, set map[string]string, drop ...string) []string {
	var out []string
	for i := 0; i < len(flags); i++ {
		name := flagName(flags[i])
		if _, ok := set[name]; name != "" && (ok || slices.Contains(drop, name)) {
			if !strings.Contains(flags[i], "=") {
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
