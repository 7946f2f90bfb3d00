package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// asNobody runs f as a user who may write nothing. Tests may run as root, whom no
// mode of a folder keeps from writing.
func asNobody(f func()) {
	if os.Geteuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const nobody = 65534
	syscall.Setfsuid(nobody) // of this thread; its capabilities to ignore modes go with it
	defer syscall.Setfsuid(0)
	f()
}

// TestReadOnly: in a folder that cannot be written a journal can be read, and is
// not opened for writing; the error says why.
func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, dir, Options{})
	mustAppend(t, j, "a")
	j.Close()
	for _, name := range []string{"lock", "acked", "log.jsonl"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	for p := dir; p != os.TempDir() && len(p) > 1; p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o555); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(p, 0o755)
	}
	asNobody(func() {
		if _, err := Open(dir, Options{}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Open: %v, want fs.ErrPermission", err)
		}
		if _, err := Open(filepath.Join(dir, "new"), Options{}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Open of a new journal: %v, want fs.ErrPermission", err)
		}
		n := 0
		if err := Scan(dir, func(Record) error { n++; return nil }); err != nil || n != 1 {
			t.Errorf("Scan: %d records, %v", n, err)
		}
	})
}
