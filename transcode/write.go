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
func writeWhole(path string, b []byte) error { return writeAs(path, b, os.Rename) }

// writeSame writes a file that every piece writes alike, whoever comes first.
func writeSame(path string, b []byte) error {
	err := writeAs(path, b, func(from, to string) error { return errors.Join(os.Link(from, to), os.Remove(from)) })
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	have, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("transcode: read %s: %w", filepath.Base(path), err)
	}
	if !bytes.Equal(have, b) {
		return fmt.Errorf("transcode: %s differs from that of another piece: %w", path, ErrSeam)
	}
	return nil
}

// writeAs writes aside and lets name give the file its name.
func writeAs(path string, b []byte, name func(from, to string) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("transcode: make a folder of the tree: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return fmt.Errorf("transcode: write %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = name(f.Name(), path)
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("transcode: write %s: %w", filepath.Base(path), err)
	if gone := os.Remove(f.Name()); gone != nil && !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}
