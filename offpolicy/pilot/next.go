package pilot

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/offpolicy/pilot/check"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
)

// next says what a reader of the verdict should do now. Its command does not lead to the
// same verdict: what has to change is in it, as a word for the reader to replace if only
// the reader knows the value.
func next(v *Verdict, stop *record.Stop, c *Config) NextStep {
	switch {
	case v.State == Running:
		return NextStep{Do: "Wait: the run goes on."}
	case stop != nil && len(stop.Shards) > 0:
		return NextStep{Do: "Start the shards that have not ended again, and merge again."}
	case stop != nil && stop.OutOfBudget() && !c.Shard.Whole():
		return c.moreForShard(v)
	case stop != nil && stop.OutOfBudget():
		// What is left is not known; as much again and a quarter more is a start.
		budget := c.budget(1.6 * max(v.Run.Spent, v.Cost.ExpectedUSD))
		return c.step("Raise the budget and start the run again: it goes on where it stopped, and pays for nothing twice.",
			false, budget...)
	case stop != nil && stop.Resumable():
		return c.step("Start the run again: it goes on where it stopped, and pays for nothing twice.", false)
	case !c.Shard.Whole() && stop == nil && v.Decision != record.NoGo:
		return NextStep{Do: fmt.Sprintf("Merge the folders of all %d shards when they have ended: the verdict on the run "+
			"is that on the whole.", c.Shard.Of)}
	case c.Drill:
		return c.step("This was a drill: its faults were planted. Start a run without them, in a new folder.", true)
	case v.Decision == record.GO:
		return goOn(&v.Projection, len(c.Prompts))
	case stop != nil && stop.Kind != record.StopUncertified:
		return c.step(fmt.Sprintf("Fix what stopped the run in stage %s: %s. Then start it again: it goes on where it "+
			"stopped, and pays for nothing twice.", stop.Stage, strings.TrimSuffix(stop.Message, ".")), false)
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
		do := fmt.Sprintf("Fix %s: %s. ", ids(fails), strings.TrimSuffix(fails[0].Remedy, "."))
		if stop == nil && inPlace(fails, c.Arms) {
			return c.step(do+"Then start the run again: it makes what failed, and pays for nothing twice.", false,
				fails[0].Changes...)
		}
		changes := fails[0].Changes
		if len(changes) == 0 { // the policies name model, template and endpoint
			changes = []record.Change{{Field: record.FieldArms}}
		}
		return c.step(do+"Then start the run in a new folder: with another model, judge, template or endpoint it is "+
			"another run.", true, changes...)
	case len(holds) > 0:
		var waived []record.Change
		for _, f := range holds {
			waived = append(waived, record.Change{Field: record.FieldWaived, To: f.ID + "=" + Reason})
		}
		return c.step(fmt.Sprintf("Look at %s below. Fix what can be fixed and start again, or accept it: put your reason "+
			"in place of %s.", ids(holds), Reason), false, waived...)
	}
	return c.step("Start the run again.", false)
}

// moreForShard is the next step of a shard that has spent its part of the budget.
func (c *Config) moreForShard(v *Verdict) NextStep {
	do := fmt.Sprintf("This shard's part of the budget is spent: $%.4f of $%.4f", v.Run.Spent, float64(c.Budget))
	unseen := 0.0
	for _, s := range v.Spending {
		unseen += s.UnseenUSD
	}
	if unseen > 0 {
		do += fmt.Sprintf(", with $%.4f that calls may have cost whose answers were lost", unseen)
	}
	// As much again for the shard, and its like for those that have not ended.
	enough := record.Change{Field: record.FieldBudget}
	if usd := c.part.asks(2 * max(v.Run.Spent, v.Cost.ExpectedUSD)); !math.IsInf(usd, 1) {
		enough.To = fmt.Sprintf("%.2f", ceilCents(usd))
	}
	const goesOn = ": it goes on where it stopped, and pays for nothing twice."
	if c.part.ended == c.Shard.Of-1 {
		return c.step(do+". It has all that the other shards left. Start it again with a larger budget of all shards"+goesOn,
			false, enough)
	}
	do += ". Start it again with the folders of more shards, once they have ended: it has its part of what they left. "
	if enough.To != "" {
		do += fmt.Sprintf("Or start it with a budget of all shards of $%s", enough.To)
	} else {
		do += "Or start it with a larger budget of all shards"
	}
	return c.step(do+goesOn, false, record.Change{Field: record.FieldLedgers})
}

// Reason stands in a command for the reason that only its reader can give.
const Reason = "REASON"

// step is a next step with its command.
func (c *Config) step(do string, fresh bool, changes ...record.Change) NextStep {
	out := NextStep{Do: do}
	if c.Command != nil {
		out.Command = c.Command(fresh, changes...)
	} else {
		out.Changes = changes
	}
	return out
}

