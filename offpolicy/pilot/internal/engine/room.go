package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// bytesPerCallToken is what a run leaves on disk, journal and outputs, for each
// token that its calls are expected to take: 16 were seen, and this leaves room.
const bytesPerCallToken = 24

// checkRoom reports a folder that cannot be written, or whose disk has no room for
// a new run whose calls take so many tokens. Nothing stays behind.
func checkRoom(dir string, tokens float64) *record.Problem {
	at := dir
	for {
		info, err := os.Stat(at)
		if err == nil && info.IsDir() {
			break
		}
		if err == nil || filepath.Dir(at) == at {
			return folderProblem(dir, fmt.Errorf("%s is not a folder", at))
		}
		if !errors.Is(err, os.ErrNotExist) {
			return folderProblem(dir, err)
		}
		at = filepath.Dir(at)
	}
	f, err := os.CreateTemp(at, ".reweigh-*")
	if err != nil {
		return folderProblem(dir, err)
	}
	_, err = f.Write([]byte("room?"))
	if err := errors.Join(err, f.Close(), os.Remove(f.Name())); err != nil {
		return folderProblem(dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, journalDir)); err == nil {
		return nil // it holds a run already, which lacks a part of its records only
	}
	if free, ok := freeBytes(at); ok && float64(free) < bytesPerCallToken*tokens {
		return &record.Problem{
			What: fmt.Sprintf("the disk of %s has %.3g MB left, and the run takes about %.3g MB", dir, float64(free)/1e6,
				bytesPerCallToken*tokens/1e6),
			Remedy: record.Do("make room, or give a folder on another disk", record.FieldDir),
		}
	}
	return nil
}
