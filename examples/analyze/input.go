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
	unnamedJudge   = "an unnamed judge"
)

func load(o options) (*input, error) {
	from := loadFiles
	if o.run != "" {
		from = loadRun
	}
	in, err := from(o)
	if err != nil {
		return nil, err
	}
	if len(in.samples.Rows) == 0 {
		return nil, fmt.Errorf("%s holds no logged response: there is nothing to evaluate", in.source)
	}
	return in, nil
}

func loadFiles(o options) (*input, error) {
	logged, err := dataset.ReadFile[dataset.Sample](o.logged)
	if err != nil {
		return nil, err
	}
	fresh, err := readDraws(o.fresh)
	if err != nil {
		return nil, err
	}
	probes, err := readProbes(o.probes)
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

func loadRun(o options) (*input, error) {
	dir := o.run
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
	fresh, err := readDraws(filepath.Join(dir, "fresh_draws"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a run that was stopped may have none
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

// readDraws reads a folder of fresh draws, and readProbes one of probes, whose
// files are called NAME_probe.jsonl, or NAME_probes.jsonl. No folder is no draws.
func readDraws(dir string) (map[string][]dataset.FreshDraw, error) {
	if dir == "" {
		return nil, nil
	}
	return dataset.ReadFreshDraws(dir)
}

func readProbes(dir string) (map[string][]dataset.FreshDraw, error) {
	files, err := readDraws(dir)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]dataset.FreshDraw, len(files))
	for name, rows := range files {
		policy := strings.TrimSuffix(strings.TrimSuffix(name, "_probes"), "_probe")
		if _, twice := out[policy]; twice {
			return nil, fmt.Errorf("%s: two files of %s's probes: keep one", dir, policy)
		}
		out[policy] = rows
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
			if d := math.Abs(v - r.LogProb.OrNaN()); !math.IsNaN(d) {
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
