package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// evaluationView is an evaluation whose numbers have become text: the terminal
// and the page render it and format nothing themselves.
type evaluationView struct {
	Title, Tone, Headline, Meaning string
	Reasons                        []string // the answers, as a person would say them
	Notes                          []string
	Facts                          []fact
	Answers, Estimates             table
	Comparisons, Segments          table
	Weights, Diagnostics, Audits   table
	Choices                        []fact // why this estimate answers, or none
	Refusals                       []fact
	Advice                         []fact
	Calibration                    string
	Reference                      string
}

func newEvaluationView(e *offpolicy.Document) *evaluationView {
	if e == nil {
		panic("report: nil evaluation")
	}
	v := &evaluationView{
		Title: "Off-policy evaluation of " + clean(e.Logging), Notes: cleanAll(e.Notes),
		Answers: answersTable(e), Estimates: estimatesTable(e), Comparisons: comparisonsTable(e), Segments: segmentsTable(e),
		Weights: evaluatedWeightsTable(e), Diagnostics: diagnosticsTable(e), Audits: auditsTable(e),
		Refusals: estimateRefusals(e), Calibration: evaluatedCalibration(e),
	}
	if len(e.Policies) > 0 {
		v.Reasons = Sentences(e)
	}
	answered := 0
	for _, name := range e.PolicyNames() {
		a := e.Policies[name].Answer
		if a.Estimator != "" {
			answered++
		}
		v.Choices = append(v.Choices, fact{clean(name), clean(a.Reason)})
		for _, s := range a.Advice {
			v.Advice = append(v.Advice, fact{clean(name), clean(s)})
		}
	}
	n := len(e.Policies)
	switch {
	case answered == n && len(v.Notes) == 0:
		v.Tone = "pass"
	case answered == 0:
		v.Tone = "fail"
	default:
		v.Tone = "hold"
	}
	v.Headline = fmt.Sprintf("%s of %s", count(answered), plural(n, "policy", "policies"))
	v.Meaning = "can be answered from these data; an estimate that the evidence cannot carry has no number."
	v.Facts = []fact{
		{"Read from", clean(e.Source)}, {"Logged responses", count(e.Rows)}, {"Prompts", count(e.Prompts)},
		{"Oracle labels of them", count(e.Labels)}, {"Judge", clean(e.Judge)}, {"Seed", fmt.Sprint(e.Seed)},
	}
	if e.Reference != "" {
		v.Reference = "The cje_ estimators are CJE v0.3.0's to the letter, calibrated " + clean(e.Reference) +
			". They are for comparison and claim no coverage."
	}
	return v
}

func pilotInterval(value dataset.Float, ci [2]dataset.Float) record.Quantity {
	return record.Quantity{Value: value, Lo: ci[0], Hi: ci[1]}
}

func span(ci [2]dataset.Float, f func(float64) string) string {
	if !ci[0].Valid() && !ci[1].Valid() {
		return absent
	}
	return fmt.Sprintf("[%s, %s]", f(ci[0].OrNaN()), f(ci[1].OrNaN()))
}

func answersTable(e *offpolicy.Document) table {
	t := table{
		Caption: "The answer for each policy, its 95% interval, and the band that holds for all of them together",
		Cols:    []column{text("Policy"), num("Value"), num("95% interval"), num("Band").drop(1), text("By")},
	}
	for _, name := range e.PolicyNames() {
		a := e.Policies[name].Answer
		t.Rows = append(t.Rows, []string{clean(name), score(a.Value.OrNaN()), span(a.CI, score), span(a.Band, score),
			cmp.Or(clean(a.Estimator), "refused")})
	}
	t.atAnyTime(e, 3, answersAtAnyTime(e))
	return t
}

