// Command trials simulates what is planned from a pilot, by a generator of its own, and
// writes how often the plans held into the end of offpolicy/montecarlo.md, a part at a
// time:
//
//	go run ./internal/trials -part assurance -out offpolicy/montecarlo.md
//
// Without -part it writes all of them. Repetitions are seeded by world and number.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
)

// A part is one table.
type part struct {
	name        string
	repetitions int
	run         func(w io.Writer, repetitions int) error
}

var parts = []part{{"assurance", 300, assurance}, {"looks", 1000, looks}, {"loggers", 2000, loggersPart},
	{"labels", 2000, labels}}

// peerPart is not of the table: see offpolicy/testdata/anytime.py.
var peerPart = part{"peer", 200, peer}

func sorted(all policies) []string { return sortedKeys(all) }

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

func main() {
	name := flag.String("part", "", "`name` of the only part to run")
	repetitions := flag.Int("reps", 0, "repetitions; 0: as many as the part wants")
	out := flag.String("out", "", "`file` whose parts are replaced; default: standard output")
	flag.Parse()
	all := parts
	if *name == peerPart.name {
		all = []part{peerPart}
	}
	for _, p := range all {
		if *name != "" && p.name != *name {
			continue
		}
		if *repetitions > 0 {
			p.repetitions = *repetitions
		}
		if err := write(p, *out); err != nil {
			fmt.Fprintln(os.Stderr, "trials:", err)
			os.Exit(1)
		}
	}
}

// mark begins a part; internal/montecarlo keeps what follows the first one.
func mark(name string) string { return "<!-- trials: " + name + " -->\n" }

func write(p part, out string) error {
	var b bytes.Buffer
	if err := p.run(&b, p.repetitions); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	if out == "" {
		_, err := os.Stdout.Write(b.Bytes())
		return err
	}
	old, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	return dataset.WriteFile(out, func(w io.Writer) error {
		_, err := io.WriteString(w, replace(string(old), p.name, b.String()))
		return err
	})
}

// replace puts text in the place of a part, or after all others.
func replace(file, name, text string) string {
	before, rest, found := strings.Cut(file, mark(name))
	after := ""
	if !found {
		before = strings.TrimRight(before, "\n") + "\n\n"
	} else if i := strings.Index(rest, "<!-- trials: "); i >= 0 {
		after = rest[i:]
	}
	if after != "" {
		text += "\n"
	}
	return before + mark(name) + "\n" + text + after
}
