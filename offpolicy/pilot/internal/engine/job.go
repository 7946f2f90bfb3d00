package engine

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// Job is what one start of a run has to do: the policies and prompts, who answers,
// and who watches. It is complete: nothing in it is left to a default.
type Job struct {
	Dir      string
	Identity []byte           // canonical JSON of what changes answers; the folder is held to it
	Prompts  []dataset.Prompt // sorted by id
	Metadata *Metadata        // of Prompts, if they lack their own; see TakeMetadata
	Plan     []dataset.Prompt // those of all shards; Prompts, if there is one
	Shard    record.Shard
	Shares   []float64       // of the budget, by shard
	Settings json.RawMessage // what a merge needs to know besides; of a shard alone
	Arms     record.Arms
	// Templates are chat templates besides those that package chat knows.
	Templates []chat.Template
	Seed      uint64
	Input     record.Input
	Versions  map[string]string

	// Grader serves the models of judge and oracle; nil if they ask none.
	Policies, Grader providers.Provider
	GraderModels     []string
	Judge            func(judge.Generator) (judge.Scorer, error)
	Oracle           func(judge.Generator) (oracle.Oracle, error)
	Labels           oracle.Design
	// Assigned are the responses that Labels has labeled, if they follow from the prompts alone;
	// nil if the run has to find them itself.
	Assigned []oracle.Assignment
	// LabelsBudget, if not 0, divides so many labels among the policies; Labels.Shares are
	// then what is expected of that.
	LabelsBudget int
	BatchLabels  *batch.Config // nil: by single calls

	Prices          providers.Prices
	Budget          providers.USD // 0: none
	Concurrency     int
	Retry           providers.Retry
	Pause           time.Duration
	TransportMargin float64       // that the transport audit is graded with
	Anytime         int           // prompts that intervals for any time are narrowest at; 0 for none
	Noise           dataset.Float // of a token's log-prob, nats; missing for what the clones show
	// Uncertified goes on without certificates: that was waived.
	Uncertified bool
	Live        bool              // real services answer, whose log-probs are noisy
	Free        []providers.Entry // the attempts of the preflight
	Found       *Found            // by CheckFolder; nil if the folder was not looked at yet
	Share       bool              // others may read what the run writes, but for its journal

	// Show is given the records as the run goes, from one goroutine at a time, and
	// Progress every step, from many; either may be nil.
	Show     func(*record.Records) error
	Progress func(record.Event)
}

// place is where a prompt stands in Prompts, if it does.
func (j *Job) place(id string) (int, bool) {
	return slices.BinarySearchFunc(j.Prompts, id, func(p dataset.Prompt, id string) int { return cmp.Compare(p.ID, id) })
}

// prompt is the prompt at a place, with its metadata.
func (j *Job) prompt(i int) dataset.Prompt {
	p := j.Prompts[i]
	if j.Metadata != nil {
		p.Metadata = j.Metadata.at(i)
	}
	return p
}

// prompts yields all prompts with their metadata.
func (j *Job) prompts(yield func(dataset.Prompt) bool) {
	for i := range j.Prompts {
		if !yield(j.prompt(i)) {
			return
		}
	}
}

// stratified reports whether what is labeled follows from scores.
func (j *Job) stratified() bool { return j.Labels.Strata > 1 }

// keys are the responses that the job owes.
func (j *Job) keys() []dataset.Key { return record.ResponseKeys(j.Prompts, j.Arms) }

func (j *Job) logging() string { return j.Arms.Logging().Policy.Name }

// SortPrompts returns the prompts in the order of their ids, which is that of the
// records.
func SortPrompts(prompts []dataset.Prompt) []dataset.Prompt {
	return slices.SortedFunc(slices.Values(prompts), func(a, b dataset.Prompt) int {
		return dataset.Key{PromptID: a.ID}.Compare(dataset.Key{PromptID: b.ID})
	})
}
