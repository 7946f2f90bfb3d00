package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// Every check is shown a small module with the fault it is for, and with what
// looks like it and is none.
func TestChecks(t *testing.T) {
	cases := []struct {
		check string
		files string
		want  []string // parts of the lines reported
	}{
		{"floors", `
-- .ci/floors --
# the house
0 .
1 low low/...
2 high
3 gone
-- low/low.go --
package low

import _ "house/high"
-- low/under/under.go --
package under
-- high/high.go --
package high

import _ "house/low/under"
-- high/attic/attic.go --
package attic
`, []string{
			"gone names no package", ". names no package",
			"house/high/attic has no floor", "low/low.go:3: floors: low (floor 1) imports high (floor 2)",
		}},

		{"unused", `
-- lib/lib.go --
package lib

import "io"

type Config struct{ Mode Mode; Inner *Inner; hidden Hidden }  // a command fills it
type Mode int                                               // a field's type
const ModeA Mode = 1                                        // its value
type Inner struct{}                                         // a field's type
func (Inner) Lost()         {}
func (Inner) String() string { return "" }                  // fmt asks for it
type Hidden struct{}
func Run(Config) (Result, error) { return Result{}, ErrRun }
type Result struct{}                                        // a result's type
func (Result) Used()        {}
type runError struct{}
func (runError) Error() string { return "" }
var ErrRun error = runError{}                               // callers match it
const Loose = 1
func Shown()                {}                              // a runnable example
func NotRun()               {}                              // an example without output
func Tested()               {}                              // another package's test only
func Nested()               {}                              // a nested module
type Doer interface{ Do() }
type Impl struct{}
func New() Impl             { return Impl{} }
func (Impl) Do()            {}                              // through Doer
func (Impl) Close() error   { return nil }                  // through io.Closer
var _ io.Closer = Impl{}
type Set[T any] struct{}
func (Set[T]) Add(T)        {}
func (Set[T]) Drop(T)       {}
-- lib/example_test.go --
package lib_test

import "house/lib"

func ExampleShown() {
	lib.Shown()
	// Output:
}

func ExampleNotRun() { lib.NotRun() }
-- internal/aid/aid.go --
package aid

func Help()  {}
func Alone() {}
-- cmd/main.go --
package main

import "house/lib"

func main() {
	r, _ := lib.Run(lib.Config{})
	r.Used()
	lib.New()
	var s lib.Set[int]
	s.Add(1)
}
-- far/go.mod --
module house/far

go 1.26

require house v0.0.0

replace house => ..
-- far/far.go --
package far

import "house/lib"

func init() { lib.Nested() }
-- cmd/main_test.go --
package main

import ("testing"; "house/lib"; "house/internal/aid")

func TestX(*testing.T) { lib.Tested(); aid.Help() }
`, []string{
			"internal/aid.Alone", "lib.Doer", "lib.Hidden", "lib.Inner.Lost",
			"lib.Loose", "lib.NotRun", "lib.Set.Drop", "lib.Tested",
		}},

		{"floats", `
-- lib/lib.go --
package lib

type Column []float64
type Row struct {
	Label  float64
	Score  *float32
	Probs  map[string][]float64
	N      int
	Column Column
	hidden float64
}
type Sum struct{ Mean float64 }
type Odd struct{ X float64 }
type own struct{ X float64 }
-- internal/in/in.go --
package in

type Row struct{ Label float64 }
-- .ci/allow/floats --
lib.Sum.* a result
lib.Odd.X
lib.Gone.X a reason
`, []string{
			"lib.Gone.X allows nothing", "lib.Odd.X gives no reason", "lib.Row.Label", "lib.Row.Probs", "lib.Row.Score",
		}},

		{"flags", `
-- lib/page.tmpl --
set -level to more
-- lib/lib.go --
package lib

import (
	_ "embed"
	"errors"
)

//go:embed page.tmpl
var page string

type T struct{ A int ` + "`json:\"-b\"`" + ` }

var texts = []string{"log-prob - a -1 e-5 x-ray", "pass --all", "(-prices FILE)", "raise -budget"}
var Err = errors.New("give another -out")
-- cmd/main.go --
package main

var usage = "-out DIR"

func main() {}
-- .ci/allow/flags --
lib:--all another program's
`, []string{"-prices", "-budget", "-out", "-level"}},

		{"forms", `
-- offpolicy/document.go --
package offpolicy

type Estimate struct {
	Value float64   ` + "`json:\"value\"`" + `
	CI    []float64 ` + "`json:\"ci\"`" + `
}
-- offpolicy/other.go --
package offpolicy

type second struct {
	SE float64   ` + "`json:\"se,omitempty\"`" + `
	CI []float64 ` + "`json:\"ci\"`" + `
}
-- cmd/main.go --
package main

type point struct { X float64 ` + "`json:\"value\"`" + ` }

func row() map[string]any {
	return map[string]any{"value": 1, "lo": 0, "hi": 2}
}

func main() {}
`, []string{"row is a second", "second is a second"}},

		{"lines", `
-- lib/lib.go --
package lib

// ` + strings.Repeat("é", 116) + `
// ` + strings.Repeat("x", 117) + `

var raw = ` + "`" + strings.Repeat("x", 200) + "`" + `
-- lib/lib_test.go --
package lib

func Example() {
	// Output:
	// ` + strings.Repeat("x", 200) + `
}
-- lib/testdata/a.go --
// ` + strings.Repeat("x", 200) + `
-- README.md --
` + strings.Repeat("x", 200) + `
`, []string{"lib/lib.go:4: lines: 120 characters"}},
		{"words", `
-- .ci/words --
# a comment
mend => fix
-- lib/lib.go --
// Package lib can mend, and recommend.
package lib
`, []string{"lib/lib.go:1: words: \"mend\" is struck: write fix"}},
		{"links", `
-- README.md --
[there](lib/lib.go) and [not](lib/gone.md)
` + strings.Repeat("x\n", 150) + `-- lib/lib.go --
// Package lib has [F] and [Gone].
//
//	x   [F]
package lib

// F is there.
func F() {}

// T has a field; see [F].
type T struct {
	N int // of [F]
}

type t struct {
	n int // of [F]
}
`, []string{"lib/gone.md", "151 lines", "[Gone] names nothing", "[F] stands in preformatted",
			"[F] stands in a package's first", "[Gone] stands in a package's first", "[F] stands inside of a declaration"}},
		{"docs", `
-- lib/lib.go --
// Package lib has no Example.
package lib

func F() {}
`, []string{"F has no doc comment", "no Example of lib"}},
	}
	for _, c := range cases {
		t.Run(c.check, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range txtar.Parse([]byte("-- go.mod --\nmodule house\n\ngo 1.26\n" + c.files[1:])).Files {
				name := filepath.Join(dir, filepath.FromSlash(f.Name))
				if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, f.Data, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			n, err := lint(&out, dir, false, []string{c.check})
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Split(out.String(), "\n")[:n]
			if n != len(c.want) {
				t.Fatalf("%d findings, want %d:\n%s", n, len(c.want), out.String())
			}
			for _, want := range c.want {
				found := false
				for _, line := range got {
					found = found || strings.Contains(line, want)
				}
				if !found {
					t.Errorf("no finding says %q:\n%s", want, out.String())
				}
			}
		})
	}
}

func TestUnknownCheck(t *testing.T) {
	if _, err := lint(&bytes.Buffer{}, t.TempDir(), false, []string{"nonsense"}); err == nil {
		t.Error("an unknown check passes")
	}
}
