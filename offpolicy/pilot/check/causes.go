package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/reweigh/reweigh/dataset"
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

// causeBytes is how much of an error's message a summary quotes.
const causeBytes = 300

// String is the message of the commonest class, as the end of a summary; nothing
// if there were no errors.
func (c *causes) String() string {
	if len(c.n) == 0 {
		return ""
	}
	class := slices.MaxFunc(slices.Sorted(maps.Keys(c.n)), func(a, b string) int { return cmp.Compare(c.n[a], c.n[b]) })
	message := []rune(c.first[class])
	if len(message) > causeBytes {
		message = append(message[:causeBytes], '…')
	}
	return fmt.Sprintf(". The first %s: %s", class, string(message))
}
