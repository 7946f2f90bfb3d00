//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package journal

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/reweigh/reweigh/internal/folder"
)

// lockFile refuses: without a lock that ends with its process, two writers could
// not be told from a writer and a dead one.
func lockFile(in *folder.Folder, name string) (io.Closer, error) {
	return nil, &os.PathError{Op: "lock", Path: filepath.Join(in.Path(), name), Err: errors.ErrUnsupported}
}
