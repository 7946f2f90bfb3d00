package main

import (
	"errors"
	"fmt"
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
	table  *offpolicy.Table
	config offpolicy.Config
	source string
	read   *dataset.Table // what was read of the logged rows; nil of a run's
}

// What files alone do not say.
const (
	defaultSeed   = 42
	defaultMargin = .05
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

// loadFiles reads rows one by one, and keeps of each what is evaluated.
func loadFiles(o options) (*input, error) {
	src := dataset.File(o.logged)
	if o.logged == "-" {
		src = dataset.Source{Name: "standard input", Open: func() (dataset.RowReader, error) {
			return dataset.NewRowReader(os.Stdin, "standard input")
		}}
	}
	in := &input{source: o.logged}
	read, err := dataset.ReadTable(src, dataset.TableOptions{Logging: o.logging, Logger: o.logger, Columns: o.columns,
		Labels: o.labels, Scores: o.scores, Into: func(l dataset.Logs) dataset.TableSink {
			in.table = offpolicy.NewTable(offpolicy.Plan{Logging: l.Logging, Pooled: l.Pooled, Judge: l.Judge})
			return in.table
		}})
	if err != nil {
		return nil, hint(err)
	}
	t := in.table
	in.read = read
	for _, note := range slices.Concat(read.Notes, columnsRead(read), whatIsMissing(read, o.fresh+o.probes != "")) {
		t.AddNote(note)
	}
	fresh, err := drawFiles(o.fresh, dataset.FreshDrawFiles)
	if err != nil {
		return nil, err
	}
	if err := eachDraw(fresh, t.AddFresh); err != nil {
		return nil, err
	}
	probes, err := drawFiles(o.probes, dataset.ProbeFiles)
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
func drawFiles(dir string, files func(string) ([]dataset.FreshDrawFile, error)) ([]dataset.FreshDrawFile, error) {
	if dir == "" {
		return nil, nil
	}
	return files(dir)
}

func eachDraw(files []dataset.FreshDrawFile, add func(policy string, d dataset.FreshDraw)) error {
	for _, file := range files {
		for d, err := range file.Draws() {
			if err != nil {
				return err
			}
			add(file.Policy, d)
		}
	}
	return nil
}

// locate names the file and line of a row that is not what it claims.
func (in *input) locate(err error) error {
	var bad *offpolicy.RowError
	if in.read == nil || !errors.As(err, &bad) {
		return err
	}
	lines := in.read.Lines
	if policy, ok := strings.CutPrefix(bad.Op, "fresh draws of "); ok {
		lines = in.read.DrawLines[policy]
	}
	if bad.Row >= len(lines) {
		return err
	}
	more := ""
	if bad.Rows > 1 {
		more = fmt.Sprintf(" (%d such rows)", bad.Rows)
	}
	return fmt.Errorf("%s:%d: %s: found %v%s", filepath.Base(in.source), lines[bad.Row], bad.Reason, bad.Value, more)
}
