package offpolicy

import (
	"fmt"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// Advice is given for samples of any size: a pilot of three prompts, of which
// two are labeled, once had the referee plan for more labels than prompts.
func TestAdviceOnFewPrompts(t *testing.T) {
	for n := range 30 {
		s := Samples{Logging: "p0", Judge: "j@1", Scored: sampled("p0", "far"), Draws: map[string][]Draw{}}
		for i := range n {
			id := fmt.Sprintf("q%d", i)
			s.Rows = append(s.Rows, Row{
				PromptID: id, LogProbs: map[string]dataset.Float{"p0": dataset.Known(-10), "far": dataset.Known(-100)},
				Score: dataset.Known(float64(i%3) / 2), Label: dataset.Known(float64(i%2) / 2), Length: dataset.Known(5),
			})
			s.Draws["far"] = append(s.Draws["far"], Draw{PromptID: id, Score: dataset.Known(0.5)})
		}
		r, err := Evaluate(s, Config{Replicates: 20})
		if err != nil {
			t.Fatalf("%d prompts: %v", n, err)
		}
		if p := r.Policy("far"); n > 0 && (p.Answer.Estimator != "" || len(p.Answer.Advice) == 0) {
			t.Errorf("%d prompts: answer %+v: want a refusal with advice", n, p.Answer)
		}
	}
}
