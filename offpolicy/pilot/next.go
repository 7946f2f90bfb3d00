package pilot

import (
	"fmt"
	"strings"
)

// next says what a reader of the verdict should do now.
func next(v *Verdict, stop *Stop, c *Config) NextStep {
	again := NextStep{Command: c.Command}
	switch {
	case v.State == "running":
		return NextStep{Do: "Wait: the run goes on."}
	case stop != nil && stop.resumable():
		again.Do = "Start the run again: it goes on where it stopped, and pays for nothing twice."
		if stop.Class == "budget" {
			again.Do = "Raise the budget (-budget) and start the run again: it goes on where it stopped, and pays for nothing twice."
		}
		return again
	case v.Decision == GO:
		return NextStep{Do: fmt.Sprintf("Start the full run of %d prompts: it extends this one, whose records are not paid for again.", c.Full), Command: c.FullCommand}
	}
	var fails, holds []Check
	for _, check := range v.Checks {
		switch {
		case check.Waived != "":
		case check.Status == Fail && !strings.HasPrefix(check.Summary, NotComputed):
			fails = append(fails, check)
		case check.Status == Hold && !strings.HasPrefix(check.Summary, NotComputed):
			holds = append(holds, check)
		}
	}
	switch {
	case len(fails) > 0:
		again.Do = fmt.Sprintf("Mend %s: %s. Then start the run again; where model, endpoint or policy change, in a new folder (-out).", ids(fails), strings.TrimSuffix(fails[0].Remedy, "."))
	case len(holds) > 0:
		again.Do = fmt.Sprintf("Read %s below. What can be mended, mend; what is acceptable, accept by name (-waive %s=reason). Then start the run again, which pays for nothing twice.", ids(holds), holds[0].ID)
	default:
		again.Do = "Start the run again once the cause is mended: it goes on where it stopped."
	}
	return again
}

func ids(checks []Check) string {
	out := make([]string, len(checks))
	for i, c := range checks {
		out[i] = c.ID
	}
	return some(out)
}
