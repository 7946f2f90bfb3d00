package offpolicy

import (
	"math"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// Records of a run of two loggers, joined, evaluate as the samples that they were made of; a
// logger's answers to the other's prompts are draws of its own.
func TestRecordsOfSeveralLoggers(t *testing.T) {
	s := pooledSamples(60, 12)
	in := dataset.RunRecords{Logging: "logs", Loggers: map[string]string{}, Targets: []string{"target"}, Judge: s.Judge}
	text := "Yes."
	for _, r := range s.Rows {
		in.Loggers[r.PromptID] = r.Logger
		in.Prompts = append(in.Prompts, dataset.Prompt{ID: r.PromptID, Text: "?"})
		in.Responses = append(in.Responses, dataset.Response{PromptID: r.PromptID, Policy: r.Logger, Text: &text})
		in.Scores = append(in.Scores, dataset.JudgeScore{PromptID: r.PromptID, Policy: r.Logger, Mean: r.Score})
		for name, l := range r.LogProbs {
			in.LogProbs = append(in.LogProbs, dataset.LogProb{PromptID: r.PromptID, Policy: name, LogProb: l,
				Distribution: dataset.SamplingDistribution})
		}
		if r.Label.Valid() {
			p := .5
			if r.Logger == "old" {
				p = .25 // each logger has a design of its own
			}
			in.Labels = append(in.Labels, dataset.OracleLabel{PromptID: r.PromptID, Policy: r.Logger, Label: r.Label,
				InclusionProb: dataset.Known(p), Role: "calibration"})
		}
		if r.Logger == "old" { // and the new one answers, too
			in.Responses = append(in.Responses, dataset.Response{PromptID: r.PromptID, Policy: "new", Text: &text})
			in.Scores = append(in.Scores, dataset.JudgeScore{PromptID: r.PromptID, Policy: "new", Mean: dataset.Known(.6)})
			if len(in.Responses)%5 == 0 { // of which few have a label
				in.Labels = append(in.Labels, dataset.OracleLabel{PromptID: r.PromptID, Policy: "new", Label: dataset.Known(.6),
					InclusionProb: dataset.Known(.1), Role: "probe"})
			}
		}
	}
	logs, _, err := dataset.Join(in)
	if err != nil {
		t.Fatal(err)
	}
	joined, err := FromRecords(logs)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range joined.Rows {
		want := map[string]float64{"old": .25, "new": .5}[r.Logger]
		if r.Logger != in.Loggers[r.PromptID] || r.InclusionProb.OrNaN() != want || len(r.LogProbs) != 3 {
			t.Fatalf("row %d: %+v", i, r)
		}
	}
	if len(joined.Draws["new"]) != 60 || len(joined.Draws["old"]) != 0 {
		t.Errorf("%d draws of new and %d of old, want 60 and none", len(joined.Draws["new"]), len(joined.Draws["old"]))
	}
	s.Draws = nil
	a, b := evaluate(t, joined, Config{Replicates: 20}), evaluate(t, s, Config{Replicates: 20})
	for _, policy := range []string{"target", "new", "old"} {
		x, y := a.Policy(policy).Weights, b.Policy(policy).Weights
		if math.Abs(x.ESS-y.ESS) > 1e-9 || math.Abs(x.LogEValue-y.LogEValue) > 1e-9 {
			t.Errorf("%s: ESS %v and e %v of records, %v and %v of samples", policy, x.ESS, x.LogEValue, y.ESS, y.LogEValue)
		}
	}
	if e := a.Policy("target").Estimate(LabeledSNIPS); e.Refused() || math.Abs(e.Value-.5) > 5*e.SE {
		t.Errorf("target %+v", e)
	}
}
