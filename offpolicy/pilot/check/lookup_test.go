package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/healthy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// A label is compared with the score of its own response, and of those without one with none.
func TestRankCorrelationWithTheJudge(t *testing.T) {
	r := healthy.New(100, 3)
	healthy.OwnLabels(r, "pi_bad", 12, 0)
	r.Labels[5].Label = dataset.Float{}
	scores := map[dataset.Key]float64{}
	for i := range r.Scores {
		if r.Scores[i].PromptID == r.Prompts[7].ID {
			r.Scores[i].Mean = dataset.Float{}
		}
		scores[r.Scores[i].Key()] = r.Scores[i].Mean.OrNaN()
	}
	var x, y []float64
	for _, l := range r.Labels {
		if s := dataset.Known(scores[l.Key()]); s.Valid() && l.Label.Valid() {
			x, y = append(x, s.OrNaN()), append(y, l.Label.OrNaN())
		}
	}
	f := record.Finding{}
	checkOracleDistribution(alone(r), &f)
	want := record.Figure{Name: "rank correlation with the judge", Value: dataset.Known(offpolicy.Spearman(x, y))}
	if len(x) != 109 || !slices.Contains(f.Evidence.Figures, want) {
		t.Errorf("of %d responses: %+v, want %+v", len(x), f.Evidence.Figures, want)
	}
}

// Prompts are the same by id, wherever they stand, or by text; conversations that end alike
// are not.
func TestPromptsThatAreTheSame(t *testing.T) {
	turns := []dataset.Message{{Role: "user", Content: "Hello."}, {Role: "assistant", Content: "Hi."},
		{Role: "user", Content: "Thanks!"}}
	for _, tt := range []struct {
		prompts []dataset.Prompt
		names   []string // in the order of the prompts
	}{
		{[]dataset.Prompt{{ID: "a", Text: "1"}, {ID: "b", Text: "2"}, {ID: "a", Text: "3"}}, []string{"a"}},
		{[]dataset.Prompt{{ID: "c", Text: "What now?"}, {ID: "b", Text: "2"}, {ID: "a", Text: " what  NOW?"},
			{ID: "d", Text: "What now?"}}, []string{"a = c", "d = a"}},
		{[]dataset.Prompt{{ID: "a", Text: "Thanks!"}, {ID: "b", Text: "Thanks!", Messages: turns}}, nil},
		{[]dataset.Prompt{{ID: "a", Text: "Thanks!", Messages: turns}, {ID: "b", Text: "Thanks!"}}, []string{"b = a"}},
		{[]dataset.Prompt{{ID: "a", Text: "1"}, {ID: "b", Text: "1"}, {ID: "a", Text: "3"}}, []string{"b = a", "a"}},
		{[]dataset.Prompt{{ID: "a", Text: "1"}, {ID: "b", Text: "1"}, {ID: "c", Text: "2"}, {ID: "d", Text: "2"},
			{ID: "e", Text: "3"}, {ID: "f", Text: "3"}}, []string{"b = a", "d = c", "f = e"}},
		{[]dataset.Prompt{{}}, nil},
		{nil, nil},
	} {
		f := record.Finding{}
		checkPromptsUnique(alone(&healthy.Run{Prompts: tt.prompts}), &f)
		want := record.Pass
		if tt.names != nil {
			want = record.Fail
		}
		if f.Status != want || tt.names != nil && !strings.HasSuffix(f.Summary, ": "+strings.Join(tt.names, ", ")) ||
			!slices.Equal(f.Evidence.Records, slices.Sorted(slices.Values(tt.names))) {
			t.Errorf("%v: %s, %q, %q, want %q", tt.prompts, f.Status, f.Summary, f.Evidence.Records, tt.names)
		}
	}
}

// What has no place in samples.jsonl is named when the run is through; before that much is missing.
func TestLeftOutOfSamples(t *testing.T) {
	r := healthy.New(100, 1)
	healthy.FailLogProb(healthy.LogprobRow(r, 4, "pi_cot"), "timeout")
	f := record.Finding{}
	checkFiles(&Input{Records: r.Evaluated()}, &f)
	want := record.Figure{Name: "records left out of samples.jsonl", Value: dataset.Known(1)}
	names := []string{"logprobs q0004/pi_cot/0: failed: timeout: altered by a test"}
	if !slices.Contains(f.Evidence.Figures, want) || !slices.Equal(f.Evidence.Records, names) {
		t.Errorf("%+v, want one record, %s", f.Evidence, names)
	}
	other := healthy.New(100, 1)
	healthy.FailLogProb(healthy.LogprobRow(other, 4, "pi_cot"), "timeout")
	healthy.LogprobRow(other, 50, "pi_clone").Distribution = dataset.UnstatedDistribution
	if left := other.Evaluated().Unjoined; left != nil {
		t.Errorf("records that cannot be joined leave out %v", left)
	}
	r.Stop = &record.Stop{Stage: record.StageJudge, Kind: record.StopRunning, Open: []string{record.StageJudge}}
	if left := r.Evaluated().Unjoined; left != nil {
		t.Errorf("a run under way leaves out %v", left)
	}
}
