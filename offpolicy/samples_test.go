package offpolicy

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reweigh/reweigh/dataset"
)

func TestFromRecords(t *testing.T) {
	m := dataset.Missing()
	logged := []dataset.Sample{
		{PromptID: "a", Response: "héllo", BasePolicyLogProb: -3, TargetPolicyLogProbs: map[string]dataset.Float{"t": -4, "u": m}, JudgeScore: .5, OracleLabel: .6,
			InclusionProb: .25, Metadata: map[string]any{"language": "German", "category": "code", "other": "x"}},
		{Prompt: "q", Response: "", BasePolicyLogProb: m, JudgeScore: m, OracleLabel: m, InclusionProb: m, Metadata: map[string]any{"prompt_id": "b"}},
		{Prompt: "q", BasePolicyLogProb: -1, JudgeScore: .1, OracleLabel: m, InclusionProb: m},
	}
	fresh := map[string][]dataset.FreshDraw{
		"t":  {{PromptID: "a", Response: "hé", JudgeScore: .4, OracleLabel: m}, {PromptID: "b", DrawIdx: 1, JudgeScore: m, OracleLabel: m}},
		"p0": {{PromptID: "a", JudgeScore: .5, OracleLabel: .6}},
	}
	probes := map[string][]dataset.FreshDraw{
		"t":  {{PromptID: "a", JudgeScore: .4, OracleLabel: .3, InclusionProb: .5}, {PromptID: "c", JudgeScore: .2, OracleLabel: .1, InclusionProb: .2}, {PromptID: "b", DrawIdx: 1, Response: "long", JudgeScore: .7, OracleLabel: .8}},
		"p0": {{PromptID: "a", JudgeScore: .5, OracleLabel: .6}},
	}
	got, err := FromRecords("p0", "j", logged, fresh, probes)
	if err != nil {
		t.Fatal(err)
	}
	want := Samples{
		Logging: "p0", Judge: "j",
		Rows: []Row{
			{PromptID: "a", LogProb: -3, Targets: map[string]float64{"t": -4, "u": nan}, Score: .5, Label: .6, InclusionProb: .25, Length: 5, Covariate: 5,
				Segments: map[string]string{"language": "German", "category": "code"}},
			{PromptID: "b", LogProb: nan, Targets: map[string]float64{}, Score: nan, Label: nan, InclusionProb: nan},
			// printf q | sha256sum: 8e35c2cd3bf6641bdb0e...
			{PromptID: "prompt_8e35c2cd3bf6", LogProb: -1, Targets: map[string]float64{}, Score: .1, Label: nan, InclusionProb: nan},
		},
		Draws: map[string][]Draw{"t": {
			{PromptID: "a", Score: .4, Label: .3, InclusionProb: .5, Covariate: 2}, {PromptID: "b", Index: 1, Score: .7, Label: .8, InclusionProb: nan, Covariate: 4}, {PromptID: "c", Score: .2, Label: .1, InclusionProb: .2},
		}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	logged[1].Metadata["response_token_count"] = 7.0
	got, err = FromRecords("p0", "j", logged, nil, nil)
	if err != nil || !math.IsNaN(got.Rows[0].Length) || got.Rows[1].Length != 7 {
		t.Errorf("one unit of length for all: tokens where any row counts them; got %v and %v (%v)", got.Rows[0].Length, got.Rows[1].Length, err)
	}
}

func TestFromRecordsRefuses(t *testing.T) {
	m := dataset.Missing()
	draw := dataset.FreshDraw{PromptID: "a", JudgeScore: .4, OracleLabel: m}
	probe := dataset.FreshDraw{PromptID: "a", JudgeScore: .5, OracleLabel: .3}
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
		_, err := FromRecords("p0", "j", nil, map[string][]dataset.FreshDraw{"t": tt.fresh}, map[string][]dataset.FreshDraw{"t": tt.probes})
		if err == nil || errors.Is(err, dataset.ErrDuplicateID) != tt.duplicate || !strings.Contains(err.Error(), "a/t/0") {
			t.Errorf("%s: error %v", tt.reason, err)
		}
	}
}
