package engine

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/providers"
)

func TestAlertsOncePerShareOfTheBudget(t *testing.T) {
	r := &Run{job: Job{Budget: 2}}
	var got []string
	for _, spent := range []providers.USD{0.5, 1.01, 1.2, 1.3, 1.7, 1.9, 1.9999, 2, 2} {
		if a := r.alert(spent); a != "" {
			got = append(got, strings.Fields(a)[0])
		}
	}
	if d := cmp.Diff([]string{"50%", "80%", "100%"}, got); d != "" {
		t.Errorf("alerts (-want +got):\n%s", d)
	}
	// One call may pass two shares at once: only the larger is news.
	r = &Run{job: Job{Budget: 2}}
	if a := r.alert(1.8); !strings.HasPrefix(a, "80%") {
		t.Errorf("alert %q, want one of 80%%", a)
	}
	if a := r.alert(1.8); a != "" {
		t.Errorf("alerted again: %q", a)
	}
	if a := (&Run{}).alert(1e6); a != "" {
		t.Errorf("no budget, and alerted: %q", a)
	}
}
