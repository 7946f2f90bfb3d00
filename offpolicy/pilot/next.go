package pilot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// next says what a reader of the verdict should do now.
func next(v *Verdict, stop *record.Stop, c *Config) NextStep {
	again := NextStep{Command: c.Command}
	switch {
	case v.State == "running":
		return NextStep{Do: "Wait: the run goes on."}
	case stop != nil && stop.Resumable():
		again.Do = "Start the run again: it goes on where it stopped, and pays for nothing twice."
		if stop.OutOfBudget() {
			again.Do = "Raise the budget (-budget) and start the run again: it goes on where it stopped, and pays for nothing twice."
			if c.Extend != nil { // what is left is not known; as much again and a quarter more is a start
				again.Command = c.Extend(len(c.Prompts), c.Labels.Probes, 1.6*max(v.Run.Spent, v.Estimate.ExpectedUSD))
			}
		}
		return again
	case v.Decision == record.GO:
		return goOn(&v.Projection, len(c.Prompts))
	}
	if stop != nil && stop.Kind != record.StopUncertified {
		again.Do = fmt.Sprintf("Mend what stopped the run in stage %s: %s. Then start the run again: it goes on where it stopped, and pays for nothing twice.", stop.Stage, strings.TrimSuffix(stop.Message, "."))
		return again
	}
	var fails, holds []record.Finding
	for _, check := range v.Checks {
		switch {
		case check.Waived != "":
		case check.ID == "run.errors" && stop != nil && stop.Kind == record.StopUncertified: // it follows from endpoint.certified
		case check.Status == record.Fail && !strings.HasPrefix(check.Summary, record.NotComputed):
			fails = append(fails, check)
		case check.Status == record.Hold && !strings.HasPrefix(check.Summary, record.NotComputed):
			holds = append(holds, check)
		}
	}
	switch {
	case len(fails) > 0:
		again.Do = fmt.Sprintf("Mend %s: %s. ", ids(fails), strings.TrimSuffix(fails[0].Remedy, "."))
		if stop != nil || slices.ContainsFunc(fails, func(c record.Finding) bool { return !mendedInPlace[c.ID] }) {
			again.Do += "Then start the run in a new folder: with another model, template or endpoint it is another run."
			again.Command = c.Afresh
		} else {
			again.Do += "Then start the run again: it makes what failed, and pays for nothing twice."
		}
	case len(holds) > 0:
		again.Do = fmt.Sprintf("Read %s below. What can be mended, mend, and start the run again, which pays for nothing twice; what is acceptable, accept by name, with -waive %s=REASON behind the same command.", ids(holds), holds[0].ID)
	default:
		again.Do = "Start the run again."
	}
	return again
}

// mendedInPlace are the checks whose failure the next start in the same folder can
// mend: what they miss is made then, or they compare the run with what its
// command line says.
var mendedInPlace = map[string]bool{
	"p0.complete": true, "p0.logprobs": true, "targets.complete": true, "logprobs.complete": true, "oracle.range": true,
	"judge.complete": true, "judge.parse": true, "missing.pattern": true, "files.valid": true, "cost.estimate": true, "run.errors": true, "run.ratelimit": true,
}

// goOn is the full run, or a cheaper one that answers where the full one would
// leave a policy unanswered or costs more than twice as much.
func goOn(p *record.Projection, n int) NextStep {
	const extends = " It extends this one, whose records are not paid for again."
	unanswered := p.Unanswered()
	cost := ""
	if p.FurtherUSD.Valid() {
		cost = fmt.Sprintf(", about $%.2f more", p.FurtherUSD.OrNaN())
	}
	full := fmt.Sprintf("the full run of %s%s", record.Plural(p.Prompts, "prompt", "prompts"), cost)
	switch d := p.Cheapest; {
	case p.Answered:
		return NextStep{Do: fmt.Sprintf("Read the estimates: this sample gives every policy to ±%s or better, as was wanted. Only what needs narrower intervals needs %s.%s", record.HalfWidth(p.Resolution.OrNaN()), full, extends), Command: p.Command}
	case d != nil && (unanswered != "" || 2*d.USD.OrNaN() < p.FurtherUSD.OrNaN()):
		but := "gives them to less"
		if unanswered != "" {
			but = unanswered
		}
		return NextStep{Do: fmt.Sprintf("Run %s, %s more: that is expected to give every policy to about ±%s.%s The full run%s, may start as well; it %s (see The full run).",
			d.Words(n), record.Dollars(d.USD), record.HalfWidth(d.HalfWidth.OrNaN()), extends, cost, but), Command: d.Command}
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
// spent already.
func extend(p *record.Projection, command func(prompts, probes int, usd float64) string, probes int, spent float64) {
	if command == nil || p.Prompts == 0 {
		return
	}
	p.Command = command(p.Prompts, probes, spent+p.FurtherUSD.OrNaN())
	if d := p.Cheapest; d != nil {
		d.Command = command(d.Prompts, max(d.Labels, probes), spent+d.USD.OrNaN())
	}
}
