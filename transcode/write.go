package transcode

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// writeWhole gives a file its name when all of it is there. A crash of the
// machine may still leave a name without bytes, which Assemble finds.
func writeWhole(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("transcode: make a folder of the tree: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return fmt.Errorf("transcode: write %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("transcode: write %s: %w", filepath.Base(path), err), os.Remove(f.Name()))
	}
	return nil
}

// writeSame writes a file that every piece writes alike.
func writeSame(path string, b []byte) error {
	have, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return writeWhole(path, b)
	case err != nil:
		return fmt.Errorf("transcode: read %s: %w", filepath.Base(path), err)
	case !bytes.Equal(have, b):
		return fmt.Errorf("transcode: %s differs from that of another piece: %w", path, ErrSeam)
	}
	return nil
}
