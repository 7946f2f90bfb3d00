package offpolicy

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reweigh/reweigh/dataset"
)

func TestFromRecords(t *testing.T) {
	m := dataset.Float{}
	logged := []dataset.Sample{
		{PromptID: "a", Response: "héllo", BasePolicyLogProb: dataset.Known(-3), TargetPolicyLogProbs: map[string]dataset.Float{"t": dataset.Known(-4), "u": m}, JudgeScore: dataset.Known(.5), OracleLabel: dataset.Known(.6),
			InclusionProb: dataset.Known(.25), Metadata: map[string]any{"language": "German", "category": "code", "other": "x"}},
		{Prompt: "q", Response: "", BasePolicyLogProb: m, JudgeScore: m, OracleLabel: m, InclusionProb: m, Metadata: map[string]any{"prompt_id": "b"}},
		{Prompt: "q", BasePolicyLogProb: dataset.Known(-1), JudgeScore: dataset.Known(.1), OracleLabel: m, InclusionProb: m},
	}
	fresh := map[string][]dataset.FreshDraw{
		"t":  {{PromptID: "a", Response: "hé", JudgeScore: dataset.Known(.4), OracleLabel: m}, {PromptID: "b", DrawIdx: 1, JudgeScore: m, OracleLabel: m}},
		"p0": {{PromptID: "a", JudgeScore: dataset.Known(.5), OracleLabel: dataset.Known(.6)}},
	}
	probes := map[string][]dataset.FreshDraw{
		"t":  {{PromptID: "a", JudgeScore: dataset.Known(.4), OracleLabel: dataset.Known(.3), InclusionProb: dataset.Known(.5)}, {PromptID: "c", JudgeScore: dataset.Known(.2), OracleLabel: dataset.Known(.1), InclusionProb: dataset.Known(.2)}, {PromptID: "b", DrawIdx: 1, Response: "long", JudgeScore: dataset.Known(.7), OracleLabel: dataset.Known(.8)}},
		"p0": {{PromptID: "a", JudgeScore: dataset.Known(.5), OracleLabel: dataset.Known(.6)}},
	}
	got, err := FromRecords("p0", "j", logged, fresh, probes)
	if err != nil {
		t.Fatal(err)
	}
	want := Samples{
		Logging: "p0", Judge: "j",
		Rows: []Row{
			{PromptID: "a", LogProb: dataset.Known(-3), Targets: map[string]float64{"t": -4, "u": nan}, Score: dataset.Known(.5), Label: dataset.Known(.6), InclusionProb: dataset.Known(.25), Length: dataset.Known(5), Covariate: dataset.Known(5),
				Segments: map[string]string{"language": "German", "category": "code"}},
			{PromptID: "b", LogProb: dataset.Known(nan), Targets: map[string]float64{}, Score: dataset.Known(nan), Label: dataset.Known(nan), InclusionProb: dataset.Known(nan)},
			// printf q | sha256sum: 8e35c2cd3bf6641bdb0e...
			{PromptID: "prompt_8e35c2cd3bf6", LogProb: dataset.Known(-1), Targets: map[string]float64{}, Score: dataset.Known(.1), Label: dataset.Known(nan), InclusionProb: dataset.Known(nan)},
		},
		Draws: map[string][]Draw{"t": {
			{PromptID: "a", Score: dataset.Known(.4), Label: dataset.Known(.3), InclusionProb: dataset.Known(.5), Covariate: dataset.Known(2)}, {PromptID: "b", Index: 1, Score: dataset.Known(.7), Label: dataset.Known(.8), InclusionProb: dataset.Known(nan), Covariate: dataset.Known(4)}, {PromptID: "c", Score: dataset.Known(.2), Label: dataset.Known(.1), InclusionProb: dataset.Known(.2)},
		}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	logged[1].Metadata["response_token_count"] = 7.0
	got, err = FromRecords("p0", "j", logged, nil, nil)
	if err != nil || got.Rows[0].Length.Valid() || got.Rows[1].Length.OrNaN() != 7 {
		t.Errorf("one unit of length for all: tokens where any row counts them; got %v and %v (%v)", got.Rows[0].Length.OrNaN(), got.Rows[1].Length.OrNaN(), err)
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
		_, err := FromRecords("p0", "j", nil, map[string][]dataset.FreshDraw{"t": tt.fresh}, map[string][]dataset.FreshDraw{"t": tt.probes})
		if err == nil || errors.Is(err, dataset.ErrDuplicateID) != tt.duplicate || !strings.Contains(err.Error(), "a/t/0") {
			t.Errorf("%s: error %v", tt.reason, err)
		}
	}
}
