package dataset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func writeText(text string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
}

// names lists a folder, so that a test sees what was left behind.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rows.jsonl")
	if err := WriteFile(path, writeText("one")); err != nil {
		t.Fatal(err)
	}
	if got := content(t, path); got != "one" {
		t.Errorf("the file holds %q", got)
	}
	if runtime.GOOS != "windows" {
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	info, _ := os.Stat(path)
	stray := filepath.Join(dir, ".rows.jsonl.tmp-0-X") // no process has number 0
	other := filepath.Join(dir, ".rows.jsonl")
	for _, p := range []string{stray, other} {
		if err := os.WriteFile(p, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}

	boom := errors.New("boom")
	err := WriteFile(path, func(w io.Writer) error {
		io.WriteString(w, strings.Repeat("x", 1<<20)) // more than any buffer
		if got := content(t, path); got != "one" {
			t.Errorf("while the new file is written, a reader finds %q", got)
		}
		return boom
	})
	if !errors.Is(err, boom) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want the writer's error with the path", err)
	}
	func() {
		defer func() { recover() }()
		WriteFile(path, func(io.Writer) error { panic("boom") })
	}()
	if got := content(t, path); got != "one" {
		t.Errorf("after a failure the file holds %q", got)
	}

	if err := WriteFile(path, writeText("two")); err != nil {
		t.Fatal(err)
	}
	if got := content(t, path); got != "two" {
		t.Errorf("the file holds %q", got)
	}
	if again, _ := os.Stat(path); again.Mode() != info.Mode() {
		t.Errorf("mode %v became %v", info.Mode(), again.Mode())
	}
	if got := names(t, dir); got != ".rows.jsonl rows.jsonl" {
		t.Errorf("the folder holds %s; want the file, the unrelated one, and neither temporary files nor the stray", got)
	}
}

func TestWriteFileNowhere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "absent", "file")
	called := false
	err := WriteFile(path, func(io.Writer) error { called = true; return nil })
	if !errors.Is(err, fs.ErrNotExist) || called {
		t.Errorf("got %v (write called: %v), want fs.ErrNotExist before anything is computed", err, called)
	}
	// A folder in the file's place cannot be replaced, and loses nothing.
	if err := os.MkdirAll(filepath.Join(path, "kept"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, writeText("x")); err == nil {
		t.Error("a folder was replaced")
	}
	if got := names(t, filepath.Dir(path)); got != "file" {
		t.Errorf("left behind: %s", got)
	}
}

func TestWriteFileRelative(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := WriteFile("here", writeText("x")); err != nil {
		t.Fatal(err)
	}
	if got := names(t, "."); got != "here" {
		t.Errorf("the folder holds %s", got)
	}
}

func TestWriteFileConcurrently(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows refuses to replace a file that another goroutine is replacing")
	}
	path := filepath.Join(t.TempDir(), "file")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := WriteFile(path, writeText(strings.Repeat(fmt.Sprint(i), 9))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := content(t, path); len(got) != 9 || strings.Count(got, got[:1]) != 9 {
		t.Errorf("the file is mixed: %q", got)
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rows.jsonl")
	if err := WriteFile(path, writeText("{\"k\":\"a\"}\n{\"k\":")); err != nil {
		t.Fatal(err)
	}
	if rows, err := ReadFile[kv](path); rows != nil || err == nil || !strings.Contains(err.Error(), path+":2: ") {
		t.Errorf("%v, %v; want no rows and an error at line 2", rows, err)
	}
	if err := WriteFile(path, writeText("")); err != nil {
		t.Fatal(err)
	}
	if rows, err := ReadFile[kv](path); len(rows) != 0 || err != nil {
		t.Errorf("an empty file: %v, %v", rows, err)
	}
	if _, err := ReadFile[kv](filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent file: %v", err)
	}
}
