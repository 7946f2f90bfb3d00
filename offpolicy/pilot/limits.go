package pilot

import (
	"fmt"
	"strings"

	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// cannotSay lists what the sample leaves open, with what would tell.
func cannotSay(rec *record.Records) []string {
	out := []string{}
	if !rec.Reached(record.WholeRun) {
		return append(out, "anything yet: the sample is not complete")
	}
	n := rec.Prompts.Len()
	hit := record.FailedPrompts(rec)
	out = append(out, fmt.Sprintf("%d of %d prompts had a record that failed: of the full run's up to %.1f%% may (95%% "+
		"bound)", hit, n, 100*offpolicy.BinomialUpper(hit, n, 0.95)))
	for _, a := range rec.Arms {
		if a.Role == record.Logging {
			continue
		}
		w := rec.Weights(a.Policy.Name).Summary
		if !w.Usable && w.N > 0 {
			out = append(out, fmt.Sprintf("%s: its weights cannot carry an estimate from P0's logs (%s); fresh draws with "+
				"labels of its own can", a.Policy.Name, strings.Join(w.Reasons, "; ")))
		}
		if a.Role == record.Target {
			labeled := 0
			for _, l := range rec.Labels.All() {
				if l.Policy == a.Policy.Name && l.Label.Valid() {
					labeled++
				}
			}
			if labeled < 15 {
				out = append(out, fmt.Sprintf("%s: whether the judge means the same under it as under P0 is untested (%d "+
					"labels); 25 labels give a residual-corrected value, about 200 test the transport", a.Policy.Name, labeled))
			}
		}
	}
	return out
}
