package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/reweigh/reweigh/internal/folder"
)

// mustOpen opens the journal in dir and closes it with the test.
func mustOpen(t testing.TB, dir string, opt Options) *Journal {
	t.Helper()
	j, err := Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// keys returns what Scan yields, as "kind key payload".
func keys(t testing.TB, dir string) []string {
	t.Helper()
	out := []string{}
	err := Scan(dir, func(r Record) error {
		if want := int64(len(out) + 1); r.Seq != want {
			t.Errorf("record %s %s has number %d, want %d", r.Kind, r.Key, r.Seq, want)
		}
		out = append(out, fmt.Sprintf("%s %s %s", r.Kind, r.Key, r.Payload))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// writeLog puts data in place as the journal of a new folder.
func writeLog(t testing.TB, data []byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	putLog(t, dir, data)
	return dir
}

// putLog makes data the journal of dir, of which nothing says how much was
// acknowledged.
func putLog(t testing.TB, dir string, data []byte) {
	t.Helper()
	os.Remove(markPath(dir))
	if err := os.WriteFile(logPath(dir), data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// readLog returns a journal's bytes.
func readLog(t testing.TB, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// disk is a file that has room for so many bytes only, and whose flush can be
// made to fail or to be watched.
type disk struct {
	*os.File
	room    int  // -1: no limit
	noSync  bool // Sync does nothing, for tests that open hundreds of journals
	syncErr error
	onSync  func()
}

var errFull = &os.PathError{Op: "write", Path: "log.jsonl", Err: syscall.ENOSPC}

var errIO = errors.New("input/output error")

func (d *disk) Write(b []byte) (int, error) {
	if d.room < 0 || len(b) <= d.room {
		if d.room >= 0 {
			d.room -= len(b)
		}
		return d.File.Write(b)
	}
	n, err := d.File.Write(b[:d.room])
	d.room = 0
	if err != nil {
		return n, err
	}
	return n, errFull
}

func (d *disk) Sync() error {
	if d.onSync != nil {
		d.onSync()
	}
	if d.syncErr != nil || d.noSync {
		return d.syncErr
	}
	return d.File.Sync()
}

// on makes a journal use d.
func on(d *disk) Options {
	return Options{openFile: func(in *folder.Folder) (file, error) {
		f, err := in.Update(logName)
		if err != nil {
			return nil, err
		}
		d.File = f
		return d, nil
	}}
}
