package record

import (
	"fmt"
)

// Decide turns checks into a decision, with one line for each check that
// decided it; those that were not computed share a line, since they follow from
// what stopped the run. Waived checks do not count; the lines name them.
func Decide(checks []Finding) (Decision, []string) {
	var fails, holds, waived, skipped, coming []string
	decision := GO
	for _, c := range checks {
		if c.Status != Fail && c.Status != Hold {
			continue
		}
		line := c.ID + ": " + c.Summary
		if c.Waived != "" {
			waived = append(waived, fmt.Sprintf("waived (%s): %s", c.Waived, line))
			continue
		}
		if c.Status == Fail {
			decision = NoGo
		} else if decision == GO {
			decision = HOLD
		}
		switch {
		case c.State == ToCome:
			coming = append(coming, c.ID)
		case c.State == NotComputed:
			skipped = append(skipped, c.ID)
		case c.Status == Fail:
			fails = append(fails, line)
		default:
			holds = append(holds, line)
		}
	}
	lines := append(fails, holds...)
	if len(skipped) > 0 {
		lines = append(lines, fmt.Sprintf("%s could not be computed: %s", Plural(len(skipped), "check", "checks"),
			Some(skipped)))
	}
	if len(coming) > 0 {
		lines = append(lines, fmt.Sprintf("%s still to come: %s", Plural(len(coming), "check is", "checks are"),
			Some(coming)))
	}
	return decision, append(lines, waived...)
}

// Decision is the answer to "may the full run start?".
type Decision string

// The decisions, in order of severity.
const (
	GO   Decision = "GO"
	HOLD Decision = "HOLD"
	NoGo Decision = "NO-GO"
)
