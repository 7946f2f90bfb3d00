package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot"
)

// input is what there is to evaluate.
type input struct {
	samples offpolicy.Samples
	config  offpolicy.Config
	source  string
	file    string // of the logged rows, one a line; "" if there is none
}

// What files alone do not say.
const (
	defaultSeed    = 42
	defaultMargin  = .05
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
	file := o.logged
	var logged []dataset.Sample
	var err error
	if file == "-" {
		file = ""
		for row, e := range dataset.ReadJSONL[dataset.Sample](os.Stdin, "standard input") {
			if logged, err = append(logged, row), e; err != nil {
				return nil, err
			}
		}
	} else if logged, err = dataset.ReadFile[dataset.Sample](file); err != nil {
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
	s, err := offpolicy.FromRecords(dataset.Logs{
		Logging: unnamedLogging, Judge: unnamedJudge, Samples: logged, Draws: fresh, Probes: probes,
		Scored: dataset.Unstated(unnamedLogging, logged),
	})
	if err != nil {
		return nil, err
	}
	c := offpolicy.Config{Seed: defaultSeed, Margin: defaultMargin, Clones: likeLogging(s)}
	return &input{samples: s, config: c, source: o.logged, file: file}, nil
}

func loadRun(o options) (*input, error) {
	samples, config, err := pilot.ReadEvaluation(o.run)
	if err != nil {
		return nil, err
	}
	return &input{samples: samples, config: config, source: o.run}, nil
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
		for name, v := range r.LogProbs {
			if d := math.Abs(v.OrNaN() - r.LogProbs[s.Logging].OrNaN()); name != s.Logging && !math.IsNaN(d) {
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

// locate names the file and line of a row that is not what it claims.
func (in *input) locate(err error) error {
	var bad *offpolicy.RowError
	if in.file == "" || !errors.As(err, &bad) || bad.Op != "samples" {
		return err
	}
	line, cause := lineOf(in.file, bad.Row)
	if cause != nil {
		return err
	}
	more := ""
	if bad.Rows > 1 {
		more = fmt.Sprintf(" (%d such rows)", bad.Rows)
	}
	return fmt.Errorf("%s:%d: %s: found %v%s", filepath.Base(in.file), line, bad.Reason, bad.Value, more)
}

// lineOf is the line of a row, lines that are blank being none.
func lineOf(file string, row int) (int, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	line := 0
	for text := range bytes.Lines(b) {
		line++
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if row == 0 {
			return line, nil
		}
		row--
	}
	return 0, io.ErrUnexpectedEOF
}
