//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package journal

import (
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/reweigh/reweigh/internal/folder"
)

// lockFile takes an exclusive lock on a file of the folder. It belongs to the open
// file, so the system drops it when the process ends, in whatever way.
func lockFile(in *folder.Folder, name string) (io.Closer, error) {
	f, err := in.UpdateOrCreate(name)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			break
		}
	}
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, ErrLocked
	}
	return nil, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
}
