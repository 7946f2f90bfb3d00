// Package folder opens the files of a run relative to its folder and never through
// a link. Somebody who can write into the folder can then neither have a file elsewhere
// read or changed, nor make a program wait at a named pipe.
//
// A folder that is named by its path is opened as it is, links and all: whoever
// starts the program names it. What stands in it was perhaps put there by somebody
// else: it must be a regular file or a folder. A file that is changed in place must
// have no second name; one that is replaced may, since that leaves the other alone.
//
// New files can be read by their owner only, and so can new folders.
package folder

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/reweigh/reweigh/internal/failpoint"
)

// The permissions of what is made, before umask.
const (
	fileMode   fs.FileMode = 0o600
	folderMode fs.FileMode = 0o700
)

// ErrForeign is wrapped by the error of whatever finds something else than a regular
// file or a folder in its place, or a file that has a second name.
var ErrForeign = errors.New("this program does not write such a thing")

// Folder is an open folder.
type Folder struct {
	root *os.Root
	path string
}

// Open opens the folder at path.
func Open(path string) (*Folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Folder{root, path}, nil
}

// Make opens the folder at path, having made it, and those that it is in, if need be.
func Make(path string) (*Folder, error) {
	if err := os.MkdirAll(path, folderMode); err != nil {
		return nil, err
	}
	return Open(path)
}

// OpenIn opens the folder at path, whose last element may be no link.
func OpenIn(path string) (*Folder, error) { return in(path, Open, (*Folder).Sub) }

// MakeIn is OpenIn and makes the folder, and those that it is in, if need be.
func MakeIn(path string) (*Folder, error) { return in(path, Make, (*Folder).MakeSub) }

func in(path string, open func(string) (*Folder, error), sub func(*Folder, string) (*Folder, error)) (*Folder, error) {
	path = filepath.Clean(path)
	base := filepath.Base(path)
	if base == "." || base == ".." || base == string(filepath.Separator) || filepath.VolumeName(path) == path {
		return open(path)
	}
	parent, err := open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	return sub(parent, base)
}

// Path is what the folder was opened by.
func (f *Folder) Path() string { return f.path }

// Close closes the folder; files opened through it stay open.
func (f *Folder) Close() error { return f.root.Close() }

// Sub opens a folder in this one.
func (f *Folder) Sub(name string) (*Folder, error) {
	want, err := f.root.Lstat(name)
	if err != nil {
		return nil, f.at("open", name, err)
	}
	if !want.IsDir() {
		return nil, f.at("open", name, foreign(want.Mode(), "a folder"))
	}
	root, err := f.root.OpenRoot(name)
	if err != nil {
		return nil, f.at("open", name, err)
	}
	got, err := root.Stat(".")
	if err == nil && !os.SameFile(want, got) {
		err = errExchanged
	}
	if err != nil {
		root.Close()
		return nil, f.at("open", name, err)
	}
	return &Folder{root, filepath.Join(f.path, name)}, nil
}

// MakeSub is Sub and makes the folder if need be.
func (f *Folder) MakeSub(name string) (*Folder, error) {
	if err := f.root.Mkdir(name, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, f.at("make", name, err)
	}
	return f.Sub(name)
}

// Check reports a file or folder of that name that could not be used as what isDir
// says. One that is not there is no error.
func (f *Folder) Check(name string, isDir bool) error {
	info, err := f.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return f.at("open", name, err)
	case isDir && !info.IsDir():
		return f.at("open", name, foreign(info.Mode(), "a folder"))
	case !isDir && !info.Mode().IsRegular():
		return f.at("open", name, foreign(info.Mode(), "a file"))
	}
	return nil
}

// Read opens a file for reading.
func (f *Folder) Read(name string) (*os.File, error) { return f.open(name, os.O_RDONLY) }

