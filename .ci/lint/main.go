// Lint checks what no general tool knows of this library:
//
//	floors  an import goes to the same floor of the house or down (.ci/floors)
//	unused  every exported name is used outside its package, or belongs to one that is
//	floats  an input or a record holds no bare float that may be missing
//	flags   a library's text names fields, never a command's flags
//	forms   an estimate has one JSON form, offpolicy's document
//	lines   a line of source is shorter than 120 characters
//	words   no word that .ci/words strikes
//	links   no link leads nowhere, in Markdown or a doc comment; README.md is short
//	docs    every exported name has a doc comment, every library an Example
//
// Usage, from the repository's root:
//
//	go -C .ci/lint run . -C ../.. [-count] CHECK...
//
// A finding ends the program with exit code 1. .ci/allow/CHECK lists what may
// stay, one finding a line with its reason; a line that allows nothing is a
// finding too.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
)

// checks by name, in the order of the package's comment.
var checks = []struct {
	name string
	run  func(*house) ([]finding, error)
}{
	{"floors", floors},
	{"unused", unused},
	{"floats", floats},
	{"flags", flags},
	{"forms", forms},
	{"lines", lines},
	{"words", words},
	{"links", links},
	{"docs", undocumented},
}

// finding is one violation. Key is what an allow-list names.
type finding struct {
	key, place, text string
}

func main() {
	dir := flag.String("C", ".", "root of the module to check")
	count := flag.Bool("count", false, "print counts only, and allow nothing")
	flag.Parse()
	n, err := lint(os.Stdout, *dir, *count, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "lint:", err)
		os.Exit(2)
	}
	if n > 0 && !*count {
		os.Exit(1)
	}
}

// lint runs the named checks, or all of them, and returns the number of
// findings that no allow-list answers.
func lint(w io.Writer, dir string, count bool, names []string) (int, error) {
	for _, name := range names {
		if !slices.ContainsFunc(checks, func(c struct {
			name string
			run  func(*house) ([]finding, error)
		}) bool {
			return c.name == name
		}) {
			return 0, fmt.Errorf("no check named %q", name)
		}
	}
	h := &house{dir: dir}
	total := 0
	for _, c := range checks {
		if len(names) > 0 && !slices.Contains(names, c.name) {
			continue
		}
		found, err := c.run(h)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", c.name, err)
		}
		if !count {
			if found, err = h.allow(c.name, found); err != nil {
				return 0, err
			}
			for _, f := range found {
				fmt.Fprintf(w, "%s: %s: %s\n", f.place, c.name, f.text)
			}
		}
		fmt.Fprintf(w, "%-7s %d findings\n", c.name, len(found))
		for _, s := range h.stats {
			fmt.Fprintf(w, "        %s\n", s)
		}
		h.stats = nil
		total += len(found)
	}
	return total, nil
}
