package check

import (
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/shareddata"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/healthy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// arena makes the records of real logs: one logging policy, half of whose
// responses a stronger model labeled, and three targets with scores alone.
func arena(t *testing.T) *healthy.Run {
	t.Helper()
	type row struct {
		PromptID string        `json:"prompt_id"`
		Prompt   string        `json:"prompt"`
		Response string        `json:"response"`
		Judge    dataset.Float `json:"judge_score"`
		Label    *float64      `json:"oracle_label"`
		Metadata struct {
			PromptID string `json:"prompt_id"`
		} `json:"metadata"`
	}
	read := func(name string) []row {
		rows, err := dataset.ReadFile[row](shareddata.File(t, "data/arena/"+name))
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	r := &healthy.Run{}
	for _, a := range []struct {
		name string
		role record.Role
	}{{"base", record.Logging}, {"clone", record.Clone}, {"parallel_universe_prompt", record.Target},
		{"unhelpful", record.Target}} {
		r.Arms = append(r.Arms, record.Arm{Policy: offpolicy.Policy{Name: a.name, Model: a.name}, Role: a.role})
	}
	add := func(policy, id string, x row) {
		r.Responses = append(r.Responses, dataset.Response{PromptID: id, Policy: policy, Text: &x.Response})
		r.Scores = append(r.Scores, dataset.JudgeScore{PromptID: id, Policy: policy, Judge: "nano@1", Mean: x.Judge,
			Variance: dataset.Known(0), Source: "deterministic"})
	}
	var labeled []offpolicy.LabeledScore
	logged := read("logged.jsonl")
	n := 0
	for _, x := range logged {
		if x.Label != nil {
			n++
		}
	}
	for _, x := range logged {
		id := x.Metadata.PromptID
		r.Prompts = append(r.Prompts, dataset.Prompt{ID: id, Text: x.Prompt})
		add("base", id, x)
		if x.Label != nil {
			p := float64(n) / float64(len(logged))
			r.Labels = append(r.Labels, dataset.OracleLabel{PromptID: id, Policy: "base", Label: dataset.Known(*x.Label),
				InclusionProb: dataset.Known(p), Role: "calibration"})
			labeled = append(labeled, offpolicy.LabeledScore{PromptID: id, Score: x.Judge, Label: dataset.Known(*x.Label),
				InclusionProb: dataset.Known(p)})
		}
	}
	for _, name := range []string{"clone", "parallel_universe_prompt", "unhelpful"} {
		for _, x := range read("fresh_draws/" + name + "_responses.jsonl") {
			add(name, x.PromptID, x)
		}
	}
	var err error
	if r.Calibrator, err = offpolicy.FitCalibrator(offpolicy.CalibrationConfig{Judge: "nano@1"}, labeled); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestArenaSaysWhatItCannot(t *testing.T) {
	r := arena(t)
	var cal, support record.Finding
	checkCalibration(alone(r), &cal)
	checkSupport(alone(r), &support)
	t.Log(cal.Status, cal.Summary)
	t.Log(support.Status, support.Summary)
	if want := "untested on clone, parallel_universe_prompt, unhelpful (0 labels)"; cal.Status != record.Pass ||
		!strings.Contains(cal.Summary, want) {
		t.Errorf("judge.calibration is %s: %s", cal.Status, cal.Summary)
	}
	if support.Status != record.Info || !strings.Contains(support.Summary, "outside its labeled range") ||
		!strings.Contains(support.Summary, "unhelpful") ||
		strings.Contains(support.Summary, "clone") || strings.Contains(support.Summary, "parallel") {
		t.Errorf("judge.support is %s: %s", support.Status, support.Summary)
	}
}
