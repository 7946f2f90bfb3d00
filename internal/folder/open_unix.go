//go:build unix

package folder

import (
	"io/fs"
	"syscall"
)

// nonblock keeps a named pipe that takes a file's place from holding its opener up.
const nonblock = syscall.O_NONBLOCK

// names is how many names a file has.
func names(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Nlink)
	}
	return 1
}
