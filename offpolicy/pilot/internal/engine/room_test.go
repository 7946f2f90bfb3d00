package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

func TestCheckRoom(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "old", journalDir), 0o777); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	const small, huge = 1e3, 1e18 // tokens
	for _, c := range []struct {
		dir    string
		tokens float64
		says   string
		reason string
	}{
		{filepath.Join(dir, "a", "b"), small, "", "folders that are to be made"},
		{filepath.Join(file, "run"), small, "cannot be used", "a file stands where a folder has to"},
		{filepath.Join(dir, "a"), huge, "MB left", "no disk holds that"},
		{dir, huge, "MB left", "a folder that is there, with other things in it or none"},
		{filepath.Join(dir, "old"), huge, "", "a run that is there has most of its records"},
	} {
		p := checkRoom(c.dir, c.tokens)
		if _, known := freeBytes(dir); !known && c.says == "MB left" {
			continue
		}
		if (p == nil) != (c.says == "") || p != nil &&
			(!strings.Contains(p.What, c.says) || p.Remedy.Changes[0].Field != record.FieldDir) {
			t.Errorf("%s: %+v, want %q", c.reason, p, c.says)
		}
	}
	if p, ok := openFiles(); ok {
		var problem *record.Problem
		if err := CheckFiles(int(p), 2); !errors.As(err, &problem) || !strings.Contains(err.Error(), "calls in flight") {
			t.Errorf("as many calls as files: %v", err)
		}
		if err := CheckFiles(1, 1); err != nil {
			t.Errorf("a call: %v", err)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("%v stays behind (%v)", left, err)
	}
}
