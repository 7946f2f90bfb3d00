package pilot

import (
	"strings"
	"testing"
)

func TestNext(t *testing.T) {
	c := &Config{Full: 10_000, Command: "again", FullCommand: "full"}
	check := func(id string, s Status) Check { return Check{ID: id, Status: s, Remedy: "do " + id + "."} }
	waived := check("cost.estimate", Fail)
	waived.Waived = "agreed"
	skipped := check("judge.complete", Fail)
	skipped.Summary = NotComputed + "the run stopped"
	for _, r := range []struct {
		name    string
		v       Verdict
		stop    *Stop
		says    []string
		command string
		reason  string
	}{
		{"running", Verdict{State: "running", Decision: HOLD}, &Stop{Class: "running"}, []string{"Wait"}, "", "nothing is to be started twice"},
		{"GO", Verdict{State: "done", Decision: GO, Checks: []Check{waived}}, nil, []string{"full run of 10000 prompts", "extends"}, "full", "a waived failure is accepted already"},
		{"HOLD", Verdict{State: "done", Decision: HOLD, Checks: []Check{check("judge.injection", Hold), check("weights.clone", Hold)}}, nil,
			[]string{"judge.injection, weights.clone", "-waive judge.injection=reason"}, "again", "look, mend or accept"},
		{"NO-GO", Verdict{State: "done", Decision: NoGo, Checks: []Check{check("logprobs.zero", Fail), check("cost.estimate", Hold), skipped}}, nil,
			[]string{"Mend logprobs.zero: do logprobs.zero. Then"}, "again", "the failure comes before what holds, and what follows from it is no cause"},
		{"budget", Verdict{State: "done", Decision: HOLD}, &Stop{Class: "budget"}, []string{"-budget", "goes on where it stopped"}, "again", "money is what it lacks"},
		{"interrupted", Verdict{State: "interrupted", Decision: HOLD}, &Stop{Class: "interrupted"}, []string{"goes on where it stopped"}, "again", "nothing else is wrong"},
		{"nothing but what follows", Verdict{State: "done", Decision: NoGo, Checks: []Check{skipped}}, &Stop{Class: "quota"}, []string{"once the cause is mended"}, "again", "the cause stands in run.errors"},
	} {
		got := next(&r.v, r.stop, c)
		if got.Command != r.command {
			t.Errorf("%s: command %q, want %q (%s)", r.name, got.Command, r.command, r.reason)
		}
		for _, w := range r.says {
			if !strings.Contains(got.Do, w) {
				t.Errorf("%s: %q does not say %q (%s)", r.name, got.Do, w, r.reason)
			}
		}
	}
}
