package pilot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// bytesPerCallToken is what a run leaves on disk, journal and outputs, for each
// token that its calls are expected to take: 16 were seen, and this leaves room.
const bytesPerCallToken = 24

// checkRoom reports a folder that cannot be written, or whose disk has no room for
// a new run of that estimate. Nothing stays behind.
func checkRoom(dir string, e Estimate) *Problem {
	at := dir
	for {
		info, err := os.Stat(at)
		if err == nil && info.IsDir() {
			break
		}
		if err == nil || filepath.Dir(at) == at {
			p := folderProblem(dir, fmt.Errorf("%s is not a folder", at))
			return &p
		}
		if !errors.Is(err, os.ErrNotExist) {
			p := folderProblem(dir, err)
			return &p
		}
		at = filepath.Dir(at)
	}
	f, err := os.CreateTemp(at, ".reweigh-*")
	if err != nil {
		p := folderProblem(dir, err)
		return &p
	}
	_, err = f.Write([]byte("room?"))
	if err := errors.Join(err, f.Close(), os.Remove(f.Name())); err != nil {
		p := folderProblem(dir, err)
		return &p
	}
	if _, err := os.Stat(filepath.Join(dir, journalDir)); err == nil {
		return nil // it holds a run already, which lacks a part of its records only
	}
	tokens := 0.0
	for _, s := range e.Stages {
		tokens += s.PromptTokens + s.CompletionTokens
	}
	if free, ok := freeBytes(at); ok && float64(free) < bytesPerCallToken*tokens {
		return &Problem{
			What:   fmt.Sprintf("the disk of %s has %.3g MB left, and the run takes about %.3g MB", dir, float64(free)/1e6, bytesPerCallToken*tokens/1e6),
			Remedy: "make room, or give an -out on another disk",
		}
	}
	return nil
}