// budget is the change that leaves a quarter of room for a run that costs usd in all;
// none if no budget is set or it has the room.
func (c *Config) budget(usd float64) []record.Change {
	room := 1.25 * usd
	if !(c.Budget > 0 && room > float64(c.Budget)) {
		return nil
	}
	return []record.Change{{Field: record.FieldBudget, To: fmt.Sprintf("%.2f", ceilCents(room))}}
}

// inPlace reports whether another start in the same folder can clear all of these: a grader with
// another limit is another one.
func inPlace(fails []record.Finding, arms record.Arms) bool {
	checks := check.For(arms)
	return !slices.ContainsFunc(fails, func(f record.Finding) bool {
		if slices.ContainsFunc(f.Changes, func(c record.Change) bool { return c.Field == record.FieldReplyTokens }) {
			return true
		}
		return !slices.ContainsFunc(checks, func(c check.Check) bool { return c.ID == f.ID && c.InPlace })
	})
}

// goOn is the full run, or a cheaper one if that answers for more policies or costs
// less than half, to one who has a sample of n prompts.
func goOn(p *record.Projection, n int) NextStep {
	const extends = " It extends this run: nothing is paid for twice."
	full := record.Plural(p.Prompts, "prompt", "prompts")
	if p.FurtherUSD.Valid() {
		full += ", " + record.Dollars(p.FurtherUSD) + " more"
	}
	lacks := p.Missing()
	if lacks > 0 {
		full += fmt.Sprintf(", and an input with %s more than this one holds", record.Plural(lacks, "prompt", "prompts"))
	}
	all := len(p.Answering(record.OutlookYes)) == len(p.Questions)
	switch d := p.Cheapest; {
	case p.Answered:
		return NextStep{Do: fmt.Sprintf("Read the estimates: every policy is known to ±%s or better, as was "+
			"wanted. Only narrower intervals need the full run (%s).", record.HalfWidth(p.Resolution.OrNaN()), full),
			Command: p.Command}
	case d != nil && (!all || 2*d.USD.OrNaN() < p.FurtherUSD.OrNaN()):
		return NextStep{Do: fmt.Sprintf("Extend this run to %s: %s more. That should give every policy to %s; "+
			"nothing is paid for twice.", d.Words(n), record.Dollars(d.USD), p.Promise(d.HalfWidth)), Command: d.Command}
	case lacks > 0 && p.Held <= n:
		return NextStep{Do: "This run has all prompts that the input holds. The full run takes " + full + "."}
	case lacks > 0:
		return NextStep{Do: fmt.Sprintf("Run all %s that the input holds.%s The full run takes %s.",
			record.Plural(p.Held, "prompt", "prompts"), extends, full), Command: p.Command}
	case all:
		return NextStep{Do: "Start the full run: " + full + "." + extends, Command: p.Command}
	}
	return NextStep{Do: fmt.Sprintf("Start the full run: %s.%s It would answer %s.", full, extends, p.Gives()),
		Command: p.Command}
}

func ids(checks []record.Finding) string {
	out := make([]string, len(checks))
	for i, c := range checks {
		out[i] = c.ID
	}
	return record.Some(out)
}

// extend fills in the commands of the runs that a projection names, by what is spent
// already and labeled by design. None asks for more prompts than the input holds, and a
// drill is not extended.
func (c *Config) extend(p *record.Projection, design []oracle.Assignment, spent float64) {
	if c.Command == nil || c.Drill || !c.Shard.Whole() || p.Prompts == 0 {
		return
	}
	labels := map[string]int{} // by policy
	for _, as := range design {
		if as.Role != oracle.RoleDuplicate {
			labels[as.Key.Policy]++
		}
	}
	command := func(prompts, probes int, more float64) string {
		changes := []record.Change{{Field: record.FieldPrompts, To: fmt.Sprint(prompts)}}
		if probes > 0 {
			changes = append(changes, record.Change{Field: record.FieldProbes, To: fmt.Sprint(probes)})
		}
		if c.LabelsBudget > 0 { // what is planned has as many labels a prompt as this run
			changes = append(changes, record.Change{Field: record.FieldLabelsBudget, To: "0"}, record.Change{
				Field: record.FieldLabels, To: fmt.Sprintf("fraction=%.3g",
					float64(labels[c.Arms.Logging().Policy.Name])/float64(len(c.Prompts)))})
		}
		return c.Command(false, append(changes, c.budget(spent+more)...)...)
	}
	n, probes := len(c.Prompts), c.Labels.Probes
	if c.LabelsBudget > 0 {
		for _, a := range c.Arms.Targets() {
			probes = max(probes, labels[a.Policy.Name])
		}
	}
	switch most := p.Prompts - p.Missing(); {
	case p.Missing() == 0:
		p.Command = command(p.Prompts, probes, p.FurtherUSD.OrNaN())
	case most > n:
		share := float64(most-n) / float64(p.Prompts-n)
		p.Command = command(most, probes, share*p.FurtherUSD.OrNaN())
	}
	if d := p.Cheapest; d != nil {
		d.Command = command(d.Prompts, max(d.Labels, probes), d.USD.OrNaN())
	}
}
