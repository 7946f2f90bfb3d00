package pilot_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
)

// Every kind of judge goes through a run: estimated, scored, its variance drawn
// together where it reads repeatedly, and calibrated with its parts.
func TestEveryJudgeGoesThrough(t *testing.T) {
	const n = 26
	kinds := map[judge.Source]func(judge.Config) (judge.Scorer, error){
		judge.SourceRepeated: func(c judge.Config) (judge.Scorer, error) { return judge.NewRepeated(c, 3) },
		judge.SourceTokens:   func(c judge.Config) (judge.Scorer, error) { return judge.NewTokens(c, 20) },
		judge.SourcePanel: func(c judge.Config) (judge.Scorer, error) {
			a, err := judge.NewDeterministic(c)
			if err != nil {
				return nil, err
			}
			b, err := judge.NewTokens(c, 20)
			if err != nil {
				return nil, err
			}
			return judge.NewPanel("panel", a, b)
		},
	}
	for source, build := range kinds {
		t.Run(string(source), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cfg := plan(t, serve(t, ""), dir, n)
			cfg.Arms = cfg.Arms[:2]
			cfg.Judge = func(g judge.Generator) (judge.Scorer, error) {
				return build(judge.Config{Name: "j", Generator: g, Model: "gpt-4o-mini"})
			}
			v, err := pilot.Run(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{"judge.complete", "judge.uncertainty", "judge.parse", "judge.injection",
				"cost.estimate", "files.valid"} {
				if c := finding(v, id); c.Status != record.Pass {
					t.Errorf("%s is %s: %s", id, c.Status, c.Summary)
				}
			}
			if c := finding(v, "judge.uncertainty"); !strings.Contains(c.Summary, "was stated") {
				t.Errorf("%s does not compare what was stated: %s", c.ID, c.Summary)
			}
			rows, err := dataset.ReadFile[dataset.JudgeScore](filepath.Join(dir, "judge.jsonl"))
			if err != nil || len(rows) != 2*n {
				t.Fatalf("%d scores, %v", len(rows), err)
			}
			shrunk := false
			for _, r := range rows {
				if r.Source != string(source) || r.VarianceParts == nil || r.CalibratedVariance != r.VarianceParts.Total() ||
					!(r.VarianceParts.Residual.OrNaN() > 0) ||
					source != judge.SourceRepeated && r.VarianceParts.Sampling.OrNaN() != 0 {
					t.Fatalf("score %+v", r)
				}
				if source != judge.SourceRepeated {
					continue
				}
				if len(r.Readings) != 3 {
					t.Fatalf("readings %v", r.Readings)
				}
				mean := (r.Readings[0] + r.Readings[1] + r.Readings[2]) / 3
				raw := 0.0
				for _, x := range r.Readings {
					raw += (x - mean) * (x - mean) / 2 / 3
				}
				shrunk = shrunk || math.Abs(raw-r.Variance.OrNaN()) > 1e-9
			}
			if shrunk != (source == judge.SourceRepeated) {
				t.Error("variances of three readings are not drawn together")
			}
		})
	}
}

// byFunctions grades a pilot by plain functions, which ask no service.
func byFunctions(cfg *pilot.Config) {
	score := func(response string) float64 { return 1 / (1 + float64(len(response))/400) }
	cfg.Grader = nil
	cfg.Judge = func(judge.Generator) (judge.Scorer, error) {
		return judge.Func("brevity@1", func(_ context.Context, _ dataset.Prompt, response string) (float64, error) {
			return score(response), nil
		}), nil
	}
	cfg.Oracle = func(judge.Generator) (oracle.Oracle, error) {
		return oracle.Func("half@1", func(_ context.Context, p dataset.Prompt, response string) (float64, error) {
			return (score(response) + float64(len(p.Text)%7)/6) / 2, nil
		}), nil
	}
}

// A judge and an oracle that are plain functions need no service, and see of a prompt what its caller
// said of it, type by type.
func TestPlainFunctions(t *testing.T) {
	cfg := config(t, serve(t, ""), t.TempDir(), n)
	byFunctions(&cfg)
	for i, p := range cfg.Prompts {
		cfg.Prompts[i].Metadata = map[string]any{"id": p.ID, "odd": i%2 == 1}
		if i%2 == 1 {
			cfg.Prompts[i].Metadata["whole"] = 3
		}
	}
	seen := func(p dataset.Prompt) error {
		if m := p.Metadata; m["id"] != p.ID || (m["whole"] == 3) != (m["odd"] == true) {
			return fmt.Errorf("prompt %s comes with %v", p.ID, m)
		}
		return nil
	}
	graded, labeled := cfg.Judge, cfg.Oracle
	cfg.Judge = func(g judge.Generator) (judge.Scorer, error) {
		s, err := graded(g)
		return judge.Func("brevity@1", func(ctx context.Context, p dataset.Prompt, response string) (float64, error) {
			out, scoreErr := s.Score(ctx, providers.Tag{}, p, response)
			return out.Mean.OrNaN(), errors.Join(scoreErr, seen(p))
		}), err
	}
	cfg.Oracle = func(g judge.Generator) (oracle.Oracle, error) {
		o, err := labeled(g)
		return oracle.Func("half@1", func(ctx context.Context, p dataset.Prompt, response string) (float64, error) {
			out, labelErr := o.Label(ctx, providers.Tag{}, p, response)
			return out, errors.Join(labelErr, seen(p))
		}), err
	}
	v, err := pilot.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"judge.complete", "judge.uncertainty", "judge.parse", "oracle.range", "cost.estimate",
		"files.valid"} {
		if c := finding(v, id); c.Status != record.Pass {
			t.Errorf("%s is %s: %s", id, c.Status, c.Summary)
		}
	}
	rows, err := dataset.ReadFile[dataset.Sample](filepath.Join(cfg.Dir, "samples.jsonl"))
	if err != nil || len(rows) != n {
		t.Fatalf("%d samples, %v", len(rows), err)
	}
	for _, s := range rows {
		if m := s.Metadata; m["id"] != s.PromptID || (m["whole"] == 3.) != (m["odd"] == true) {
			t.Errorf("sample %s comes with %v", s.PromptID, m)
		}
	}
}
