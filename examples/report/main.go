// Report shows the verdict of a pilot again, or holds two runs against each
// other:
//
//	go run ./examples/report -run runs/sample1pct
//	go run ./examples/report runs/monday runs/tuesday
//
// The first writes report.md and report.html anew from the folder's report.json
// and prints the short form. The second writes nothing: it prints what was run
// otherwise, and which checks, costs and scores differ. Exit codes: 0, 1 where a
// report cannot be read or written, 2 usage.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/reweigh/reweigh/internal/clean"
	"github.com/reweigh/reweigh/internal/console"
	"github.com/reweigh/reweigh/internal/folder"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/report"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("report", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, "usage: report -run DIR        render the run's report again\n       report DIR DIR         "+
			"compare two runs\n\n")
		fs.PrintDefaults()
	}
	dir := fs.String("run", "", "`folder` of the run to render again; a second folder after it compares")
	width := fs.Int("width", 0, "`columns` to fill (default: the terminal's own, 60 to 200)")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if *width <= 0 {
		*width = console.Width(stdout)
	}
	dirs := fs.Args()
	if *dir != "" {
		dirs = append([]string{*dir}, dirs...)
	}
	if len(dirs) < 1 || len(dirs) > 2 {
		fmt.Fprintf(stderr, "report: %d folders given: want one to render, or two to compare\n", len(dirs))
		fs.Usage()
		return 2
	}
	verdicts := make([]*pilot.Verdict, len(dirs))
	for i, d := range dirs {
		v, err := read(d)
		if err != nil {
			clean.Error(stderr, "", err)
			return 1
		}
		verdicts[i] = v
	}
	if err := show(stdout, dirs, verdicts, *width); err != nil {
		clean.Error(stderr, "", err)
		return 1
	}
	return 0
}

func show(w io.Writer, dirs []string, v []*pilot.Verdict, width int) error {
	if len(v) == 2 {
		return report.Compare(w, v[0], v[1], dirs[0], dirs[1], width)
	}
	if err := report.WriteFiles(dirs[0], v[0]); err != nil {
		return err
	}
	if err := report.Text(w, v[0], width); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nThe report is %s\n", filepath.Join(dirs[0], report.HTMLFile))
	return err
}

func read(dir string) (*pilot.Verdict, error) {
	path := filepath.Join(dir, report.JSONFile)
	in, err := folder.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	defer in.Close()
	f, err := in.Read(report.JSONFile)
	if err != nil {
		return nil, fmt.Errorf("report: %w: the folder of a run has one as soon as its first stage begins", err)
	}
	defer f.Close()
	return report.Read(f, path)
}
