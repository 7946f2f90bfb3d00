package engine

import (
	"strings"
	"testing"
	"time"

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

func TestRunningReportsAreNeverStale(t *testing.T) {
	const s = time.Second
	for _, r := range []struct {
		took, ran, want time.Duration
		reason          string
	}{
		{0, 5 * s, 2 * s, "as often as somebody looks"},
		{s / 2, 60 * s, 10 * s, "a twentieth of the time is for the report"},
		{10 * s, 300 * s, 50 * s, "a minute after the records of the last one, the next is there"},
		{10 * s, 1200 * s, 110 * s, "of a run of twenty minutes, two minutes are a tenth"},
		{10 * s, 7200 * s, 200 * s, "a long run has time for a twentieth again"},
		{100 * s, 300 * s, 100 * s, "the run must go on"},
	} {
		if got := untilNext(r.took, r.ran); got != r.want {
			t.Errorf("%v to write, %v into the run: next after %v, want %v (%s)", r.took, r.ran, got, r.want, r.reason)
		}
	}
}
