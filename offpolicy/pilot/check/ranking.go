package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

var _ = add(Check{
	ID: "policies.ranking", After: "transport", Needs: record.StageJudge,
	OfSample: true,
	Threshold: says("the policy expected to be worst has the lowest mean judge score, and scores below P0 with 97.5% " +
		"confidence (paired)"),
	Remedy: record.Remedy{Do: "read responses and scores of that policy: either the judge does not see what is wrong " +
		"with it, or its prompt has no effect"},
	Find: checkRanking,
})

func checkRanking(in *Input, c *record.Finding) {
	r := in.Records
	type mean struct {
		name  string
		value float64
	}
	var means []mean
	for _, a := range r.Arms {
		var xs []float64
		for _, s := range r.Scores.AllOf(a.Policy.Name) {
			if s.Mean.Valid() {
				xs = append(xs, s.Mean.OrNaN())
			}
		}
		if len(xs) == 0 {
			c.Status, c.Summary = record.Fail, a.Policy.Name+" has no scores"
			return
		}
		m, _ := record.MeanSD(xs)
		means = append(means, mean{a.Policy.Name, m})
		c.AddFigure(a.Policy.Name+" mean", m, "")
	}
	slices.SortFunc(means, func(a,
		b mean) int {
		return cmp.Or(cmp.Compare(b.value, a.value), cmp.Compare(a.name, b.name))
	})
	order := make([]string, len(means))
	for i, m := range means {
		order[i] = fmt.Sprintf("%s %.3f", m.name, m.value)
	}
	c.Summary = strings.Join(order, " > ")
	if worst := worstCase(r, c); worst != "" {
		c.Summary += "; " + worst
	}
	if noTarget(r, c) {
		return
	}
	bad := worstArm(r)
	if bad == nil {
		c.Status = record.Info
		c.Summary += "; no policy is expected to be worse than P0"
		return
	}
	p0, worst := r.Scores.Of(r.Logging().Policy.Name), r.Scores.Of(bad.Policy.Name)
	var a, b []float64
	for _, p := range r.Prompts.Brief().All() {
		x, okX := worst(p.ID)
		y, okY := p0(p.ID)
		if okX && okY && x.Mean.Valid() && y.Mean.Valid() {
			a, b = append(a, x.Mean.OrNaN()), append(b, y.Mean.OrNaN())
		}
	}
	d := offpolicy.PairedDifference(a, b)
	c.AddFigure(bad.Policy.Name+" - "+r.Logging().Policy.Name, d.Mean, "")
	c.AddFigure("97.5% upper bound", d.Upper, "")
	c.Status = record.Hold
	if means[len(means)-1].name == bad.Policy.Name && d.Upper < 0 {
		c.Status = record.Pass
	}
}
