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

// A reason is short: records are left out, models are named by the last part of their path,
// and the cause behind them stays.
func TestReasonsAreShort(t *testing.T) {
	for _, c := range [][2]string{
		{"logprobs.zero: 26 log-probs of exactly 0.0: 05e7bac3effa63f3/pi_bad/0, q1/pi_cot/3 and 17 more",
			"logprobs.zero: 26 log-probs of exactly 0.0"},
		{"endpoint.certified: not certified: accounts/fireworks/models/scout llama4, accounts/f/models/mav-1.5 llama4: " +
			"certification stopped (rate_limited)",
			"endpoint.certified: not certified: scout llama4, mav-1.5 llama4: certification stopped (rate_limited)"},
		{"run.errors: GET https://host.example/v1/models: 3/4 of meta-llama/Llama-3 failed",
			"run.errors: GET https://host.example/v1/models: 3/4 of meta-llama/Llama-3 failed"},
		{"a check: 05e7/pi_bad/0 alone", "a check: 05e7/pi_bad/0 alone"},
	} {
		if got := withoutKeys(c[0]); got != c[1] {
			t.Errorf("%q\n  is cut to %q\n  want %q", c[0], got, c[1])
		}
	}
}

// Who would have scored and labeled is not said of a run that ended before.
func TestNothingScoredYet(t *testing.T) {
	v := fullVerdict()
	v.Stages, v.Spending = nil, nil
	if got := judgeFact(v); got != "no response is scored" {
		t.Errorf("judge: %q", got)
	}
	if got := labelsFact(v); got != "no response is labeled" {
		t.Errorf("labels: %q", got)
	}
}

// A smaller run than the full one that would answer is offered as such.
func TestASmallerRunWouldDo(t *testing.T) {
	for _, c := range []struct {
		full    record.Outlook
		prompts int
		want    string
	}{
		{record.OutlookYes, 287, "287 prompts, with 158 responses of every other policy labeled, would do so already ("},
		{record.OutlookYes, 10000, "would answer for all ("},
		{record.OutlookNo, 287, "would answer for all ("},
	} {
		v := fullVerdict()
		v.Decision = record.GO
		for i := range v.Projection.Questions {
			v.Projection.Questions[i].FullRun = c.full
		}
		v.Projection.Cheapest.Prompts = c.prompts
		if b := answerBadge(v); !strings.Contains(b.Do, c.want) {
			t.Errorf("full run %s, %d prompts: %q, want %q", c.full, c.prompts, b.Do, c.want)
		}
	}
}
