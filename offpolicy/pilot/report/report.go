package report

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"

	"github.com/reweigh/reweigh/internal/folder"
	"github.com/reweigh/reweigh/offpolicy/pilot"
)

// The files that [WriteFiles] writes.
const (
	JSONFile     = "report.json"
	markdownFile = "report.md"
	HTMLFile     = "report.html"
)

// WriteFiles renders v as report.json, report.md and report.html in dir, which
// must exist. All three are rendered before the first is written, and each is
// written beside its place and then renamed into it: whoever opens a report sees
// an old one or a new one, never half of one. On an error the files not yet
// renamed are as they were. New files can be read by their owner only.
func WriteFiles(dir string, v *pilot.Verdict) error {
	mustHave(v)
	files := []struct {
		name   string
		render func(io.Writer, *pilot.Verdict) error
		body   bytes.Buffer
	}{{name: JSONFile, render: JSON}, {name: markdownFile, render: Markdown}, {name: HTMLFile, render: HTML}}
	for i := range files {
		if err := files[i].render(&files[i].body, v); err != nil {
			return fmt.Errorf("report: write %s: %w", filepath.Join(dir, files[i].name), err)
		}
	}
	in, err := folder.Open(dir)
	if err != nil {
		return fmt.Errorf("report: write: %w", err)
	}
	defer in.Close()
	for i := range files {
		// The bytes are not forced to the disk: a report can be rendered again, and a run
		// that rewrites it every few seconds should not wait for that.
		if err := in.Replace(files[i].name, false, func(w io.Writer) error {
			_, err := w.Write(files[i].body.Bytes())
			return err
		}); err != nil {
			return fmt.Errorf("report: write %s: %w", filepath.Join(dir, files[i].name), err)
		}
	}
	return nil
}

// mustHave panics where there is no verdict to render: that is a mistake in the
// program, not in its data.
func mustHave(v *pilot.Verdict) {
	if v == nil {
		panic("report: nil verdict")
	}
}
