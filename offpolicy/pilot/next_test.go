package pilot

import (
	"fmt"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
)

func TestNext(t *testing.T) {
	c := &Config{Arms: record.PlanArms(), Prompts: make([]dataset.Prompt, 100), Budget: 2}
	c.Command = func(fresh bool, changes ...record.Change) string {
		s := "again"
		if fresh {
			s = "afresh"
		}
		for _, c := range changes {
			s += " " + c.String()
		}
		return s
	}
	drill := *c
	drill.Drill = true
	full := record.Projection{Prompts: 10_000, FurtherUSD: dataset.Known(51), Command: "full"}
	answered := full
	answered.Answered, answered.Resolution = true, dataset.Known(0.02)
	unanswered := full
	unanswered.Questions = []record.Question{{Policy: "p0", FullRun: record.OutlookYes},
		{Policy: "pi_cot", FullRun: record.OutlookAtBest}, {Policy: "pi_bad", FullRun: record.OutlookNo}}
	cheaper := unanswered
	cheaper.Cheapest = &record.LargerRun{Prompts: 1200, Labels: 90, HalfWidth: dataset.Known(0.02),
		USD: dataset.Known(1.25), Command: "extend"}
	dear := cheaper
	dear.Questions = unanswered.Questions[:1]
	few, all, cheaperThere := unanswered, unanswered, cheaper
	few.Held, all.Held, cheaperThere.Held = 2500, 100, 2500
	all.Command = ""
	finding := func(id string, s record.Status) record.Finding {
		return record.Finding{ID: id, Status: s, Remedy: "do " + id + "."}
	}
	waived := finding("cost.estimate", record.Fail)
	waived.Waived = "agreed"
	skipped := finding("judge.complete", record.Fail)
	skipped.State = record.NotComputed
	for _, r := range []struct {
		name    string
		v       Verdict
		stop    *record.Stop
		says    []string
		command string
		reason  string
	}{
		{"running", Verdict{State: "running", Decision: record.HOLD}, &record.Stop{Kind: record.StopRunning},
			[]string{"Wait"}, "", "nothing is to be started twice"},
		{"GO", Verdict{State: "done", Decision: record.GO, Checks: []record.Finding{waived}, Projection: full}, nil,
			[]string{"full run: 10,000 prompts, about $51.00 more", "extends"}, "full",
			"a waived failure is accepted already"},
		{"GO, and nothing is open", Verdict{State: "done", Decision: record.GO, Projection: answered}, nil,
			[]string{"Read the estimates", "±0.02 or better", "full run (10,000 prompts"}, "full", "no money need be spent"},
		{"GO, and the full run leaves questions", Verdict{State: "done", Decision: record.GO, Projection: unanswered}, nil,
			[]string{"Start the full run", "answer for p0, perhaps for pi_cot, but not for pi_bad"}, "full",
			"nothing is known that answers them"},
		{"GO, and less answers more", Verdict{State: "done", Decision: record.GO, Projection: cheaper}, nil,
			[]string{"Extend this run to 1,200 prompts, with 90 responses of every other policy labeled: about $1.25 more",
				"±0.02"}, "extend",
			"money is not spent on what does not answer"},
		{"GO, and less answers as well", Verdict{State: "done", Decision: record.GO, Projection: dear}, nil,
			[]string{"Extend this run to 1,200 prompts"}, "extend",
			"the question is answered for a fortieth"},
		{"GO, and the input holds less", Verdict{State: "done", Decision: record.GO, Projection: few}, nil,
			[]string{"Run all 2,500 prompts that the input holds", "an input with 7,500 prompts more"}, "full",
			"what cannot start is not printed"},
		{"GO, and the input holds enough", Verdict{State: "done", Decision: record.GO, Projection: cheaperThere}, nil,
			[]string{"Extend this run to 1,200 prompts"},
			"extend", "the full run may not start as well"},
		{"GO, and the input holds no more", Verdict{State: "done", Decision: record.GO, Projection: all}, nil,
			[]string{"has all prompts that the input holds", "an input with 9,900 prompts more"}, "",
			"there is nothing to start"},
		{"HOLD", Verdict{State: "done", Decision: record.HOLD,
			Checks: []record.Finding{finding("judge.injection", record.Hold), finding("weights.clone", record.Hold)}}, nil,
			[]string{"Look at judge.injection, weights.clone", "put your reason in place of REASON"},
			"again Waived = judge.injection=REASON Waived = weights.clone=REASON", "the same command would hold again"},
		{"NO-GO", Verdict{State: "done", Decision: record.NoGo,
			Checks: []record.Finding{finding("logprobs.zero", record.Fail), finding("cost.estimate", record.Hold), skipped}},
			nil,
			[]string{"Fix logprobs.zero: do logprobs.zero. Then", "in a new folder"}, "afresh Arms",
			"the failure comes before what holds, and what follows from it is no cause"},
		{"NO-GO for what is missing", Verdict{State: "done", Decision: record.NoGo,
			Checks: []record.Finding{finding("judge.complete", record.Fail), finding("weights.clone", record.Hold)}}, nil,
			[]string{"Fix judge.complete: do judge.complete. Then start the run again"}, "again", "the next start makes it"},
		{"budget", Verdict{State: "done", Decision: record.HOLD, Run: RunInfo{Spent: 2}}, &record.Stop{Class: "budget"},
			[]string{"Raise the budget", "goes on where it stopped"}, "again Budget = 4.01", "money is what it lacks"},
		{"interrupted", Verdict{State: "interrupted", Decision: record.HOLD}, &record.Stop{Kind: record.StopInterrupted},
			[]string{"goes on where it stopped"}, "again", "nothing else is wrong"},
		{"nothing but what follows", Verdict{State: "done", Decision: record.NoGo, Checks: []record.Finding{skipped}},
			&record.Stop{Stage: "judge", Class: "quota", Message: "the balance is empty: top it up"},
			[]string{"stopped the run in stage judge: the balance is empty: top it up. Then"}, "again",
			"the cause, and not what follows from it"},
		{"not certified", Verdict{State: "done", Decision: record.NoGo,
			Checks: []record.Finding{finding("endpoint.certified", record.Fail), finding("run.errors", record.Fail), skipped}},
			&record.Stop{Stage: "certify", Kind: record.StopUncertified},
			[]string{"Fix endpoint.certified: do endpoint.certified. Then", "in a new folder"}, "afresh Arms",
			"another template is another run"},
		{"drill", Verdict{State: "done", Decision: record.NoGo,
			Checks: []record.Finding{finding("logprobs.zero", record.Fail)}}, nil,
			[]string{"This was a drill", "without them"}, "afresh", "planted faults would fail again"},
		{"drill that passed", Verdict{State: "done", Decision: record.GO, Projection: full}, nil,
			[]string{"This was a drill"}, "afresh", "a folder with planted faults takes no other run"},
		{"drill interrupted", Verdict{State: "interrupted", Decision: record.HOLD},
			&record.Stop{Kind: record.StopInterrupted}, []string{"goes on where it stopped"}, "again", "it has no verdict yet"},
	} {
		conf := c
		if strings.HasPrefix(r.name, "drill") {
			conf = &drill
		}
		got := next(&r.v, r.stop, conf)
		if got.Command != r.command {
			t.Errorf("%s: command %q, want %q (%s)", r.name, got.Command, r.command, r.reason)
		}
		for _, c := range got.Changes {
			got.Do += " " + c.String()
		}
		for _, w := range r.says {
			if !strings.Contains(got.Do, w) {
				t.Errorf("%s: %q does not say %q (%s)", r.name, got.Do, w, r.reason)
			}
		}
	}
}

