package report

import (
	"fmt"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// atAnyTime adds, before a column, the intervals that may be looked at at any time, one a
// row; of an evaluation without them nothing.
func (t *table) atAnyTime(e *offpolicy.Document, before int, intervals []*[2]dataset.Float) {
	if e.Anytime == 0 {
		return
	}
	t.Cols = slices.Insert(t.Cols, before, num("95% at any time"))
	for i, ci := range intervals {
		cell := absent
		if ci != nil {
			cell = span(*ci, score)
		}
		t.Rows[i] = slices.Insert(t.Rows[i], before, cell)
	}
}

func answersAtAnyTime(e *offpolicy.Document) (out []*[2]dataset.Float) {
	for _, name := range e.PolicyNames() {
		out = append(out, e.Policies[name].Answer.Anytime)
	}
	return out
}

func differencesAtAnyTime(e *offpolicy.Document) (out []*[2]dataset.Float) {
	for i := range e.Comparisons {
		out = append(out, e.Comparisons[i].Anytime)
	}
	return out
}

// anytimeLine says which intervals may be looked at how often; "" if that is no question.
func anytimeLine(e *offpolicy.Document) string {
	if e.Anytime == 0 {
		return ""
	}
	return fmt.Sprintf(" Intervals at any time hold however often this run is looked at as it grows, and are narrowest "+
		"at %s; the others, and p, hold for one look at a run whose size was set before.",
		plural(e.Anytime, "prompt", "prompts"))
}
