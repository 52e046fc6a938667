package disk

import (
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// dropCached asks the system to forget its copy of a file in memory: the next
// read comes from the disk, and a scrub does not push out what is in use.
func dropCached(file vfs.File) {
	if fd := file.Fd(); fd != vfs.InvalidFd {
		_ = unix.Fadvise(int(fd), 0, 0, unix.FADV_DONTNEED) // a hint; refused is as good
	}
}
