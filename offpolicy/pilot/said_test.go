package pilot_test

import (
	"path/filepath"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers/sim"
	"github.com/reweigh/reweigh/teacherforce"
)

// TestWhatGenerationsValuesAre: a tempered P0 takes the log-probs that it drew with, if the
// certificate finds that the server gives them; else what the alternatives allow. The setting
// that the server was started with is asked of nobody.
func TestWhatGenerationsValuesAre(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	for mode, method := range map[sim.LogProbsMode]string{sim.RawLogProbs: teacherforce.MethodTempered,
		sim.ProcessedLogProbs: teacherforce.MethodSampling} {
		s := sim.New(sim.Config{Seed: 7, VLLM: sim.VLLMConfig{LogProbs: mode}})
		t.Cleanup(func() { s.Close() })
		dir := t.TempDir()
		cfg := config(t, s, dir, 5)
		cfg.Policies, cfg.Arms = vllm(t, s), nil
		for _, a := range arms()[:2] {
			a.Policy.Sampling.Temperature, a.Policy.Sampling.TopP, a.Policy.Sampling.MaxTokens = 0.7, 0.9, 12
			a.ExpectedTokens = 12
			cfg.Arms = append(cfg.Arms, a)
		}
		v, err := pilot.Run(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if c := finding(v, "p0.logprobs"); c.Status != record.Pass {
			t.Errorf("%s: %s", mode, c.Summary)
		}
		rows, err := dataset.ReadFile[dataset.LogProb](filepath.Join(dir, "logprobs.jsonl"))
		if err != nil || len(rows) != 10 {
			t.Fatal(len(rows), err)
		}
		for _, row := range rows {
			if row.Method != method || row.Distribution != dataset.SamplingDistribution ||
				!row.LogProb.Valid() && row.Interval == nil {
				t.Errorf("%s: %s is %v of %s by %s, want it by %s", mode, row.Key(), row.LogProb, row.Distribution, row.Method,
					method)
			}
		}
	}
}
