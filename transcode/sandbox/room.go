package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
)

// newRoom makes the private folder of one run. Confined, it is an empty folder
// to build on; otherwise it holds the input as a hard link.
func newRoom(input string, confined bool) (string, func(), error) {
	dir, err := os.MkdirTemp("", "stratos-room-")
	if err != nil {
		return "", nil, fmt.Errorf("sandbox: make a room: %w", err)
	}
	clean := func() { os.RemoveAll(dir) }
	if confined || input == "" {
		return dir, clean, nil
	}
	// A hard link needs one file system: beside the input, then.
	clean()
	dir, err = os.MkdirTemp(filepath.Dir(input), ".room-")
	if err != nil {
		return "", nil, fmt.Errorf("sandbox: make a room beside the input: %w", err)
	}
	clean = func() { os.RemoveAll(dir) }
	if err := os.Mkdir(filepath.Join(dir, "in"), 0o700); err != nil {
		clean()
		return "", nil, fmt.Errorf("sandbox: make a room: %w", err)
	}
	if err := os.Link(input, filepath.Join(dir, Input)); err != nil {
		clean()
		return "", nil, fmt.Errorf("sandbox: link the input: %w", err)
	}
	return dir, clean, nil
}
