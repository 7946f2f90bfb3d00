package main

import (
	"math"
	"strings"
	"testing"
)

// Weights are exact: they average 1 in every prompt, and the values of all tilts are those
// that draws have.
func TestWorlds(t *testing.T) {
	for _, kind := range worldKinds {
		w := newWorld(kind)
		for i := range w.prompts[:50] {
			var sum float64
			from, to := w.prompts[i].probabilities(policy{}), w.prompts[i].probabilities(policy{1.5, .3})
			for k, v := range from {
				sum += v * to[k] / v
			}
			if math.Abs(sum-1) > 1e-12 {
				t.Fatalf("%s: weights of prompt %d average %v", w.name, i, sum)
			}
		}
		all := policies{"p0": {}, "up": {tilt: 1}}
		if a, b := w.value(policy{1, .6}), w.value(policy{1, -.6}); math.Abs(a-b) > 1e-12 {
			t.Errorf("%s: leans of either sign have %v and %v", w.name, a, b)
		}
		s := w.samples(stream("test"), all, run{logging: "p0", prompts: 4000, draws: true, probes: 4000})
		var drawn float64
		for _, d := range s.Draws["up"] {
			drawn += d.Label.OrNaN() / 4000
		}
		if want := w.value(policy{tilt: 1}); math.Abs(drawn-want) > 4*.5/math.Sqrt(4000) {
			t.Errorf("%s: draws of up average %v, want %v", w.name, drawn, want)
		}
	}
}

func TestReplace(t *testing.T) {
	file := "# Head\n\nrows\n"
	file = replace(file, "a", "one\n")
	file = replace(file, "b", "two\n")
	file = replace(file, "a", "three\n")
	if want := "# Head\n\nrows\n\n<!-- trials: a -->\n\nthree\n\n<!-- trials: b -->\n\ntwo\n"; file != want {
		t.Errorf("%q, want %q", file, want)
	}
}

func TestAssuranceTable(t *testing.T) {
	if testing.Short() {
		t.Skip("a table of one plan")
	}
	var out strings.Builder
	if err := assureWorld(&out, newWorld(worldKinds[3]), 1); err != nil || strings.Count(out.String(), "\n") != 6 {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestLabelsTables(t *testing.T) {
	if testing.Short() {
		t.Skip("tables of one repetition")
	}
	var out strings.Builder
	if err := labelsCell(&out, newWorld(worldKinds[0]), 100, 25, .4, 1); err != nil ||
		strings.Count(out.String(), "\n") != 3 {
		t.Errorf("%v\n%s", err, out.String())
	}
	out.Reset()
	if err := sharesCell(&out, newWorld(worldKinds[0]), .4, 1); err != nil || strings.Count(out.String(), "100.0") < 3 {
		t.Errorf("%v\n%s", err, out.String())
	}
}
