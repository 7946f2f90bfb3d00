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
