package offpolicy

import (
	"cmp"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
)

// Columns are samples as columns, one entry a response. What is missing is NaN, and a
// column that you do not have is nil. The zero Config of [Evaluate] evaluates them.
type Columns struct {
	// Logging is the policy that wrote the logs; "" means "base". Judge is the identity of
	// the judge that gave the scores; "" means "an unnamed judge".
	Logging, Judge string
	// PromptID is the prompt of each response, by which responses are clustered and policies
	// compared; nil means that each is to a prompt of its own.
	PromptID []string
	// Policy is the policy that wrote each response; nil means Logging. Responses of others
	// are their own draws.
	Policy []string
	// LogProbs are the log-probs of Logging's responses by policy, Logging's among them, in
	// nats, of the distribution that the policy samples from.
	LogProbs map[string][]float64
	// Scores and Labels are the judge's and the oracle's, in [0, 1]; InclusionProbs are the
	// probabilities, in (0, 1], with which responses were chosen for a label.
	Scores, Labels, InclusionProbs []float64
}

// FromColumns makes samples of columns. It panics if two columns differ in length.
// Values are checked by [Evaluate].
func FromColumns(c Columns) Samples {
	n := max(len(c.PromptID), len(c.Policy), len(c.Scores), len(c.Labels), len(c.InclusionProbs))
	for _, column := range c.LogProbs {
		n = max(n, len(column))
	}
	same := func(name string, have int, none bool) {
		if !none && have != n {
			panic(fmt.Sprintf("offpolicy: columns: %s has %d entries, another column %d", name, have, n))
		}
	}
	same("PromptID", len(c.PromptID), c.PromptID == nil)
	same("Policy", len(c.Policy), c.Policy == nil)
	same("Scores", len(c.Scores), c.Scores == nil)
	same("Labels", len(c.Labels), c.Labels == nil)
	same("InclusionProbs", len(c.InclusionProbs), c.InclusionProbs == nil)
	out := Samples{Logging: cmp.Or(c.Logging, "base"), Judge: cmp.Or(c.Judge, "an unnamed judge"),
		Scored: map[string]dataset.Scored{}, Draws: map[string][]Draw{}}
	for policy, column := range c.LogProbs {
		same("LogProbs of "+policy, len(column), column == nil)
		out.Scored[policy] = dataset.Scored{Distribution: dataset.SamplingDistribution}
	}
	at := func(column []float64, i int) dataset.Float {
		if column == nil {
			return dataset.Float{}
		}
		return dataset.Known(column[i])
	}
	type key struct{ policy, prompt string }
	index := map[key]int{}
	for i := range n {
		id := fmt.Sprintf("row_%09d", i+1)
		if c.PromptID != nil {
			id = c.PromptID[i]
		}
		score, label, p := at(c.Scores, i), at(c.Labels, i), at(c.InclusionProbs, i)
		if c.Policy != nil && c.Policy[i] != out.Logging {
			k := key{c.Policy[i], id}
			out.Draws[k.policy] = append(out.Draws[k.policy], Draw{PromptID: id, Index: index[k], Score: score, Label: label,
				InclusionProb: p})
			index[k]++
			continue
		}
		r := Row{PromptID: id, LogProbs: make(map[string]dataset.Float, len(c.LogProbs)), Score: score, Label: label,
			InclusionProb: p}
		for policy, column := range c.LogProbs {
			r.LogProbs[policy] = at(column, i)
		}
		out.Rows = append(out.Rows, r)
	}
	if c.PromptID == nil {
		out.Notes = append(out.Notes, "No response states its prompt: each is taken for one to a prompt of its own.")
	}
	return out
}
