package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// causes collects the errors of rows without a value, to name the commonest.
type causes struct {
	n     map[string]int
	first map[string]string // message by class
}

func (c *causes) add(e *dataset.RecordError) {
	if e == nil {
		return
	}
	if c.n == nil {
		c.n, c.first = map[string]int{}, map[string]string{}
	}
	if c.n[e.Class]++; c.n[e.Class] == 1 {
		c.first[e.Class] = e.Message
	}
}

// commonest is the class of the most errors; empty if there were none.
func (c *causes) commonest() string {
	if len(c.n) == 0 {
		return ""
	}
	return slices.MaxFunc(slices.Sorted(maps.Keys(c.n)), func(a, b string) int { return cmp.Compare(c.n[a], c.n[b]) })
}

// longerReplies is what to do if most of a grader's replies were cut.
var longerReplies = record.Remedy{Do: "most of the replies were cut at the limit of tokens: allow longer ones, or " +
	"take a model that answers in fewer words; a grader with another limit is another one, and so it is another run",
	Changes: []record.Change{{Field: record.FieldReplyTokens}}}

// ifCut gives the advice for cut replies to a finding that does not pass for them.
func (c *causes) ifCut(f *record.Finding) {
	if f.Status != record.Pass && c.commonest() == string(judge.ReasonTruncated) {
		f.SetRemedy(longerReplies)
	}
}

// causeBytes is how much of an error's message a summary quotes.
const causeBytes = 300

// String is the message of the commonest class, as the end of a summary; nothing
// if there were no errors.
func (c *causes) String() string {
	if len(c.n) == 0 {
		return ""
	}
	class := c.commonest()
	message := []rune(c.first[class])
	if len(message) > causeBytes {
		message = append(message[:causeBytes], '…')
	}
	return fmt.Sprintf(". The first %s: %s", class, string(message))
}