// TestCommandsAskForWhatIsThere: no printed command has more prompts than the input, and
// its money is that of what it asks for.
func TestCommandsAskForWhatIsThere(t *testing.T) {
	c := &Config{Prompts: make([]dataset.Prompt, 100), Budget: 1,
		Command: func(_ bool, changes ...record.Change) string { return fmt.Sprint(changes) }}
	c.Labels.Probes = 7
	// A budget has a quarter more than $1 spent and what is asked for.
	all := "[Prompts = 1100 Labels.Probes = 7 Budget = 13.76]"
	for _, r := range []struct {
		held    int
		command string
	}{{0, all}, {1100, all}, {5000, all}, {600, "[Prompts = 600 Labels.Probes = 7 Budget = 7.51]"}, {100, ""}} {
		p := record.Projection{Prompts: 1100, Held: r.held, FurtherUSD: dataset.Known(10)}
		c.extend(&p, nil, 1)
		if p.Command != r.command {
			t.Errorf("an input of %d: %q, want %q", r.held, p.Command, r.command)
		}
	}
	c.Drill = true
	p := record.Projection{Prompts: 1100, FurtherUSD: dataset.Known(10)}
	if c.extend(&p, nil, 1); p.Command != "" {
		t.Errorf("a drill is extended: %q", p.Command)
	}
}

// TestCommandsKeepTheDivision: a run that divided a budget of labels is extended with as many
// of each as that gave, which is what larger runs are planned by, and not as many as an even
// division would have.
func TestCommandsKeepTheDivision(t *testing.T) {
	c := &Config{Prompts: make([]dataset.Prompt, 100), Arms: record.PlanArms(), LabelsBudget: 200,
		Command: func(_ bool, changes ...record.Change) string { return fmt.Sprint(changes) }}
	var design []oracle.Assignment
	for policy, n := range map[string]int{"p0": 80, "pi_cot": 60, "pi_bad": 25} {
		for i := range n {
			design = append(design, oracle.Assignment{Key: dataset.Key{PromptID: fmt.Sprint(i), Policy: policy}})
		}
	}
	design = append(design, oracle.Assignment{Key: design[0].Key, Role: oracle.RoleDuplicate})
	p := record.Projection{Prompts: 1000, FurtherUSD: dataset.Known(10)}
	c.extend(&p, design, 1)
	if want := "[Prompts = 1000 Labels.Probes = 60 LabelsBudget = 0 Labels = fraction=0.8]"; p.Command != want {
		t.Errorf("%q, want %q", p.Command, want)
	}
}
