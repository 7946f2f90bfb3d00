package pilot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/offpolicy/pilot/check"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// next says what a reader of the verdict should do now.
func next(v *Verdict, stop *record.Stop, c *Config) NextStep {
	again := NextStep{Command: c.Command}
	switch {
	case v.State == Running:
		return NextStep{Do: "Wait: the run goes on."}
	case stop != nil && stop.Resumable():
		again.Do = "Start the run again: it goes on where it stopped, and pays for nothing twice."
		if stop.OutOfBudget() {
			again.Do = "Raise the budget and start the run again: it goes on where it stopped, and pays for nothing twice."
			again.Changes = c.spell(record.Do("", record.FieldBudget).Changes)
			if !c.Shard.Whole() {
				again.Do = "This shard's part of the budget is spent. Start it again with what shards that have ended left " +
					"over, or with a larger budget: it goes on where it stopped, and pays for nothing twice."
				again.Changes = c.spell(record.Do("", record.FieldLedgers, record.FieldBudget).Changes)
			} else if c.Extend != nil { // what is left is not known; as much again and a quarter more is a start
				again.Command = c.Extend(len(c.Prompts), c.Labels.Probes, 1.6*max(v.Run.Spent, v.Estimate.ExpectedUSD))
			}
		}
		return again
	case !c.Shard.Whole() && stop == nil && v.Decision != record.NoGo:
		return NextStep{Do: fmt.Sprintf("Merge the folders of all %d shards when they have ended: the verdict on the run "+
			"is that on the whole.", c.Shard.Of)}
	case v.Decision == record.GO:
		return goOn(&v.Projection, len(c.Prompts))
	}
	if stop != nil && stop.Kind != record.StopUncertified {
		again.Do = fmt.Sprintf("Fix what stopped the run in stage %s: %s. Then start the run again: it goes on where it "+
			"stopped, and pays for nothing twice.", stop.Stage, strings.TrimSuffix(stop.Message, "."))
		return again
	}
	var fails, holds []record.Finding
	for _, f := range v.Checks {
		switch {
		case f.Waived != "":
		// it follows from endpoint.certified
		case f.ID == "run.errors" && stop != nil && stop.Kind == record.StopUncertified:
		case f.Status == record.Fail && f.State == record.Computed:
			fails = append(fails, f)
		case f.Status == record.Hold && f.State == record.Computed:
			holds = append(holds, f)
		}
	}
	switch {
	case len(fails) > 0:
		again.Do = fmt.Sprintf("Fix %s: %s. ", ids(fails), strings.TrimSuffix(fails[0].Remedy, "."))
		if stop != nil || !inPlace(fails, c.Arms) {
			again.Do += "Then start the run in a new folder: with another model, template or endpoint it is another run."
			again.Command = c.Afresh
		} else {
			again.Do += "Then start the run again: it makes what failed, and pays for nothing twice."
		}
	case len(holds) > 0:
		again.Do = fmt.Sprintf("Read %s below. Fix what can be fixed and start the run again, which pays for nothing "+
			"twice; what is acceptable, accept by name and with a reason.", ids(holds))
		again.Changes = c.spell([]record.Change{{Field: record.FieldWaived, To: holds[0].ID + "=REASON"}})
	default:
		again.Do = "Start the run again."
	}
	return again
}

// inPlace reports whether another start in the same folder can clear all of these.
func inPlace(fails []record.Finding, arms record.Arms) bool {
	checks := check.For(arms)
	return !slices.ContainsFunc(fails, func(f record.Finding) bool {
		return !slices.ContainsFunc(checks, func(c check.Check) bool { return c.ID == f.ID && c.InPlace })
	})
}

// goOn is the full run, or a cheaper one that answers where the full one would
// leave a policy unanswered or costs more than twice as much.
func goOn(p *record.Projection, n int) NextStep {
	const extends = " It extends this one, whose records are not paid for again."
	unanswered := p.Unanswered()
	cost := ""
	if p.FurtherUSD.Valid() {
		cost = ", " + record.Dollars(p.FurtherUSD) + " more"
	}
	full := fmt.Sprintf("the full run of %s%s", record.Plural(p.Prompts, "prompt", "prompts"), cost)
	if lacks := p.Missing(); lacks > 0 {
		full += fmt.Sprintf(", and an input with %s more than this one holds", record.Plural(lacks, "prompt", "prompts"))
	}
	switch d := p.Cheapest; {
	case p.Answered:
		return NextStep{Do: fmt.Sprintf("Read the estimates: this sample gives every policy to ±%s or better, as was "+
			"wanted. Only what needs narrower intervals needs %s.%s", record.HalfWidth(p.Resolution.OrNaN()), full, extends),
			Command: p.Command}
	case d != nil && (unanswered != "" || 2*d.USD.OrNaN() < p.FurtherUSD.OrNaN()):
		but := "gives them to less"
		if unanswered != "" {
			but = unanswered
		}
		do := fmt.Sprintf("Run %s, %s more: that is expected to give every policy to %s.%s ", d.Words(n),
			record.Dollars(d.USD), p.Promise(d.HalfWidth), extends)
		if p.Missing() > 0 {
			do += "What needs more takes " + full + "."
		} else {
			do += fmt.Sprintf("The full run%s, may start as well; it %s (see The full run).", cost, but)
		}
		return NextStep{Do: do, Command: d.Command}
	case p.Missing() > 0 && p.Held <= n:
		return NextStep{Do: "This run has all prompts that the input holds. What needs more takes " + full + "."}
	case p.Missing() > 0:
		return NextStep{Do: fmt.Sprintf("Run all %s that the input holds.%s What needs more takes %s.",
			record.Plural(p.Held, "prompt", "prompts"), extends, full), Command: p.Command}
	}
	do := "Start " + full + "." + extends
	if unanswered != "" {
		do += fmt.Sprintf(" It %s (see The full run).", unanswered)
	}
	return NextStep{Do: do, Command: p.Command}
}

func ids(checks []record.Finding) string {
	out := make([]string, len(checks))
	for i, c := range checks {
		out[i] = c.ID
	}
	return record.Some(out)
}

// extend fills in the commands of the runs that a projection names, by what is
// spent already on n prompts. None asks for more prompts than the input holds.
func extend(p *record.Projection, command func(prompts, probes int, usd float64) string, n, probes int,
	spent float64) {
	if command == nil || p.Prompts == 0 {
		return
	}
	switch most := p.Prompts - p.Missing(); {
	case p.Missing() == 0:
		p.Command = command(p.Prompts, probes, spent+p.FurtherUSD.OrNaN())
	case most > n:
		share := float64(most-n) / float64(p.Prompts-n)
		p.Command = command(most, probes, spent+share*p.FurtherUSD.OrNaN())
	}
	if d := p.Cheapest; d != nil {
		d.Command = command(d.Prompts, max(d.Labels, probes), spent+d.USD.OrNaN())
	}
}
