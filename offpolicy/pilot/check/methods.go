package check

import (
	"fmt"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/teacherforce"
)

// TextMethods are the methods that need no token ids: the context's text is enough.
var TextMethods = []string{teacherforce.MethodTokenCounting, teacherforce.MethodEchoBased,
	teacherforce.MethodContinuation}

var _ = add(Check{
	ID: "logprobs.methods", After: "logprobs.range", Needs: record.StageLogProbs,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("token_counting, echo_based and continuation each answer at least %.0f%% of the rows of every "+
			"policy on which they are compared", 100*in.Thresholds.MethodShare)
	},
	Remedy: record.Remedy{Do: "the reasons in logprobs.jsonl say why a method did not answer: seam and retokenised " +
		"belong to the text, unsupported to the endpoint"},
	Find: checkMethods,
})

func checkMethods(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	c.Status = record.Pass
	var parts []string
	served := 0
	for _, a := range r.Arms {
		methods := TextMethods
		if teacherforce.Served(a.Policy.Template) { // no text is known to compare
			served++
			methods = []string{teacherforce.MethodTokenIDs}
		}
		rows, counts := 0, make([]struct{ put, answered int }, len(methods))
		for _, row := range r.LogProbs.AllOf(a.Policy.Name) {
			rows++
			for i, name := range methods {
				m := row.Methods[name]
				if m.Reason == string(teacherforce.ReasonNotCompared) {
					continue
				}
				counts[i].put++
				if m.LogProb.Valid() && m.Status == "ok" {
					counts[i].answered++
				}
			}
		}
		for i, m := range methods {
			put, answered := counts[i].put, counts[i].answered
			c.AddFigure(a.Policy.Name+" "+m, float64(answered), "")
			if put < rows {
				c.AddFigure(a.Policy.Name+" "+m+" compared on", float64(put), "")
			}
			switch share := float64(answered) / float64(max(1, put)); {
			case answered == 0:
				c.Worsen(record.Fail)
				parts = append(parts, fmt.Sprintf("%s never answered under %s", m, a.Policy.Name))
			case share < t.MethodShare:
				c.Worsen(record.Hold)
				parts = append(parts, fmt.Sprintf("%s answered %.0f%% under %s", m, 100*share, a.Policy.Name))
			}
		}
	}
	c.Summary = "all three methods were computed under every policy"
	if served > 0 {
		c.Summary = fmt.Sprintf("%s in the server's own rendering: the one method that there is, by token ids, was "+
			"computed; all three were under any other", record.Plural(served, "policy", "policies"))
	}
	if len(parts) > 0 {
		c.Summary = record.Some(parts)
	}
}

var _ = add(Check{
	ID: "logprobs.agreement", After: "logprobs.methods", Needs: record.StageLogProbs,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("the methods of a row agree within %g nats + %g per token; up to %.0f%% of the rows beyond "+
			"holds, more fails", in.Thresholds.AgreementNats, in.Thresholds.AgreementPerToken, 100*in.Thresholds.MissingHold)
	},
	Remedy: record.Remedy{Do: "compare the methods of the named rows in logprobs.jsonl: the endpoint scores the same " +
		"tokens differently from call to call"},
	Find: checkAgreement,
})

func checkAgreement(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	var bad []string
	worst, n := 0.0, 0
	for _, row := range r.LogProbs.Brief().All() {
		if !row.LogProb.Valid() || !row.Spread.Valid() {
			continue
		}
		n++
		worst = max(worst, row.Spread.OrNaN())
		if row.Spread.OrNaN() > t.AgreementNats+t.AgreementPerToken*float64(row.Tokens) {
			bad = append(bad, row.Key().String())
		}
	}
	c.AddFigure("rows", float64(n), "")
	c.AddFigure("beyond", float64(len(bad)), "")
	c.AddFigure("largest spread", worst, "nats")
	c.NameRecords(bad)
	switch {
	case n == 0:
		c.Status, c.Summary = record.Fail, "no row has two methods to compare"
	case len(bad) == 0:
		c.Status, c.Summary = record.Pass, fmt.Sprintf("the methods agree: largest spread %.3g nats", worst)
	default:
		c.Status = shareStatus(len(bad), n, 0, t.MissingHold)
		c.Summary = fmt.Sprintf("the methods disagree on %d of %d rows, by up to %.3g nats: %s", len(bad), n, worst,
			record.Some(c.Evidence.Records))
	}
}
