package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
// renamed are as they were.
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
	for i := range files {
		if err := replace(dir, files[i].name, files[i].body.Bytes()); err != nil {
			return fmt.Errorf("report: write %s: %w", filepath.Join(dir, files[i].name), err)
		}
	}
	return nil
}

// replace puts body in place of dir/name by rename. It does not force the bytes
// to the disk: a report can be rendered again from the run's journal, and a run
// that rewrites it every few seconds should not wait for that.
func replace(dir, name string, body []byte) (err error) {
	f, err := os.CreateTemp(dir, "."+name+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(body); err != nil {
		return err
	}
	if err = f.Chmod(0o644); err != nil { // CreateTemp makes files that only their owner can read
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, name))
}

// mustHave panics where there is no verdict to render: that is a mistake in the
// program, not in its data.
func mustHave(v *pilot.Verdict) {
	if v == nil {
		panic("report: nil verdict")
	}
}
