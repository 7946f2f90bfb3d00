package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot"
)

// evaluationOf is the verdict's evaluation, an empty one if it has none.
func evaluationOf(v *pilot.Verdict) *offpolicy.Document {
	if v.Evaluation == nil {
		return &offpolicy.Document{}
	}
	return v.Evaluation
}

// estimatesLine says in a sentence what was answered.
func estimatesLine(v *pilot.Verdict) string {
	e := evaluationOf(v)
	switch {
	case e.Error != "":
		return "Nothing was estimated: " + clean(e.Error) + "."
	case e.Answered+e.Refused == 0:
		return "Nothing has been estimated yet."
	}
	return fmt.Sprintf("%s answered, %s refused. A refused estimate has no number; it does not weigh on the decision.",
		plural(e.Answered, "policy", "policies"), count(e.Refused)) + anytimeLine(e)
}

func estimateTable(v *pilot.Verdict) table {
	t := table{
		Caption: "Mean oracle label of each policy's own responses, with 95% intervals",
		Cols:    []column{text("Policy"), text("By"), num("Value"), num("Standard error").drop(1)},
	}
	for _, name := range evaluationOf(v).PolicyNames() {
		a := evaluationOf(v).Policies[name].Answer
		if a.Estimator == "" {
			t.Rows = append(t.Rows, []string{clean(name), "refused", absent, absent})
			continue
		}
		t.Rows = append(t.Rows, []string{clean(name), clean(a.Estimator), interval(pilotInterval(a.Value, a.CI), score),
			number3(a.SE.OrNaN())})
	}
	t.atAnyTime(evaluationOf(v), 3, answersAtAnyTime(evaluationOf(v)))
	return t
}

func differenceTable(v *pilot.Verdict) table {
	t := table{
		Caption: "Paired differences of the answered policies, with 95% intervals of each pair alone; p is adjusted over " +
			"all pairs (Holm)",
		Cols: []column{text("Difference"), num("Value"), num("p"), text("Note").drop(1)},
	}
	for _, d := range evaluationOf(v).Comparisons {
		note := ""
		if d.AA {
			note = "P0 against its clone: ought to be 0"
		}
		t.Rows = append(t.Rows, []string{clean(d.A) + " - " + clean(d.B), interval(pilotInterval(d.Difference, d.CI), score),
			number3(d.Holm.OrNaN()), note})
	}
	t.atAnyTime(evaluationOf(v), 2, differencesAtAnyTime(evaluationOf(v)))
	return t
}

// estimateFacts are why each policy was answered or refused, and what to buy
// where it was refused.
func estimateFacts(v *pilot.Verdict) (reasons, advice []fact) {
	for _, name := range evaluationOf(v).PolicyNames() {
		p := evaluationOf(v).Policies[name]
		if why := cmp.Or(clean(p.Answer.Reason), strings.Join(neither(p), "; ")); why != "" {
			reasons = append(reasons, fact{clean(name), why})
		}
		if len(p.Answer.Advice) > 0 {
			advice = append(advice, fact{clean(name), strings.Join(cleanAll(p.Answer.Advice), "; ")})
		}
	}
	return reasons, advice
}

// neither says why dr and direct do not answer for a policy.
func neither(p *offpolicy.PolicyDocument) (out []string) {
	for _, e := range []offpolicy.Estimator{offpolicy.DR, offpolicy.Direct} {
		if x := p.Estimators[string(e)]; x != nil {
			for _, why := range x.Reasons {
				out = append(out, string(e)+": "+clean(why))
			}
		}
	}
	return out
}
