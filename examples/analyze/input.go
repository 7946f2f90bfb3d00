package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// input is what there is to evaluate.
type input struct {
	samples  offpolicy.Samples
	source   string
	clones   []string
	labelUSD float64 // what an oracle label cost; 0 unknown
}

// The names that files alone do not give.
const (
	unnamedLogging = "base" // as CJE calls the policy that was logged
	unnamedJudge   = "the judge of the logged file"
)

func load(o options) (*input, error) {
	if o.run != "" {
		return loadRun(o.run)
	}
	logged, err := dataset.ReadFile[dataset.Sample](o.logged)
	if err != nil {
		return nil, err
	}
	fresh, err := readFolder(o.fresh, "_responses")
	if err != nil {
		return nil, err
	}
	probes, err := readFolder(o.probes, "_probe", "_probes")
	if err != nil {
		return nil, err
	}
	s, err := offpolicy.FromRecords(unnamedLogging, unnamedJudge, logged, fresh, probes)
	if err != nil {
		return nil, err
	}
	return &input{samples: s, source: o.logged, clones: likeLogging(s)}, nil
}

// manifest is what a run's manifest.json must say here.
type manifest struct {
	Policies []struct {
		Name string `json:"name"`
		Role string `json:"role"`
	} `json:"policies"`
	Configuration struct {
		Judge string `json:"judge"`
	} `json:"configuration"`
}

func loadRun(dir string) (*input, error) {
	path := filepath.Join(dir, "manifest.json")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no manifest.json: is it the folder of a run that has finished, or been stopped?", dir)
	}
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	in := &input{source: dir}
	logging := ""
	for _, p := range m.Policies {
		switch p.Role {
		case "logging":
			logging = p.Name
		case "clone":
			in.clones = append(in.clones, p.Name)
		}
	}
	if logging == "" || m.Configuration.Judge == "" {
		return nil, fmt.Errorf("%s names no logging policy or no judge: run again with this version", path)
	}
	logged, err := dataset.ReadFile[dataset.Sample](filepath.Join(dir, "samples.jsonl"))
	if err != nil {
		return nil, err
	}
	fresh, err := readFolder(filepath.Join(dir, "fresh_draws"), "_responses")
	if err != nil {
		return nil, err
	}
	if in.samples, err = offpolicy.FromRecords(logging, m.Configuration.Judge, logged, fresh, nil); err != nil {
		return nil, err
	}
	in.labelUSD, err = labelPrice(filepath.Join(dir, "ledger.jsonl"))
	return in, err
}

// labelPrice is what an oracle label cost in a run, 0 where none was bought.
func labelPrice(path string) (float64, error) {
	type attempt struct {
		Stage   string  `json:"stage"`
		Key     string  `json:"key"`
		CostUSD float64 `json:"cost_usd"`
	}
	rows, err := dataset.ReadFile[attempt](path)
	if err != nil {
		return 0, err
	}
	var sum float64
	keys := map[string]bool{}
	for _, r := range rows {
		if r.Stage == "oracle" {
			sum += r.CostUSD
			keys[r.Key] = true
		}
	}
	if len(keys) == 0 {
		return 0, nil
	}
	return sum / float64(len(keys)), nil
}

// readFolder reads the draws of every policy in a folder, from files named after
// it with one of the suffixes. No folder is no draws.
func readFolder(dir string, suffixes ...string) (map[string][]dataset.FreshDraw, error) {
	if dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	out := map[string][]dataset.FreshDraw{}
	for _, e := range entries {
		stem, ok := strings.CutSuffix(e.Name(), ".jsonl")
		if !ok || e.IsDir() {
			continue
		}
		policy := ""
		for _, suffix := range suffixes {
			if name, ok := strings.CutSuffix(stem, suffix); ok {
				policy = name
			}
		}
		if policy == "" {
			return nil, fmt.Errorf("%s: want files named POLICY%s.jsonl: rename it, or keep it elsewhere", filepath.Join(dir, e.Name()), suffixes[0])
		}
		rows, err := dataset.ReadFile[dataset.FreshDraw](filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		out[policy] = append(out[policy], rows...)
	}
	return out, nil
}

// likeLogging are the policies that are the logging policy scored again: those
// whose log-probs are the logged ones on more than half of the rows, which two
// different policies' never are.
func likeLogging(s offpolicy.Samples) (out []string) {
	same, rows := map[string]int{}, map[string]int{}
	for _, r := range s.Rows {
		for name, v := range r.Targets {
			if d := math.Abs(v - r.LogProb); !math.IsNaN(d) {
				rows[name]++
				if d <= 1e-6 {
					same[name]++
				}
			}
		}
	}
	for name, n := range same {
		if 2*n > rows[name] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
