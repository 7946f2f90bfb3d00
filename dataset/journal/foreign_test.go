package journal

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/reweigh/reweigh/internal/folder"
)

// TestForeignFiles: a link, or a second name, in the place of any file of a journal is
// refused by whoever would follow it, and what it leads to stays as it is.
func TestForeignFiles(t *testing.T) {
	for _, name := range []string{logName, markName, lockName} {
		for how, put := range map[string]func(victim, path string) error{
			"link":          os.Symlink,
			"dangling link": func(victim, path string) error { return os.Symlink(victim+"-new", path) },
			"second name":   os.Link,
			"folder":        func(_, path string) error { return os.Mkdir(path, 0o777) },
		} {
			if how == "second name" && runtime.GOOS == "windows" {
				continue
			}
			dir, outside := filepath.Join(t.TempDir(), "journal"), t.TempDir()
			j := mustOpen(t, dir, Options{})
			mustAppend(t, j, "a")
			j.Close()
			victim, path := filepath.Join(outside, "victim"), filepath.Join(dir, name)
			old, err := os.ReadFile(path)
			if err := errors.Join(err, os.WriteFile(victim, old, 0o600), os.Remove(path), put(victim, path)); err != nil {
				t.Fatal(err)
			}
			if j, err := Open(dir, Options{}); !errors.Is(err, folder.ErrForeign) {
				t.Errorf("%s as %s: %v, want it refused", name, how, err)
				if err == nil {
					j.Close()
				}
			}
			if _, err := Check(dir, Options{}); how != "second name" && !errors.Is(err, folder.ErrForeign) {
				t.Errorf("%s as %s: Check says %v", name, how, err)
			}
			if b, err := os.ReadFile(victim); err != nil || string(b) != string(old) {
				t.Errorf("%s as %s: the file outside holds %q, %v", name, how, b, err)
			}
			if entries, _ := os.ReadDir(outside); len(entries) != 1 {
				t.Errorf("%s as %s: outside there are %v", name, how, entries)
			}
		}
	}
	outside, dir := t.TempDir(), filepath.Join(t.TempDir(), "journal")
	if err := os.Symlink(outside, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, folder.ErrForeign) {
		t.Errorf("a folder that is a link: %v, want it refused", err)
	}
	if _, err := Check(dir, Options{}); !errors.Is(err, folder.ErrForeign) {
		t.Errorf("a folder that is a link: Check says %v", err)
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 0 {
		t.Errorf("outside there are %v", entries)
	}
}

// TestPrivate: a journal is its owner's, also one that an earlier version left open
// to all.
func TestPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: Windows has no such permissions")
	}
	dir := filepath.Join(t.TempDir(), "run", "journal")
	for range 2 {
		mustOpen(t, dir, Options{}).Close()
		for name, want := range map[string]os.FileMode{".": 0o700, logName: 0o600, markName: 0o600, lockName: 0o600} {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
			}
			if err := os.Chmod(path, want|0o055); err != nil {
				t.Fatal(err)
			}
		}
	}
}
