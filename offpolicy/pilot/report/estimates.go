package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/reweigh/reweigh/offpolicy/pilot"
)

// estimatesLine says in a sentence what was answered.
func estimatesLine(v *pilot.Verdict) string {
	e := v.Evaluation
	switch {
	case e.Error != "":
		return "Nothing was estimated: " + clean(e.Error) + "."
	case e.Answered+e.Refused == 0:
		return "Nothing has been estimated yet."
	}
	return fmt.Sprintf("%s answered, %s refused. A refused estimate has no number; it does not weigh on the decision.",
		plural(e.Answered, "policy", "policies"), count(e.Refused))
}

func estimateTable(v *pilot.Verdict) table {
	t := table{
		Caption: "Mean oracle label of each policy's own responses, with 95% intervals",
		Cols:    []column{text("Policy"), text("By"), num("Value"), num("Standard error").drop(1)},
	}
	for _, p := range v.Evaluation.Policies {
		if p.Estimator == "" {
			t.Rows = append(t.Rows, []string{clean(p.Policy), "refused", absent, absent})
			continue
		}
		t.Rows = append(t.Rows, []string{clean(p.Policy), clean(p.Estimator), interval(p.Value, score), number3(p.SE.OrNaN())})
	}
	return t
}

func differenceTable(v *pilot.Verdict) table {
	t := table{
		Caption: "Paired differences of the answered policies, with 95% intervals of each pair alone; p is adjusted over all pairs (Holm)",
		Cols:    []column{text("Difference"), num("Value"), num("p"), text("Note").drop(1)},
	}
	for _, d := range v.Evaluation.Comparisons {
		note := ""
		if d.AA {
			note = "P0 against its clone: ought to be 0"
		}
		t.Rows = append(t.Rows, []string{clean(d.A) + " - " + clean(d.B), interval(d.Value, score), number3(d.Holm.OrNaN()), note})
	}
	return t
}

// estimateFacts are why each policy was answered or refused, and what to buy
// where it was refused.
func estimateFacts(v *pilot.Verdict) (reasons, advice []fact) {
	for _, p := range v.Evaluation.Policies {
		if why := cmp.Or(clean(p.Reason), strings.Join(cleanAll(p.Refusals), "; ")); why != "" {
			reasons = append(reasons, fact{clean(p.Policy), why})
		}
		if len(p.Advice) > 0 {
			advice = append(advice, fact{clean(p.Policy), strings.Join(cleanAll(p.Advice), "; ")})
		}
	}
	return reasons, advice
}

// estimateRows is the forest plot of the policies' values; a refused one has a
// row without a mark.
func estimateRows(v *pilot.Verdict) rows {
	var all []float64
	for _, p := range v.Evaluation.Policies {
		all = append(all, floats(p.Value.Lo, p.Value.Value, p.Value.Hi)...)
	}
	sc := newScale(all...)
	out := rows{Title: "Mean label, 0 to 1", Key: []key{{"judge", "estimate, 95% interval"}}}
	for _, p := range v.Evaluation.Policies {
		row := chartRow{Name: clean(p.Policy), Value: "refused", Words: "no estimate"}
		if p.Value.Value.Valid() {
			row.Value, row.Chart = score(p.Value.Value.OrNaN()), forestChart(sc, mark{"judge", "estimate", p.Value})
		}
		out.Rows = append(out.Rows, row)
	}
	return out.over(sc)
}