// estimatesTable lists every estimate. What is refused says so where its number
// would stand.
func estimatesTable(e *offpolicy.Document) table {
	t := table{
		Caption: "Every estimate asked for; only those that claim coverage do so, the others take rewards or the judge as " +
			"they are",
		Cols: []column{text("Policy"), text("Estimator"), num("Value"), num("95% interval"), num("SE").drop(2),
			num("df").drop(3),
			num("Labels").drop(4), text("Coverage").drop(1)},
	}
	for _, name := range e.PolicyNames() {
		for _, id := range e.Estimators {
			x := e.Policies[name].Estimators[id]
			if x == nil {
				continue
			}
			row := []string{clean(name), clean(id), "refused", absent, absent, absent, count(max(x.Labels, x.Probes)), absent}
			if x.Status == offpolicy.StatusOK {
				row[2], row[3], row[4], row[7] = score(x.Value.OrNaN()), span(x.CI, score), number3(x.SE.OrNaN()), "none claimed"
				if x.DF.Valid() {
					row[5] = number3(x.DF.OrNaN())
				}
				if x.Claims {
					row[7] = "95%"
				}
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

// estimateRefusals are the reasons by policy: those that hit the same estimators
// stand together, behind the estimators' names.
func estimateRefusals(e *offpolicy.Document) (out []fact) {
	for _, name := range e.PolicyNames() {
		hits := map[string][]string{} // by reason: the estimators it refuses
		var reasons []string          // in order of appearance
		for _, id := range e.Estimators {
			x := e.Policies[name].Estimators[id]
			if x == nil || x.Status == offpolicy.StatusOK {
				continue
			}
			for _, why := range cleanAll(x.Reasons) {
				if hits[why] == nil {
					reasons = append(reasons, why)
				}
				hits[why] = append(hits[why], clean(id))
			}
		}
		together := map[string][]string{}
		var order []string
		for _, why := range reasons {
			ids := strings.Join(hits[why], ", ")
			if together[ids] == nil {
				order = append(order, ids)
			}
			together[ids] = append(together[ids], why)
		}
		for _, ids := range order {
			out = append(out, fact{clean(name), ids + ": " + strings.Join(together[ids], "; ")})
		}
	}
	return out
}

func comparisonsTable(e *offpolicy.Document) table {
	t := table{
		Caption: "Paired differences of the answers: the same prompts, the same replicates; p by Holm holds for all pairs " +
			"together",
		Cols: []column{text("Policies"), num("Difference"), num("95% interval"), num("p").drop(2), num("p by Holm").drop(1),
			text("Remark").drop(3)},
	}
	for _, c := range e.Comparisons {
		var remarks []string
		if c.AA {
			remarks = append(remarks, "A/A: ought to be 0")
		}
		if c.LeftOut > 0 {
			remarks = append(remarks, fmt.Sprintf("on %d common prompts, %d left out", c.Prompts, c.LeftOut))
		}
		if c.Modelled > 0 {
			remarks = append(remarks, fmt.Sprintf("%d weights modelled", c.Modelled))
		}
		remark := strings.Join(append(append(remarks, cleanAll(c.Notes)...), cleanAll(c.Reasons)...), "; ")
		t.Rows = append(t.Rows, []string{clean(c.A) + " − " + clean(c.B), score(c.Difference.OrNaN()), span(c.CI, score),
			number3(c.P.OrNaN()), number3(c.Holm.OrNaN()), remark})
	}
	t.atAnyTime(e, 3, differencesAtAnyTime(e))
	return t
}

func segmentsTable(e *offpolicy.Document) table {
	t := table{
		Caption: "Values by group of prompts, each with its own interval and its own refusals",
		Cols:    []column{text("Group"), text("Policy"), num("Prompts"), num("Value"), num("95% interval"), text("Why not")},
	}
	for _, name := range e.PolicyNames() {
		for _, s := range e.Policies[name].Segments {
			group := clean(s.Kind) + ": " + cmp.Or(clean(s.Name), "not stated")
			t.Rows = append(t.Rows, []string{group, clean(name), count(s.Prompts), score(s.Estimate.Value.OrNaN()),
				span(s.Estimate.CI, score), strings.Join(cleanAll(s.Estimate.Reasons), "; ")})
		}
	}
	slices.SortStableFunc(t.Rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return t
}

func evaluatedWeightsTable(e *offpolicy.Document) table {
	t := table{
		Caption: "Weights of the logged responses under each policy: e-values above 1,000 (10^3) mean that the log-probs " +
			"cannot be right",
		Cols: []column{text("Policy"), num("ESS"), num("Rows"), num("Missing").drop(3), num("Largest share").drop(2),
			num("Mean weight"),
			num("Divergence, nats").drop(1), num("e-value"), text("Weights")},
	}
	for _, name := range e.PolicyNames() {
		w := e.Policies[name].Weights
		use := "usable"
		if !w.Usable {
			use = "refused"
		}
		if name == e.Logging {
			use = "logging"
		}
		t.Rows = append(t.Rows, []string{clean(name), number3(w.ESS.OrNaN()), count(w.Rows), count(w.Missing),
			share(w.MaxShare.OrNaN()),
			number3(w.Mean.OrNaN()), number3(w.Divergence.OrNaN()), eValue(w.LogEValue.OrNaN()), use})
	}
	return t
}

func diagnosticsTable(e *offpolicy.Document) table {
	t := table{
		Caption: "Figures that gate nothing",
		Cols: []column{text("Policy"), num("ESS / n"), num("Top 1%"), num("Hill"), num("Pareto k"), num("k limit"),
			num("Hellinger"),
			num("Judge space"), num("TTC"), num("Support")},
	}
	for _, name := range e.PolicyNames() {
		d := e.Policies[name].Diagnostics
		row := []string{clean(name)}
		for _, key := range []string{"relative_ess", "top_1_percent", "hill", "pareto_k", "pareto_limit",
			"hellinger_affinity", "judge_space_affinity", "ttc", "support"} {
			v, ok := d[key]
			if !ok {
				v = dataset.Float{}
			}
			row = append(row, number3(v.OrNaN()))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func auditsTable(e *offpolicy.Document) table {
	t := table{
		Caption: "Does the judge mean the same under this policy? Its own labels against the calibration, and its own " +
			"scores against the reweighted logs",
		Cols: []column{text("Policy"), text("Audit"), num("Labels"), num("Mean residual"), num("95% interval"),
			num("Judge, reweighted"), num("Judge, own responses"),
			num("Difference")},
	}
	for _, name := range e.PolicyNames() {
		p := e.Policies[name]
		if name == e.Logging {
			continue
		}
		row := []string{clean(name), strings.ToLower(strings.ReplaceAll(clean(p.Audit.Status), "_", " ")),
			count(p.Audit.Probes), score(p.Audit.Residual.OrNaN()), span(p.Audit.CI, score), absent, absent, absent}
		if b := p.Balance; b != nil {
			row[5], row[6], row[7] = score(b.Reweighted.OrNaN()), score(b.Fresh.OrNaN()), score(b.Difference.OrNaN())
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func evaluatedCalibration(e *offpolicy.Document) string {
	c := e.Calibration
	switch c.Status {
	case "refused":
		return "Refused: " + strings.Join(cleanAll(c.Reasons), "; ") + "."
	case "":
		return ""
	}
	return fmt.Sprintf("Judge and oracle on %s's responses: %s. The targets' own labels, where there are any, are the "+
		"test of it elsewhere.",
		clean(e.Logging), strings.Join(cleanAll(c.Reasons), "; "))
}
