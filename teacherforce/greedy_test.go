package teacherforce

import (
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// A greedy reply takes the token that is likeliest by its own log-probs. If it takes another,
// something came between that the values do not show, as a repetition penalty does.
func TestGreedyTakesTheLikeliest(t *testing.T) {
	top := func(text string, id int, v float64) providers.Alternative {
		return providers.Alternative{Text: text, ID: id, LogProb: dataset.Known(v)}
	}
	for _, c := range []struct {
		top    []providers.Alternative
		found  bool
		reason string
	}{
		{nil, false, "no alternatives"},
		{[]providers.Alternative{top("a", 1, -.5), top("b", 2, -1.5)}, false, "the likeliest"},
		{[]providers.Alternative{top("b", 2, -.45), top("a", 1, -.5)}, false, "as likely, but for rounding"},
		{[]providers.Alternative{top("b", 2, -.2), top("a", 1, -.5)}, true, "another is likelier"},
		{[]providers.Alternative{top("a", -1, -.2)}, false, "its own entry, of another distribution"},
		{[]providers.Alternative{top("a", 3, -.2)}, true, "another token of the same text"},
	} {
		var s seen
		s.greedy([]providers.Token{{Text: "a", ID: 1, LogProb: dataset.Known(-.5), Top: c.top}})
		if (s.unlikely != "") != c.found {
			t.Errorf("%s: %q", c.reason, s.unlikely)
		}
	}
}
