package record

import "github.com/reweigh/reweigh/dataset"

// Truth is what policies are known to score, as a simulator knows it. A report shows it
// beside the estimates; nothing is computed from it.
type Truth struct {
	Name   string               `json:"name"`   // whose knowledge it is, as "simulator's truth"
	Values map[string]TrueValue `json:"values"` // by policy
}

// TrueValue is the mean label of a policy's responses to all prompts that there are, with
// its standard error if it was itself simulated.
type TrueValue struct {
	Value dataset.Float `json:"value"`
	SE    dataset.Float `json:"se"`
}
