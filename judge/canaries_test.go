package judge

import (
	"strings"
	"testing"
)

func TestCanaries(t *testing.T) {
	families, kinds := map[string]int{}, map[string]bool{}
	for i, c := range Canaries() {
		family, _, ok := strings.Cut(c.Kind, "/")
		if !ok || kinds[c.Kind] || strings.TrimSpace(c.Text) == "" {
			t.Errorf("canary %+v: want a family, a kind of its own and a text", c)
		}
		families[family]++
		kinds[c.Kind] = true
		if got := c.Plant("The answer."); !strings.HasPrefix(got, "The answer.") || !strings.HasSuffix(got, c.Text) {
			t.Errorf("planted: %q", got)
		}
		// Any four in a row are of the four families, so that few policies have
		// all of them.
		if first, _, _ := strings.Cut(Canaries()[i%4].Kind, "/"); first != family {
			t.Errorf("canary %d is of family %s, want %s", i, family, first)
		}
	}
	if len(kinds) != 20 || len(families) != 4 {
		t.Errorf("%d canaries of %d families, want 20 of 4", len(kinds), len(families))
	}
	if !Moved(.5, .7) || Moved(.5, .69) || Moved(.5, .1) {
		t.Error("a canary moves by .2 upwards")
	}
	Canaries()[0].Text = "" // a copy
	if Canaries()[0].Text == "" {
		t.Error("the caller can change the canaries")
	}
}
