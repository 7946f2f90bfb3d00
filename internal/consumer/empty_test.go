package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// run is a small run's records: 60 prompts, each with a score, and a label on half
// of them.
func run() dataset.RunRecords {
	in := dataset.RunRecords{Logging: "p0", Judge: "judge", Targets: []string{"pi"}}
	for i := range 60 {
		id := fmt.Sprintf("q%02d", i)
		in.Prompts = append(in.Prompts, dataset.Prompt{ID: id, Text: "text of " + id})
		for _, policy := range []string{"p0", "pi"} {
			text := "response of " + policy
			score := 0.3 + 0.4*float64(i)/60
			shift := 0.0
			if policy == "pi" {
				shift = 0.1 * (float64(i%7) - 3)
			}
			in.Responses = append(in.Responses, dataset.Response{PromptID: id, Policy: policy, Text: &text,
				FinishReason: "stop", PolicyHash: policy})
			in.LogProbs = append(in.LogProbs, dataset.LogProb{
				PromptID: id, Policy: policy, LogProb: dataset.Known(-10 + shift), Tokens: 8,
				PolicyHash: policy, Distribution: dataset.SamplingDistribution,
			})
			in.Scores = append(in.Scores, dataset.JudgeScore{PromptID: id, Policy: policy, Mean: dataset.Known(score)})
		}
		if i%2 == 0 {
			in.Labels = append(in.Labels, dataset.OracleLabel{
				PromptID: id, Policy: "p0", Label: dataset.Known(0.2 + 0.6*float64(i)/60), InclusionProb: dataset.Known(0.5),
			})
		}
	}
	return in
}

// counts are the numbers of a data set that somebody could have made up.
type counts struct {
	rows, draws                              int
	logProbs, scores, labels, probabilities  int
	drawScores, drawLabels, drawProbabilites int
}

func countOf(s offpolicy.Samples) counts {
	var c counts
	add := func(n *int, f dataset.Float) {
		if f.Valid() {
			*n++
		}
	}
	for _, r := range s.Rows {
		c.rows++
		for _, l := range r.LogProbs {
			add(&c.logProbs, l)
		}
		add(&c.scores, r.Score)
		add(&c.labels, r.Label)
		add(&c.probabilities, r.InclusionProb)
	}
	for _, draws := range s.Draws {
		for _, d := range draws {
			c.draws++
			add(&c.drawScores, d.Score)
			add(&c.drawLabels, d.Label)
			add(&c.drawProbabilites, d.InclusionProb)
		}
	}
	return c
}

