package folder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func opened(t *testing.T) (*Folder, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	f, err := Make(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, dir
}

// TestForeign: what is no file of a run is refused in a file's place and in a
// folder's, in every way of opening it, and nothing outside changes.
func TestForeign(t *testing.T) {
	f, dir := opened(t)
	outside := t.TempDir()
	victim := filepath.Join(outside, "victim")
	for _, err := range []error{
		os.WriteFile(victim, []byte("mine"), 0o644),
		os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o644),
		os.Symlink(victim, filepath.Join(dir, "link")),
		os.Symlink("file", filepath.Join(dir, "inner link")),
		os.Symlink(filepath.Join(outside, "new"), filepath.Join(dir, "dangling")),
		os.Symlink("loop", filepath.Join(dir, "loop")),
		os.Symlink(outside, filepath.Join(dir, "folder link")),
		os.Mkdir(filepath.Join(dir, "folder"), 0o755),
		os.Symlink("folder", filepath.Join(dir, "inner folder link")),
		os.Link(victim, filepath.Join(dir, "second name")),
		pipe(filepath.Join(dir, "pipe")),
	} {
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			t.Fatal(err)
		}
	}
	foreign := func(name, what string, err error) {
		if !errors.Is(err, ErrForeign) {
			t.Errorf("%s of %s: %v, want it refused", what, name, err)
		}
	}
	for _, name := range []string{"link", "inner link", "dangling", "loop", "folder link", "folder", "pipe"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			continue // this system has none
		}
		_, err := f.Read(name)
		foreign(name, "Read", err)
		_, err = f.Update(name)
		foreign(name, "Update", err)
		_, err = f.UpdateOrCreate(name)
		foreign(name, "UpdateOrCreate", err)
		foreign(name, "Check", f.Check(name, false))
	}
	_, err := f.Update("second name")
	foreign("second name", "Update", err)
	for _, name := range []string{"link", "folder link", "inner folder link", "file", "pipe"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			continue
		}
		_, err := f.Sub(name)
		foreign(name, "Sub", err)
		_, err = f.MakeSub(name)
		foreign(name, "MakeSub", err)
		foreign(name, "Check", f.Check(name, true))
		_, err = OpenIn(filepath.Join(dir, name))
		foreign(name, "OpenIn", err)
	}
	foreign("folder", "Replace", f.Replace("folder", true, text("new")))
	// A link and a second name give way to the file; what they led to stays.
	for _, name := range []string{"link", "second name", "dangling"} {
		if err := f.Replace(name, true, text("new")); err != nil {
			t.Error(err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != "new" {
			t.Errorf("%s holds %q, %v", name, b, err)
		}
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "mine" {
		t.Errorf("the file outside holds %q, %v", b, err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside there are %v, %v", entries, err)
	}
}

// TestOutside: no name leads out of the folder.
func TestOutside(t *testing.T) {
	f, dir := opened(t)
	for _, name := range []string{"../escaped", filepath.Join(dir, "absolute"), ""} {
		if file, err := f.UpdateOrCreate(name); err == nil {
			t.Errorf("%q was opened as %s", name, file.Name())
		}
		if err := f.Replace(name, false, text("x")); err == nil {
			t.Errorf("%q was written", name)
		}
	}
}

// TestModes: what is made is its owner's, also under a umask that allows all; Share
// and Hide change that, and a file that is replaced passes its permissions on.
func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: Windows has no such permissions")
	}
	f, dir := opened(t)
	mode := func(name string, want fs.FileMode) {
		t.Helper()
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode().Perm(), err, want)
		}
	}
	mode(".", 0o700)
	sub, err := f.MakeSub("sub")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	mode("sub", 0o700)
	file, err := f.UpdateOrCreate("made")
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	mode("made", 0o600)
	if err := f.Replace("placed", false, text("1")); err != nil {
		t.Fatal(err)
	}
	mode("placed", 0o600)
	if err := errors.Join(f.Share("placed"), f.Share("sub"), f.Replace("placed", false, text("2"))); err != nil {
		t.Fatal(err)
	}
	mode("placed", 0o644)
	mode("sub", 0o755)
	f.Hide("placed")
	f.Hide("sub")
	mode("placed", 0o600)
	mode("sub", 0o700)
}