// Update opens a file for reading and writing in place, which must be there.
func (f *Folder) Update(name string) (*os.File, error) {
	file, err := f.open(name, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && names(info) > 1 {
		err = fmt.Errorf("it has a second name elsewhere, under which it would be changed as well (remove it): %w",
			ErrForeign)
	}
	if err != nil {
		file.Close()
		return nil, f.at("open", name, err)
	}
	return file, nil
}

// UpdateOrCreate is Update and creates the file if need be.
func (f *Folder) UpdateOrCreate(name string) (*os.File, error) {
	for {
		file, err := f.Update(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
		file, err = f.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
		if errors.Is(err, fs.ErrExist) {
			continue // somebody was quicker
		}
		if err != nil {
			return nil, f.at("create", name, err)
		}
		return file, nil
	}
}

// tries is how often a file is looked at again that was replaced just then.
const tries = 10

func (f *Folder) open(name string, flag int) (*os.File, error) {
	for try := 1; ; try++ {
		want, err := f.root.Lstat(name)
		if err != nil {
			return nil, f.at("open", name, err)
		}
		if !want.Mode().IsRegular() {
			return nil, f.at("open", name, foreign(want.Mode(), "a file"))
		}
		file, err := f.root.OpenFile(name, flag|nonblock, 0)
		if err != nil {
			if try < tries && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return nil, f.at("open", name, err)
		}
		got, err := file.Stat()
		if err == nil && os.SameFile(want, got) {
			return file, nil
		}
		file.Close()
		if err == nil && try < tries {
			continue // replaced by its writer, perhaps
		}
		return nil, f.at("open", name, errors.Join(err, errExchanged))
	}
}

var errExchanged = fmt.Errorf("it was exchanged for another while it was opened: %w", ErrForeign)

// Replace puts a file in place as a whole. It calls write with a temporary file,
// flushes that to the disk if sync says so, and renames it: a reader, a crash or an
// error of any kind leaves either the old file untouched or the new one complete. A
// file that is replaced passes its permissions on.
//
// Temporary files that a killed process left are removed. Two processes must
// therefore not write one name at a time; goroutines may, and the last one wins.
func (f *Folder) Replace(name string, sync bool, write func(io.Writer) error) (err error) {
	mode := fileMode
	old, statErr := f.root.Lstat(name)
	switch {
	case statErr == nil && old.IsDir():
		return f.at("replace", name, foreign(old.Mode(), "a file"))
	case statErr == nil && old.Mode().IsRegular():
		mode = old.Mode().Perm()
	}
	stem := "." + name + ".tmp-"
	mine := fmt.Sprintf("%s%d-", stem, os.Getpid())
	tmp := mine + rand.Text()
	file, err := f.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return f.at("create", tmp, err)
	}
	placed := false
	defer func() { // also if write panics
		if !placed {
			file.Close() // a second Close does no harm
			f.root.Remove(tmp)
		}
	}()
	if mode != fileMode {
		if err := file.Chmod(mode); err != nil {
			return err
		}
	}
	failpoint.At("file.create")
	buf := bufio.NewWriterSize(file, 64<<10)
	if err := write(buf); err != nil {
		return err
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	if sync {
		if err := file.Sync(); err != nil {
			return err
		}
	}
	if err := file.Close(); err != nil {
		return err
	}
	failpoint.At("file.rename")
	if err := f.root.Rename(tmp, name); err != nil {
		return f.at("replace", name, err)
	}
	placed = true
	failpoint.At("file.renamed")
	if sync {
		f.Sync()
	}
	f.removeStrays(stem, mine)
	return nil
}

// Remove removes a file or an empty folder.
func (f *Folder) Remove(name string) error {
	if err := f.root.Remove(name); err != nil {
		return f.at("remove", name, err)
	}
	return nil
}

// Share lets everybody whom umask allows read what has that name.
func (f *Folder) Share(name string) error {
	info, err := f.root.Lstat(name)
	if err != nil {
		return f.at("share", name, err)
	}
	mode := sharedFile
	switch {
	case info.IsDir():
		mode = sharedFolder
	case !info.Mode().IsRegular():
		return f.at("share", name, foreign(info.Mode(), "a file"))
	}
	if info.Mode().Perm() == mode {
		return nil
	}
	if err := f.root.Chmod(name, mode); err != nil {
		return f.at("share", name, err)
	}
	return nil
}

// The permissions of what is shared.
const (
	sharedFile   fs.FileMode = 0o644
	sharedFolder fs.FileMode = 0o755
)

// Hide takes from everybody but the owner what they may do with the file or folder of
// that name. A file system that knows no permissions is left as it is.
func (f *Folder) Hide(name string) {
	info, err := f.root.Lstat(name)
	if err == nil && (info.IsDir() || info.Mode().IsRegular()) && info.Mode().Perm()&^folderMode != 0 {
		f.root.Chmod(name, info.Mode().Perm()&folderMode)
	}
}

// Writable reports why no file can be made in the folder. Nothing stays behind.
func (f *Folder) Writable() error {
	tmp := ".reweigh-" + rand.Text()
	file, err := f.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return f.at("write in", ".", err)
	}
	_, err = file.Write([]byte("room?"))
	if err := errors.Join(err, file.Close(), f.root.Remove(tmp)); err != nil {
		return f.at("write in", ".", err)
	}
	return nil
}

// Sync flushes the folder's list of names to the disk, so that a file just created or
// renamed in it survives a power cut. Some systems (Windows among them) cannot flush a
// folder and keep its names safe by themselves; there Sync does nothing.
func (f *Folder) Sync() {
	d, err := f.root.Open(".")
	if err != nil {
		return
	}
	d.Sync() // refused if unsupported; the file itself is already safe
	d.Close()
}

// removeStrays deletes what processes other than this one left of stem. It is
// housekeeping: a stray that stays does no harm.
func (f *Folder) removeStrays(stem, mine string) {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), stem) && !strings.HasPrefix(e.Name(), mine) {
			f.root.Remove(e.Name())
		}
	}
}

// at gives an error its place, and says what was being done.
func (f *Folder) at(op, name string, err error) error {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	return &fs.PathError{Op: op, Path: filepath.Join(f.path, name), Err: err}
}

// foreign says that something of that mode stands where want belongs.
func foreign(mode fs.FileMode, want string) error {
	is := "something else"
	switch t := mode.Type(); {
	case t&fs.ModeSymlink != 0:
		is = "a link"
	case mode.IsDir():
		is = "a folder"
	case t&fs.ModeNamedPipe != 0:
		is = "a named pipe"
	case t&fs.ModeSocket != 0:
		is = "a socket"
	case t&fs.ModeDevice != 0:
		is = "a device"
	case mode.IsRegular():
		is = "a file"
	}
	return fmt.Errorf("%s stands where %s belongs (remove it): %w", is, want, ErrForeign)
}
