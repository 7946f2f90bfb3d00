package offpolicy

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
)

func TestFromRecords(t *testing.T) {
	m := dataset.Float{}
	logged := []dataset.Sample{
		{PromptID: "a", Response: "héllo", BasePolicyLogProb: dataset.Known(-3),
			TargetPolicyLogProbs: map[string]dataset.Float{"t": dataset.Known(-4), "u": m}, JudgeScore: dataset.Known(.5),
			OracleLabel:   dataset.Known(.6),
			InclusionProb: dataset.Known(.25), Metadata: map[string]any{"language": "German", "category": "code",
				"other": "x"}},
		{Prompt: "q", Response: "", BasePolicyLogProb: m, JudgeScore: m, OracleLabel: m, InclusionProb: m,
			Metadata: map[string]any{"prompt_id": "b"}},
		{Prompt: "q", BasePolicyLogProb: dataset.Known(-1), JudgeScore: dataset.Known(.1), OracleLabel: m, InclusionProb: m},
	}
	fresh := map[string][]dataset.FreshDraw{
		"t": {{PromptID: "a", Response: "hé", JudgeScore: dataset.Known(.4), OracleLabel: m},
			{PromptID: "b", DrawIdx: 1, JudgeScore: m, OracleLabel: m}},
		"p0": {{PromptID: "a", JudgeScore: dataset.Known(.5), OracleLabel: dataset.Known(.6)}},
	}
	probes := map[string][]dataset.FreshDraw{
		"t": {{PromptID: "a", JudgeScore: dataset.Known(.4), OracleLabel: dataset.Known(.3),
			InclusionProb: dataset.Known(.5)}, {PromptID: "c", JudgeScore: dataset.Known(.2), OracleLabel: dataset.Known(.1),
			InclusionProb: dataset.Known(.2)}, {PromptID: "b", DrawIdx: 1, Response: "long", JudgeScore: dataset.Known(.7),
			OracleLabel: dataset.Known(.8)}},
		"p0": {{PromptID: "a", JudgeScore: dataset.Known(.5), OracleLabel: dataset.Known(.6)}},
	}
	scored := map[string]dataset.Scored{"p0": {Hash: "h0", Distribution: dataset.SamplingDistribution},
		"t": {Distribution: dataset.UnstatedDistribution}}
	got, err := FromRecords(dataset.Logs{Logging: "p0", Judge: "j", Samples: logged, Draws: fresh, Probes: probes,
		Scored: scored})
	if err != nil {
		t.Fatal(err)
	}
	want := Samples{
		Notes:   []string{"1 of 3 rows state no prompt_id: each has one made of its prompt's text."},
		Logging: "p0", Judge: "j", Scored: scored,
		Rows: []Row{
			{PromptID: "a", LogProbs: map[string]dataset.Float{"p0": dataset.Known(-3), "t": dataset.Known(-4),
				"u": dataset.Known(nan)}, Score: dataset.Known(.5), Label: dataset.Known(.6), InclusionProb: dataset.Known(.25),
				Length: dataset.Known(5), Covariate: dataset.Known(5),
				Segments: map[string]string{"language": "German", "category": "code"}},
			{PromptID: "b", LogProbs: map[string]dataset.Float{"p0": m, "t": m, "u": m}, Length: dataset.Known(0),
				Covariate: dataset.Known(0)},
			// printf q | sha256sum: 8e35c2cd3bf6641bdb0e...
			{PromptID: "prompt_8e35c2cd3bf6", LogProbs: map[string]dataset.Float{"p0": dataset.Known(-1), "t": m,
				"u": m}, Score: dataset.Known(.1), Length: dataset.Known(0), Covariate: dataset.Known(0)},
		},
		Draws: map[string][]Draw{"t": {
			{PromptID: "a", Score: dataset.Known(.4), Label: dataset.Known(.3), InclusionProb: dataset.Known(.5),
				Covariate: dataset.Known(2)}, {PromptID: "b", Index: 1, Score: dataset.Known(.7), Label: dataset.Known(.8),
				Covariate: dataset.Known(4)}, {PromptID: "c", Score: dataset.Known(.2), Label: dataset.Known(.1),
				InclusionProb: dataset.Known(.2), Covariate: dataset.Known(0)},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	logged[1].Metadata["response_token_count"] = 7.0
	got, err = FromRecords(dataset.Logs{Logging: "p0", Judge: "j", Samples: logged, Scored: scored})
	if err != nil || got.Rows[0].Length.Valid() || got.Rows[1].Length.OrNaN() != 7 {
		t.Errorf("one unit of length for all: tokens where any row counts them; got %v and %v (%v)",
			got.Rows[0].Length.OrNaN(), got.Rows[1].Length.OrNaN(), err)
	}
}

func TestFromRecordsRefuses(t *testing.T) {
	m := dataset.Float{}
	draw := dataset.FreshDraw{PromptID: "a", JudgeScore: dataset.Known(.4), OracleLabel: m}
	probe := dataset.FreshDraw{PromptID: "a", JudgeScore: dataset.Known(.5), OracleLabel: dataset.Known(.3)}
	tests := []struct {
		fresh, probes []dataset.FreshDraw
		duplicate     bool
		reason        string
	}{
		{[]dataset.FreshDraw{draw, draw}, nil, true, "a draw that occurs twice"},
		{nil, []dataset.FreshDraw{probe, probe}, true, "a probe that occurs twice"},
		{[]dataset.FreshDraw{draw}, []dataset.FreshDraw{probe}, false, "another score under the same key: another response"},
	}
	for _, tt := range tests {
		_, err := FromRecords(dataset.Logs{
			Logging: "p0", Judge: "j", Draws: map[string][]dataset.FreshDraw{"t": tt.fresh},
			Probes: map[string][]dataset.FreshDraw{"t": tt.probes},
		})
		if err == nil || errors.Is(err, dataset.ErrDuplicateID) != tt.duplicate || !strings.Contains(err.Error(), "a/t/0") {
			t.Errorf("%s: error %v", tt.reason, err)
		}
	}
}
