//go:build unix

package edge

import "golang.org/x/sys/unix"

// diskFree is how many bytes a folder's file system has left for us.
func diskFree(dir string) (int64, bool) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, false
	}
	return int64(fs.Bavail) * int64(fs.Bsize), true
}
