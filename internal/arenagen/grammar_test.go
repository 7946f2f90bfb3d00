package arenagen

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestGrammarsExpand draws every template of every language many times, so
// that no {=name} without a {name} can hide behind a low weight.
func TestGrammarsExpand(t *testing.T) {
	for _, l := range languages {
		g := l.grammar()
		f := filler{r: rand.New(rand.NewPCG(1, 1)), subject: "x"}
		try := func(where string, ts []template) {
			for _, tmpl := range ts {
				for range 50 {
					if s := f.expand(tmpl); s == "" || strings.Contains(s, `\n`) {
						t.Fatalf("%s %s: expanded to %q", l.name, where, s)
					}
				}
			}
		}
		for _, k := range g.kinds {
			try(k.name, k.prompts)
			try(k.name+" reply", k.replies)
		}
		try("follow", g.follow)
	}
}

func TestLanguagesAddUp(t *testing.T) {
	sum := 0
	for _, l := range languages {
		sum += l.percent
	}
	if sum != 100 {
		t.Errorf("languages add up to %d percent", sum)
	}
}

func TestParseGrammarErrors(t *testing.T) {
	const tail = "\n[kind a 1]\nhi\n[reply a]\nhello\n[follow]\nmore\n"
	for _, row := range []struct{ name, text, want, reason string }{
		{"text first", "hello" + tail, "before the first section", "a template must belong somewhere"},
		{"unknown section", "[kinds a 1]" + tail, "unknown section", "a typo must not swallow a section"},
		{"bad weight", "[kind a -1]" + tail, "weight", "a negative weight would make another kind unreachable"},
		{"unknown slot", tail + "{nobody}", `"nobody"`, "an empty slot cannot be drawn from"},
		{"open brace", tail + "say {slot", "without", "a code snippet with an undoubled brace"},
		{"bad range", tail + "{9..2}", "range", "IntN would panic much later"},
		{"empty reference", tail + "{}", "reference", "an undoubled {} of a snippet"},
		{"no replies", "[kind b 1]\nhi" + tail, "replies", "a row of that kind could not be answered"},
		{"no follow", "[kind a 1]\nhi\n[reply a]\nhello\n", "follow", "a second turn could not be drawn"},
	} {
		_, err := parseGrammar(row.text)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: error %v, want one with %q (%s)", row.name, err, row.want, row.reason)
		}
	}
}

func TestExpand(t *testing.T) {
	g, err := parseGrammar("[kind a 1]\n{w} {=w} {w}|{{x}}\\t{3..3}\n[reply a]\non {subject}\n[follow]\nmore\n[slot " +
		"w]\none\ntwo")
	if err != nil {
		t.Fatal(err)
	}
	f := filler{r: rand.New(rand.NewPCG(1, 1))}
	for range 20 {
		f.subject = ""
		got := f.expand(g.kinds[0].prompts[0])
		first, second := "one", "two"
		if strings.HasPrefix(got, "two") {
			first, second = second, first
		}
		// {=w} repeats, a second {w} differs, doubled braces are braces.
		if want := first + " " + first + " " + second + "|{x}\t3"; got != want {
			t.Fatalf("expanded to %q, want %q", got, want)
		}
		if got := f.expand(g.kinds[0].replies[0]); got != "on "+first {
			t.Fatalf("reply %q does not speak of %q", got, first)
		}
	}
}

// FuzzParseGrammar checks that no text makes the parser panic, and that what it
// accepts can be drawn from by weight.
func FuzzParseGrammar(f *testing.F) {
	f.Add("[kind a 1]\nhi {w}\n[reply a]\nhello\n[follow]\nmore\n[slot w]\none\ntwo")
	f.Add("[kind a 0]\n{{}}\n[slot]\n{1..")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := parseGrammar(text)
		if err != nil {
			return
		}
		if k := g.pick(rand.New(rand.NewPCG(1, 1))); k.weight <= 0 || len(k.prompts) == 0 || len(k.replies) == 0 {
			t.Errorf("drew the kind %q that cannot be drawn", k.name)
		}
	})
}
