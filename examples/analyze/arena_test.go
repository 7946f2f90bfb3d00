package main

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/shareddata"
)

// What must be seen on 400 real rows, scored by a real API.
func TestArena(t *testing.T) {
	dir := filepath.Dir(shareddata.File(t, "data/arena/logged.jsonl"))
	args := []string{"-logged", filepath.Join(dir, "logged.jsonl"), "-fresh", filepath.Join(dir, "fresh_draws"),
		"-probes", filepath.Join(dir, "probes"), "-estimators", "all"}
	a := analyzed(t, args...)

	probes, err := dataset.ReadFile[dataset.FreshDraw](filepath.Join(dir, "probes", "unhelpful_probe.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var labels []float64
	for _, p := range probes {
		labels = append(labels, p.OracleLabel.OrNaN())
	}
	mean, sd := stat.MeanStdDev(labels, nil)
	se := sd / math.Sqrt(float64(len(labels)))
	for id, e := range a.Policies["unhelpful"].Estimators {
		if id == "direct" {
			if e.Status != "ok" || math.Abs(*e.Value-mean) > 2*se {
				t.Errorf("unhelpful, corrected by its probes: %+v; their own mean is %.3f (SE %.3f)", e, mean, se)
			}
			continue
		}
		if e.Status != "refused" {
			t.Errorf("%s of unhelpful, which the logs never show: %+v", id, e)
		}
	}

	clone := a.Policies["clone"]
	if clone.Clone == nil || clone.Clone.Status != "fail" || !strings.Contains(strings.Join(clone.Weights.Refusals, " "),
		"e-value 10^6.9") {
		t.Errorf("clone: %+v, weights %q; 10^6.9 is the figure recorded for these rows", clone.Clone, clone.Weights.Refusals)
	}
	if len(a.Notes) == 0 || !strings.Contains(a.Notes[0], "The log-probs are noisy: clone is base scored again") {
		t.Errorf("notes %q", a.Notes)
	}
	if p := a.Policies["parallel_universe_prompt"]; p.Weights.Usable || p.Estimators["dr"].Status != "refused" ||
		p.Estimators["snips"].Status != "refused" {
		t.Errorf("parallel_universe_prompt: %+v", p.Weights)
	}

	_, stdout, _ := call(t, args...)
	if !strings.Contains(strings.Join(strings.Fields(stdout), " "),
		"The log-probs are noisy: clone is base scored again") {
		t.Error("the terminal does not say that the log-probs are noisy")
	}
	for name, p := range a.Policies {
		for id, e := range p.Estimators {
			if e.Status == "refused" {
				continue
			}
			if line := fmt.Sprintf("%-24s  %-13s", name, id); !strings.Contains(stdout, strings.TrimRight(line, " ")) {
				t.Errorf("the terminal does not list %s of %s", id, name)
			}
		}
	}
}
