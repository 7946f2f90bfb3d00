package pilot_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot"
)

// TestWhatStandsInAFilesPlace: something that is no file of the run is found before
// anything is spent, wherever the run will write, and what it leads to is left alone.
func TestWhatStandsInAFilesPlace(t *testing.T) {
	s := serve(t, "")
	outside := t.TempDir()
	put := map[string]func(path string) error{
		"a link to a file":   func(path string) error { return os.Symlink(filepath.Join(outside, "victim"), path) },
		"a link to nothing":  func(path string) error { return os.Symlink(filepath.Join(outside, "new"), path) },
		"a link to a device": func(path string) error { return os.Symlink(os.DevNull, path) },
		"a link to itself":   func(path string) error { return os.Symlink(filepath.Base(path), path) },
		"a folder":           func(path string) error { return os.Mkdir(path, 0o777) },
	}
	if err := os.WriteFile(filepath.Join(outside, "victim"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	inFolder := map[string]func(path string) error{
		"a link to a folder": func(path string) error { return os.Symlink(outside, path) },
		"a file":             func(path string) error { return os.WriteFile(path, nil, 0o600) },
	}
	tried := 0
	try := func(place, what string, put func(string) error) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "journal"), 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(place))
		if place == "journal" {
			os.Remove(path)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), put(path)); err != nil {
			t.Fatal(err)
		}
		_, err := pilot.RunPreflight(t.Context(), config(t, s, dir, 2))
		var refused *pilot.PreflightError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), filepath.Base(path)) {
			t.Errorf("%s is %s: %v, want a refusal that names it", place, what, err)
		}
		tried++
	}
	for _, place := range []string{"manifest.json", "prompts.jsonl", "ledger.jsonl", "report.html", "journal/log.jsonl",
		"journal/acked", "journal/lock", "fresh_draws/pi_bad_responses.jsonl",
		"fresh_draws/unscored/pi_bad_responses.jsonl"} {
		for what, put := range put {
			try(place, what, put)
		}
	}
	for _, place := range []string{"journal", "fresh_draws", "fresh_draws/unscored"} {
		for what, put := range inFolder {
			try(place, what, put)
		}
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside there are %v, %v", entries, err)
	}
	if b, err := os.ReadFile(filepath.Join(outside, "victim")); err != nil || string(b) != "mine" {
		t.Errorf("the file outside holds %q, %v", b, err)
	}
	if bill := s.Bill().Total; bill.Calls != 0 {
		t.Errorf("%d calls were billed in %d preflights", bill.Calls, tried)
	}
}

// onlyOwners checks that nobody else can read what a run wrote; shared, that they can
// read all but the journal.
func onlyOwners(t *testing.T, dir string, shared bool) {
	t.Helper()
	if runtime.GOOS == "windows" {
		return
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if shared && !strings.Contains(path, "journal") {
			want |= 0o044
			if d.IsDir() {
				want |= 0o011
			}
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has %v, want %v", path, info.Mode().Perm(), want)
		}
		files++
		return nil
	})
	if err != nil || files < 15 {
		t.Errorf("%d files, %v", files, err)
	}
}
