package report

import (
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// Tables of the full run: what it would take, and whether it would answer.

func projectionTable(v *pilot.Verdict) table {
	p := v.Projection
	t := table{
		Caption: fmt.Sprintf("Projection to %s, with %s intervals", plural(p.Prompts, "prompt", "prompts"), share(p.Level)),
		Cols:    []column{text("Quantity"), num("Expected"), num("From"), num("To")},
	}
	if p.Prompts == 0 {
		return t
	}
	row := func(name string, i record.Quantity, f func(float64) string) {
		t.Rows = append(t.Rows, []string{name, f(i.Value.OrNaN()), f(i.Lo.OrNaN()), f(i.Hi.OrNaN())})
	}
	row("Calls", p.Calls, rounded)
	row("Cost", p.USD, usd)
	if p.BatchUSD.Value.Valid() {
		row("Cost, labels and scores in batches", p.BatchUSD, usd)
	}
	further := func(name string, usdMore dataset.Float) {
		if usdMore.Valid() {
			t.Rows = append(t.Rows, []string{name, usd(usdMore.OrNaN()), "", ""})
		}
	}
	further("Of that still to be spent", p.FurtherUSD)
	further("Of that still to be spent, in batches", p.FurtherBatchUSD)
	row("Tokens", p.Tokens, rounded)
	row("Time, at this run's pace", p.Seconds, duration)
	row("Prompts that lack a record", p.Failed, rounded)
	t.Rows = append(t.Rows, []string{"P0's mean label, to within", halfWidth(p.HalfWidth), "", ""})
	return t
}

func projectedPolicies(v *pilot.Verdict) table {
	t := table{
		Caption: "Bounds on what weights alone can say of each target in the full run",
		Cols:    []column{text("Policy"), num("ESS, at most"), num("95% half-width, at least")},
	}
	for _, p := range v.Projection.Policies {
		t.Rows = append(t.Rows, []string{clean(p.Name), rounded(p.ESSAtMost.OrNaN()), halfWidth(p.HalfWidthAtLeast)})
	}
	return t
}

// questionTable says of each policy whether the full run would give its value,
// and the cheapest run found that would.
func questionTable(v *pilot.Verdict) table {
	p := v.Projection
	t := table{
		Caption: fmt.Sprintf("Whether the full run gives each policy's value to ±%s, and the cheapest run found that is "+
			"expected to; dollars are those still to be spent", number3(p.Resolution.OrNaN())),
		Cols: []column{text("Policy"), text("The full run"), num("To within"), num("Judge's difference from P0"),
			text("Cheapest that does"),
			num("To within"), num("Cost"), num("In batches")},
	}
	for _, q := range p.Questions {
		row := []string{clean(q.Policy), clean(string(q.FullRun)), halfWidth(q.HalfWidth), interval(q.Difference, score),
			"none known", absent, absent, absent}
		if d := q.Cheapest; d != nil {
			row = append(row[:4], designWords(d), halfWidth(d.HalfWidth), usd(d.USD.OrNaN()), usd(d.BatchUSD.OrNaN()))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func halfWidth(x dataset.Float) string {
	if !x.Valid() {
		return absent
	}
	return "±" + number3(x.OrNaN())
}

func designWords(d *record.LargerRun) string {
	s := plural(d.Prompts, "prompt", "prompts")
	if d.Labels > 0 {
		s += ", " + plural(d.Labels, "own label", "own labels")
	}
	return s
}

// questionReasons say why the full run gives a value or does not.
func questionReasons(v *pilot.Verdict) (out []fact) {
	for _, q := range v.Projection.Questions {
		out = append(out, fact{clean(q.Policy), clean(q.Reason)})
	}
	return out
}

// runCommands are the runs that one could start now.
func runCommands(v *pilot.Verdict) (out []fact) {
	p := v.Projection
	if d := p.Cheapest; d != nil && d.Command != "" {
		what := "The cheapest for all policies: " + plural(d.Prompts, "prompt", "prompts")
		if d.Labels > 0 {
			what += ", " + plural(d.Labels, "label", "labels") + " of every other policy"
		}
		out = append(out, fact{fmt.Sprintf("%s, %s more (%s in batches)", what, usd(d.USD.OrNaN()), usd(d.BatchUSD.OrNaN())),
			clean(d.Command)})
	}
	if p.Command == "" {
		return out
	}
	what := fmt.Sprintf("The full run: %s, %s more", plural(p.Prompts, "prompt", "prompts"), usd(p.FurtherUSD.OrNaN()))
	if p.Missing() > 0 {
		what = fmt.Sprintf("All %s that the input holds, of the full run's %s", plural(p.Held, "prompt", "prompts"),
			record.Count(p.Prompts))
	}
	out = append(out, fact{what, clean(p.Command)})
	return out
}
