package clean

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	for _, c := range []struct{ in, want, reason string }{
		{"plain", "plain", "nothing acts"},
		{"a\nb\tc", "a b c", "one line"},
		{"\x1b[31mred\x07", `\x1b[31mred\x07`, "a colour and a bell"},
		{"a\r\x1b[2Kb", `a\x0d\x1b[2Kb`, "a line that is written over"},
		{"\u009b2J", `\x9b2J`, "the one-character form of ESC ["},
		{"\x7f", `\x7f`, "delete"},
		{"a\u202eb", `a\u202eb`, "shows what follows right to left"},
		{"a\u2066b\u2069", `a\u2066b\u2069`, "an isolate"},
		{"a\u200eb\u200f\u061c", `a\u200eb\u200f\u061c`, "marks of direction"},
		{"line\u2028break!\u2029", `line\u2028break!\u2029`, "breaks of Unicode"},
		{"\ufeffa\u200bb\u2060", `\ufeffa\u200bb\u2060`, "characters without a width: two names may look the same"},
		{"a\U000e0041", `a\U000e0041`, "a tag, in which text can be hidden"},
		{"\u206a\ufff9", `\u206a\ufff9`, "old format controls"},
		{"👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧", "joiners belong to emoji"},
		{"می\u200cخواهم", "می\u200cخواهم", "and to scripts"},
		{"\u0600\u06f1\u06f2", "\u0600\u06f1\u06f2", "a sign of Arabic numbers is seen"},
		{"bad \xff byte", "bad \uFFFD byte", "no UTF-8"},
		{strings.Repeat("é", 2000), strings.Repeat("é", 2000), "the longest"},
		{strings.Repeat("é", 2001), strings.Repeat("é", 2000) + "… (1 character more)", "cut"},
		{strings.Repeat("a", 2500), strings.Repeat("a", 2000) + "… (500 characters more)", "cut further"},
	} {
		if got := Line(c.in); got != c.want {
			t.Errorf("%q is %q, want %q (%s)", c.in, got, c.want, c.reason)
		}
	}
	if got, want := Block("a\r\nb\tc\rd"), "a\nb\tc"+`\x0d`+"d"; got != want {
		t.Errorf("Block: %q, want %q", got, want)
	}
}

func TestError(t *testing.T) {
	var b bytes.Buffer
	Error(&b, "logprob", errors.Join(errors.New("a\x1b[2J"), errors.New("b\u202e")))
	if got, want := b.String(), "logprob: a"+`\x1b`+"[2J\nb"+`\u202e`+"\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestJSON: what acts is escaped, and what is read is the same.
func TestJSON(t *testing.T) {
	for _, s := range []string{"plain", "a\u009b2J\x7f", "\u202e\U000e0041👩\u200d", "é\ufeff\u2028"} {
		in, err := json.MarshalIndent(map[string]string{s: s}, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		out := JSON(bytes.Clone(in))
		var got map[string]string
		if err := json.Unmarshal(out, &got); err != nil || got[s] != s {
			t.Errorf("%q became %q, %v", in, out, err)
		}
		if bytes.ContainsFunc(out, func(r rune) bool { return r != '\n' && r != '\t' && Acts(r) }) {
			t.Errorf("%q still acts", out)
		}
	}
}
