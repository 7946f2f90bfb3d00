//go:build !linux && !darwin

package engine

// freeBytes is not known here: a disk that fills ends the run, which goes on once
// there is room.
func freeBytes(string) (uint64, bool) { return 0, false }

// openFiles and fileBytes have no limit that is known here.
func openFiles() (uint64, bool) { return 0, false }
func fileBytes() (uint64, bool) { return 0, false }
