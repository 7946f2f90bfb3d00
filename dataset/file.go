package dataset

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/reweigh/reweigh/internal/folder"
)

// WriteFile puts a file in place as a whole. It calls write with a temporary
// file in path's folder, flushes that to the disk and renames it to path: a
// reader, a crash or an error of any kind leaves either the old file untouched
// or the new one complete. A new file can be read by its owner only; one that is
// replaced passes its permissions on. A link at path is replaced, and not followed.
//
// Temporary files that a killed process left beside path are removed. Two
// processes must therefore not write one path at a time; goroutines may, and the
// last one wins.
func WriteFile(path string, write func(io.Writer) error) error {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := folder.Open(dir)
	if err == nil {
		defer f.Close()
		err = f.Replace(base, true, write)
	}
	if err != nil {
		return fmt.Errorf("dataset: write %s: %w", path, err)
	}
	return nil
}
