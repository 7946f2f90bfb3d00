package journal

import (
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/reweigh/reweigh/internal/folder"
)

// lockFile opens a file of the folder and shares it with nobody. Windows closes it
// when the process ends, in whatever way.
func lockFile(in *folder.Folder, file string) (io.Closer, error) {
	if err := in.Check(file, false); err != nil {
		return nil, err
	}
	path := filepath.Join(in.Path(), file)
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	const sharingViolation = syscall.Errno(32)
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	switch err {
	case nil:
		return os.NewFile(uintptr(h), path), nil
	case sharingViolation:
		return nil, ErrLocked
	}
	return nil, &os.PathError{Op: "lock", Path: path, Err: err}
}
