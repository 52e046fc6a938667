//go:build unix

package geo

import (
	"io/fs"
	"syscall"
)

// inodeOf tells a file renamed into place from the one before, even when both
// have the same size and time.
func inodeOf(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Ino)
	}
	return 0
}
