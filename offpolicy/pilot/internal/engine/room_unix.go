//go:build linux || darwin

package engine

import "syscall"

// freeBytes is the room that dir's disk has for this user.
func freeBytes(dir string) (uint64, bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return st.Bavail * uint64(st.Bsize), true
}

// openFiles is how many files this process may have open, connections among them.
func openFiles() (uint64, bool) { return limit(syscall.RLIMIT_NOFILE) }

// fileBytes is how large a file may become that this process writes.
func fileBytes() (uint64, bool) { return limit(syscall.RLIMIT_FSIZE) }

func limit(of int) (uint64, bool) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(of, &l); err != nil {
		return 0, false
	}
	return l.Cur, true
}
