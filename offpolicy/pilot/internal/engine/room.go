package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

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
	// The journal is a little more than half of what a run writes.
	if most, ok := fileBytes(); ok && float64(most) < bytesPerCallToken*tokens {
		return &record.Problem{
			What: fmt.Sprintf("a file may have at most %.3g MB here, and the run's may need %.3g MB", float64(most)/1e6,
				bytesPerCallToken*tokens/1e6),
			Remedy: record.Remedy{Do: "raise that limit, as the shell's ulimit does"},
		}
	}
	return nil
}

// ownFiles is how many files a run opens beside its connections: what every process
// has, the journal, and outputs while they are written.
const ownFiles = 24

// CheckFiles reports, as a [*record.Problem], a limit of open files that leaves no room for
// the connections of a run. perCall is how many connections a call in flight takes.
func CheckFiles(concurrency, perCall int) error {
	most, ok := openFiles()
	if need := ownFiles + concurrency*perCall; ok && most < uint64(need) {
		p := &record.Problem{
			What:   fmt.Sprintf("this process may open %d files and connections, and the run may take %d", most, need),
			Remedy: record.Remedy{Do: fmt.Sprintf("raise that limit to %d, as the shell's ulimit does", need)},
		}
		if fits := (int(most) - ownFiles) / perCall; fits > 0 {
			p.Remedy.Do += ", or allow fewer calls in flight"
			p.Remedy.Changes = []record.Change{{Field: record.FieldConcurrency, To: strconv.Itoa(fits)}}
		}
		return p
	}
	return nil
}