// TestEmptyRecordsCountAsNothing: a record of which only the key is filled in adds a
// row at most. It is no label, score, log-prob or probability anywhere on the road
// from records to an answer.
func TestEmptyRecordsCountAsNothing(t *testing.T) {
	evaluate := func(s offpolicy.Samples) *offpolicy.Result {
		t.Helper()
		r, err := offpolicy.Evaluate(s, offpolicy.Config{Seed: 1, Method: offpolicy.InfluenceFunction})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	samples := func(in dataset.RunRecords, change func(*dataset.Logs)) offpolicy.Samples {
		t.Helper()
		logs, _, err := dataset.Join(in)
		if err != nil {
			t.Fatal(err)
		}
		change(&logs)
		s, err := offpolicy.FromRecords(logs)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	nothing := func(*dataset.Logs) {}
	before := countOf(samples(run(), nothing))
	want := evaluate(samples(run(), nothing)).Document()
	if before.labels != 30 || before.scores != 60 || before.logProbs != 120 || before.drawScores != 60 {
		t.Fatalf("the run has %+v", before)
	}

	for id, e := range want.Policies["pi"].Estimators {
		if !e.Value.Valid() && id != string(offpolicy.Direct) { // it needs labels of the target's own
			t.Fatalf("pi by %s has no value that could be changed: %v", id, e.Reasons)
		}
	}

	// Records of prompt "empty", by its own response where a record needs one.
	text := "an answer"
	empty := dataset.Key{PromptID: "empty", Policy: "p0"}
	constant := func(context.Context, dataset.Prompt, string) (float64, error) { return 1, nil }
	scorer, labeler := judge.Func("judge", constant), oracle.Func("oracle", constant)
	for name, c := range map[string]struct {
		records func(*dataset.RunRecords)
		logs    func(*dataset.Logs)
		samples func(*offpolicy.Samples)
	}{
		"dataset.Prompt": {records: func(*dataset.RunRecords) {}},
		"dataset.Response": {records: func(in *dataset.RunRecords) {
			in.Responses = append(in.Responses, dataset.Response{PromptID: "empty", Policy: "p0"})
		}},
		"dataset.Response, of a target": {records: func(in *dataset.RunRecords) {
			in.Responses = append(in.Responses, dataset.Response{PromptID: "empty", Policy: "pi", Text: &text})
		}},
		"dataset.Response, with a text": {records: func(in *dataset.RunRecords) {
			in.Responses = append(in.Responses, dataset.Response{PromptID: "empty", Policy: "p0", Text: &text})
		}},
		"dataset.LogProb": {records: func(in *dataset.RunRecords) {
			in.Responses = append(in.Responses, dataset.Response{PromptID: "empty", Policy: "p0", Text: &text})
			in.LogProbs = append(in.LogProbs, dataset.LogProb{PromptID: "empty", Policy: "p0"},
				dataset.LogProb{PromptID: "empty", Policy: "pi"})
		}},
		"dataset.OracleLabel": {records: func(in *dataset.RunRecords) {
			in.Responses = append(in.Responses, dataset.Response{PromptID: "empty", Policy: "p0", Text: &text})
			in.Labels = append(in.Labels, dataset.OracleLabel{PromptID: "empty", Policy: "p0"})
		}},
		"dataset.JudgeScore": {records: func(in *dataset.RunRecords) {
			in.Responses = append(in.Responses, dataset.Response{PromptID: "empty", Policy: "p0", Text: &text})
			in.Scores = append(in.Scores, dataset.JudgeScore{PromptID: "empty", Policy: "p0"})
		}},
		"teacherforce.Result": {records: func(in *dataset.RunRecords) {
			in.Responses = append(in.Responses, dataset.Response{PromptID: "empty", Policy: "p0", Text: &text})
			in.LogProbs = append(in.LogProbs, teacherforce.Result{}.Record("empty", "p0"), teacherforce.Result{}.Record("empty",
				"pi"))
		}},
		"judge.Score": {records: func(in *dataset.RunRecords) {
			in.Responses = append(in.Responses, dataset.Response{PromptID: "empty", Policy: "p0", Text: &text})
			in.Scores = append(in.Scores, judge.Record(empty, "p0", scorer, judge.Score{}, nil))
		}},
		"oracle.Assignment": {records: func(in *dataset.RunRecords) {
			in.Responses = append(in.Responses, dataset.Response{PromptID: "empty", Policy: "p0", Text: &text})
			in.Labels = append(in.Labels, oracle.Record(oracle.Assignment{Key: empty}, "p0", labeler, 1, nil))
		}},
		"dataset.Sample": {logs: func(l *dataset.Logs) { l.Samples = append(l.Samples, dataset.Sample{PromptID: "empty"}) }},
		"dataset.FreshDraw": {logs: func(l *dataset.Logs) {
			l.Draws["pi"] = append(l.Draws["pi"], dataset.FreshDraw{PromptID: "empty"})
		}},
		"offpolicy.Row": {samples: func(s *offpolicy.Samples) {
			s.Rows = append(s.Rows,
				offpolicy.Row{PromptID: "empty"})
		}},
		"offpolicy.Draw": {samples: func(s *offpolicy.Samples) {
			s.Draws["pi"] = append(s.Draws["pi"],
				offpolicy.Draw{PromptID: "empty"})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			in := run()
			if c.records != nil {
				in.Prompts = append(in.Prompts, dataset.Prompt{ID: "empty", Text: "text"})
				c.records(&in)
			}
			if c.logs == nil {
				c.logs = nothing
			}
			s := samples(in, c.logs)
			if c.samples != nil {
				c.samples(&s)
			}
			got := countOf(s)
			if got.rows > before.rows+1 || got.draws > before.draws+1 {
				t.Errorf("%+v, before %+v: want one row or draw more at most", got, before)
			}
			got.rows, got.draws = before.rows, before.draws
			if got != before {
				t.Errorf("%+v, before %+v: want no other count changed", got, before)
			}
			doc := evaluate(s).Document()
			for policy, p := range want.Policies {
				for id, e := range p.Estimators {
					g := doc.Policies[policy].Estimators[id]
					if g.Labels != e.Labels || math.Abs(g.Value.OrNaN()-e.Value.OrNaN()) > 0.02 {
						t.Errorf("%s by %s: %v from %d labels, before %v from %d", policy, id, g.Value, g.Labels, e.Value, e.Labels)
					}
				}
			}
		})
	}
}

// TestEmptyLabeledScore: a calibrator is fitted to what is known, and says which value
// is not.
func TestEmptyLabeledScore(t *testing.T) {
	var rows []offpolicy.LabeledScore
	for i := range 30 {
		v := dataset.Known(float64(i) / 30)
		rows = append(rows, offpolicy.LabeledScore{PromptID: fmt.Sprint(i), Score: v, Label: v,
			InclusionProb: dataset.Known(1)})
	}
	if _, err := offpolicy.FitCalibrator(offpolicy.CalibrationConfig{Judge: "judge"}, rows); err != nil {
		t.Fatal(err)
	}
	_, err := offpolicy.FitCalibrator(offpolicy.CalibrationConfig{Judge: "judge"},
		append(rows, offpolicy.LabeledScore{PromptID: "empty"}))
	if bad := (*offpolicy.RowError)(nil); !errors.As(err, &bad) {
		t.Errorf("%v: want a RowError", err)
	}
}

// TestEmptyValuesAreMissing: what other packages' records and replies are made of.
func TestEmptyValuesAreMissing(t *testing.T) {
	for name, f := range map[string]dataset.Float{
		"providers.Token.LogProb":             providers.Token{}.LogProb,
		"providers.Token.Sampling":            providers.Token{}.Sampling,
		"providers.Alternative.LogProb":       providers.Alternative{}.LogProb,
		"judge.Labeled.Label":                 judge.Labeled{}.Label,
		"judge.Labeled.InclusionProb":         judge.Labeled{}.InclusionProb,
		"oracle.Outcome.Label":                oracle.Outcome{}.Label,
		"oracle.Assignment.InclusionProb":     oracle.Assignment{}.InclusionProb,
		"offpolicy.LabeledScore.Label":        offpolicy.LabeledScore{}.Label,
		"offpolicy.StreamRow.LogRatio":        offpolicy.StreamRow{}.LogRatio,
		"offpolicy.StreamRow.Reward":          offpolicy.StreamRow{}.Reward,
		"teacherforce.Value.LogProb":          teacherforce.Value{}.LogProb,
		"teacherforce.MethodResult.LogProb":   teacherforce.MethodResult{}.LogProb,
		"dataset.MethodResult.LogProb":        dataset.MethodResult{}.LogProb,
		"offpolicy.Document estimate's value": offpolicy.EstimateDocument{}.Value,
	} {
		if f.Valid() {
			t.Errorf("%s of an empty struct is %v", name, f)
		}
	}
}
