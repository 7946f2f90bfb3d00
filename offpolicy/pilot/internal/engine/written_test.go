package engine

import (
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// Outputs are left alone only by what would write the same ones.
func TestOutputsKey(t *testing.T) {
	if thisProgram() == "" {
		t.Error("a test's program cannot be read")
	}
	key := func(change func(*Run)) string {
		r := &Run{program: "a"}
		r.job.Prompts = []dataset.Prompt{{ID: "q", Text: "Hello."}}
		r.job.Plan = r.job.Prompts
		if change != nil {
			change(r)
		}
		return r.outputsKey()
	}
	same := key(nil)
	if key(nil) != same {
		t.Error("the same run has two keys")
	}
	for name, change := range map[string]func(*Run){
		"another program": func(r *Run) { r.program = "b" },
		"another version": func(r *Run) { r.job.Versions = map[string]string{"reweigh": "v1"} },
		"other metadata": func(r *Run) {
			r.job.Prompts = []dataset.Prompt{{ID: "q", Text: "Hello.", Metadata: map[string]any{"a": 1}}}
		},
	} {
		if key(change) == same {
			t.Errorf("%s has the same key", name)
		}
	}
	r := &Run{store: &store{}}
	r.job.Dir = t.TempDir()
	none := map[string]fileDigest{}
	for _, name := range r.job.derived() {
		none[name] = fileDigest{Size: -1}
	}
	r.store.written = &writtenOutputs{Of: r.outputsKey(), Files: none}
	if r.unchanged() || r.keepWritten() != nil {
		t.Error("a program that nobody knows leaves outputs alone, or says that the next may")
	}
}

// A record that fails again as it did before changes no output; one that fails otherwise does.
func TestFailingAgainChangesNothing(t *testing.T) {
	s, err := openStore(t.TempDir(), []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	defer s.j.Close()
	row := dataset.LogProb{PromptID: "q", Policy: "p", Error: &dataset.RecordError{Class: "seam", Message: "a <b> & c"}}
	put := func(message string) bool {
		row.Error = &dataset.RecordError{Class: "seam", Message: message}
		s.written = &writtenOutputs{}
		if err := s.putLogProb(row); err != nil {
			t.Fatal(err)
		}
		return s.written != nil
	}
	if put("a <b> & c") {
		t.Error("a first failure changed nothing")
	}
	if !put("a <b> & c") {
		t.Error("the same failure again changed the outputs")
	}
	if put("another") {
		t.Error("another failure changed nothing")
	}
	row.LogProb = dataset.Known(-1)
	row.Error, s.written = nil, &writtenOutputs{}
	if err := s.putLogProb(row); err != nil || s.written != nil {
		t.Errorf("a value changed nothing (%v)", err)
	}
}
