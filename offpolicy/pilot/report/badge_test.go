package report

import (
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// One part of a run answers neither question for the whole, but that it must not start.
func TestBadgesOfAShard(t *testing.T) {
	for _, c := range []struct {
		decision record.Decision
		state    pilot.State
		start    string
	}{
		{record.GO, pilot.Done, "Not decided yet"},
		{record.GO, pilot.Running, "Not decided yet"},
		{record.NoGo, pilot.Done, "No (NO-GO)"},
	} {
		v := fullVerdict()
		v.Decision, v.State, v.Run.Shard = c.decision, c.state, &pilot.Shard{Index: 1, Of: 2}
		v.Next = pilot.NextStep{Do: "Merge the folders."}
		b := newBadges(v)
		if b[0].Answer != c.start || c.decision == record.GO && (b[0].Tone != "info" ||
			!strings.Contains(b[0].Reason, "one part of the run") || b[0].Do != "Merge the folders.") {
			t.Errorf("%s, %s: it may start: %+v", c.decision, c.state, b[0])
		}
		if b[1].Answer != "Not known yet" || b[1].Reason != "This takes all parts of the run." || b[1].Do != "" {
			t.Errorf("%s, %s: it answers: %+v", c.decision, c.state, b[1])
		}
	}
}
