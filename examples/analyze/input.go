package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot"
)

// input is what there is to evaluate.
type input struct {
	table  *offpolicy.Table
	config offpolicy.Config
	source string
	file   string // of the logged rows, one a line; "" if there is none
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
	if in.table.Rows() == 0 {
		return nil, fmt.Errorf("%s holds no logged response: there is nothing to evaluate", in.source)
	}
	return in, nil
}

// loadFiles reads lines one by one, and keeps of each what is evaluated.
func loadFiles(o options) (*input, error) {
	t := offpolicy.NewTable(offpolicy.Plan{Logging: unnamedLogging, Judge: unnamedJudge})
	in := &input{table: t, source: o.logged, file: o.logged}
	logged := io.Reader(os.Stdin)
	name := "standard input"
	if o.logged == "-" {
		in.file = ""
	} else {
		f, err := os.Open(o.logged)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		logged, name = f, o.logged
	}
	for s, err := range dataset.ReadJSONL[dataset.Sample](logged, name) {
		if err == nil {
			err = t.AddSample(s)
		}
		if err != nil {
			return nil, err
		}
	}
	fresh, err := drawFiles(o.fresh)
	if err != nil {
		return nil, err
	}
	if err := eachDraw(fresh, t.AddFresh); err != nil {
		return nil, err
	}
	probes, err := probeFiles(o.probes)
	if err != nil {
		return nil, err
	}
	if err := eachDraw(probes, t.AddProbe); err != nil {
		return nil, err
	}
	in.config = offpolicy.Config{Seed: defaultSeed, Margin: defaultMargin, Clones: t.Clones()}
	return in, nil
}

func loadRun(o options) (*input, error) {
	samples, config, err := pilot.ReadEvaluation(o.run)
	if err != nil {
		return nil, err
	}
	return &input{table: offpolicy.TableOf(samples), config: config, source: o.run}, nil
}

// drawFiles are the files in a folder of draws. No folder is no draws.
func drawFiles(dir string) ([]dataset.FreshDrawFile, error) {
	if dir == "" {
		return nil, nil
	}
	return dataset.FreshDrawFiles(dir)
}

// probeFiles are files of probes, called NAME_probe.jsonl, or NAME_probes.jsonl.
func probeFiles(dir string) ([]dataset.FreshDrawFile, error) {
	files, err := drawFiles(dir)
	seen := map[string]string{} // by policy: its file in the folder's own list
	for i, f := range files {
		policy := strings.TrimSuffix(strings.TrimSuffix(f.Policy, "_probes"), "_probe")
		if other, ok := seen[policy]; ok && other != f.Policy {
			return nil, fmt.Errorf("%s: two files of %s's probes: keep one", dir, policy)
		}
		seen[policy] = f.Policy
		files[i].Policy = policy
	}
	return files, err
}

func eachDraw(files []dataset.FreshDrawFile, add func(policy string, d dataset.FreshDraw)) error {
	for _, file := range files {
		f, err := os.Open(file.Path)
		if err != nil {
			return err
		}
		for d, err := range dataset.ReadJSONL[dataset.FreshDraw](f, file.Path) {
			if err != nil {
				f.Close()
				return err
			}
			add(file.Policy, d)
		}
		f.Close()
	}
	return nil
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
