package report

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	cleaning "github.com/reweigh/reweigh/internal/clean"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

func TestTextKeepsToItsWidth(t *testing.T) {
	v := fullVerdict()
	v.Reasons = append([]string{strings.Repeat("long", 60)}, v.Reasons...)
	command := clean(v.Next.Command)
	for _, width := range []int{40, 50, 60, 72, 80, 120, 200} {
		text := render(t, textOf(width), v)
		if !strings.Contains(text, "\n"+command+"\n") {
			t.Errorf("width %d: the command does not stand whole on a line of its own:\n%s", width, text)
		}
		for i, line := range strings.Split(text, "\n") {
			if n := utf8.RuneCountInString(line); n > width && line != command {
				t.Errorf("width %d: line %d has %d characters: %q", width, i+1, n, line)
			}
			if strings.TrimRight(line, " ") != line {
				t.Errorf("width %d: line %d ends in spaces", width, i+1)
			}
		}
	}
	if render(t, textOf(0), v) != render(t, textOf(80), v) || render(t, textOf(-3), v) != render(t, textOf(80), v) {
		t.Error("no width does not mean 80")
	}
	if render(t, textOf(7), v) != render(t, textOf(40), v) {
		t.Error("less than 40 does not count as 40")
	}
}

// A response must not be able to drive the terminal.
func TestTextHoldsNoControls(t *testing.T) {
	v := fullVerdict()
	v.Reasons = []string{hostile}
	v.Policies[1].System, v.Policies[0].Name, v.Checks[2].ID, v.State, v.Decision = hostile, hostile, hostile, hostile,
		hostile
	for i, r := range render(t, textOf(80), v) {
		if r != '\n' && cleaning.Acts(r) {
			t.Fatalf("byte %d is %U", i, r)
		}
	}
}

func TestTextWrap(t *testing.T) {
	for _, row := range []struct{ in, want, reason string }{
		{"", "-\n", "nothing to say leaves the mark alone"},
		{"one two", "- one two\n", "fits"},
		{"one two three", "- one two\n  three\n", "breaks at a space"},
		{"abcdefghijklmnop", "- abcdefgh\n  ijklmnop\n", "a long word is cut"},
		{"a abcdefghi", "- a\n  abcdefgh\n  i\n", "and starts a line of its own"},
		{"äöüäöüäö", "- äöüäöüäö\n", "characters count, not bytes"},
	} {
		term := &terminal{width: 10}
		term.wrap("- ", "  ", row.in)
		if got := term.b.String(); got != row.want {
			t.Errorf("wrap(%q) = %q, want %q: %s", row.in, got, row.want, row.reason)
		}
	}
}

func TestWhatWasNotComputedSharesALine(t *testing.T) {
	v := &pilot.Verdict{State: "done", Decision: record.NoGo}
	why := "not computed: the run stopped in stage certify (quota)"
	v.Checks = []record.Finding{
		{ID: "run.errors", Status: record.Fail, Summary: "stopped in stage certify (quota): the balance is empty",
			Remedy: "top it up"},
		{ID: "p0.complete", State: record.NotComputed, Status: record.Fail, Summary: why, Remedy: "see run.errors"},
		{ID: "judge.complete", State: record.NotComputed, Status: record.Fail, Summary: why, Remedy: "see run.errors"},
		{ID: "cost.estimate", State: record.NotComputed, Status: record.Fail, Summary: why, Waived: "known",
			Remedy: "see run.errors"},
	}
	var b bytes.Buffer
	if err := Text(&b, v, 200); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{"FAIL  2 checks not computed: the run stopped in stage certify (quota): p0.complete, " +
		"judge.complete", "waived  cost.estimate", "do: top it up"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Count(got, "p0.complete") != 1 {
		t.Errorf("p0.complete has a line of its own:\n%s", got)
	}
}
