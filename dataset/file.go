package dataset

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/reweigh/reweigh/internal/failpoint"
)

// WriteFile puts a file in place as a whole. It calls write with a temporary
// file in path's folder, flushes that to the disk and renames it to path: a
// reader, a crash or an error of any kind leaves either the old file untouched
// or the new one complete. An existing file keeps its permissions.
//
// Temporary files that a killed process left beside path are removed. Two
// processes must therefore not write one path at a time; goroutines may, and the
// last one wins.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("dataset: write %s: %w", path, err)
		}
	}()
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	mode := fs.FileMode(0o666) // before umask
	info, statErr := os.Stat(path)
	if statErr == nil {
		mode = info.Mode().Perm()
	}
	stem := "." + base + ".tmp-"
	mine := fmt.Sprintf("%s%d-", stem, os.Getpid())
	tmp := filepath.Join(dir, mine+rand.Text())
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	placed := false
	defer func() { // also if write panics
		if !placed {
			f.Close() // a second Close does no harm
			os.Remove(tmp)
		}
	}()
	if statErr == nil {
		if err := f.Chmod(mode); err != nil { // umask has had its say at creation
			return err
		}
	}
	failpoint.At("file.create")
	buf := bufio.NewWriterSize(f, 64<<10)
	if err := write(buf); err != nil {
		return err
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	failpoint.At("file.rename")
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	placed = true
	failpoint.At("file.renamed")
	SyncDir(dir)
	removeStrays(dir, stem, mine)
	return nil
}

// SyncDir flushes a folder's list of names to the disk, so that a file just
// created or renamed in it survives a power cut. Some systems (Windows among
// them) cannot flush a folder and keep its names safe by themselves; there
// SyncDir does nothing.
func SyncDir(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	d.Sync() // refused if unsupported; the file itself is already safe
	d.Close()
}

// removeStrays deletes what processes other than this one left of stem. It is
// housekeeping: a stray that stays does no harm.
func removeStrays(dir, stem, mine string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), stem) && !strings.HasPrefix(e.Name(), mine) {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
