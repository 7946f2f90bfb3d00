package engine

import (
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/teacherforce"
)

// Another start asks for the log-probs that failed, but for those that no endpoint can give.
func TestLogProbsOwedAgain(t *testing.T) {
	s, err := openStore(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.j.Close()
	owed := map[string]bool{"timeout": true, "overloaded": true, string(teacherforce.ReasonMissing): true,
		string(teacherforce.ReasonSeam): false, string(teacherforce.ReasonRetokenised): false, "": false, "nothing": true}
	r := &Run{store: s, job: Job{Arms: record.PlanArms()[:1]}}
	for class := range owed {
		r.job.Prompts = append(r.job.Prompts, dataset.Prompt{ID: "q" + class, Text: "?"})
	}
	r.job.Prompts = SortPrompts(r.job.Prompts)
	r.job.Plan = r.job.Prompts
	for class := range owed {
		row := dataset.LogProb{PromptID: "q" + class, Policy: "p0", Error: &dataset.RecordError{Class: class}}
		switch class {
		case "nothing":
			continue
		case "":
			row.LogProb, row.Error = dataset.Known(-1), nil
		}
		if err := s.putLogProb(row); err != nil {
			t.Fatal(err)
		}
	}
	d := r.logProbsOwed()
	for i, s := range d.slots {
		class := r.job.keyOf(s).PromptID[1:]
		if d.done[i] == owed[class] {
			t.Errorf("class %q: owed %v, want %v", class, !d.done[i], owed[class])
		}
	}
}
