package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stratos-mesh/stratos/sds"
)

// files knows where things are in the folder of a store:
//
//	version               the format of this folder
//	index/                the Pebble database
//	tmp/                  files that are being written
//	pinned/ab/bafk…       pinned blocks, ab being the first byte of the hash
//	cached/ab/bafk…       cached blocks
//	quarantine/bafk…      blocks that were found corrupt
type files struct {
	fs  vfs.FS
	dir string
}

// writeCategory is what Pebble's file systems count our writes under.
const writeCategory vfs.DiskWriteCategory = "stratos-blocks"

const (
	formatName    = "version"
	formatText    = "stratos disk store 1\n"
	indexName     = "index"
	tempName      = "tmp"
	quarantineDir = "quarantine"
)

func className(class sds.Class) string {
	if class == sds.Pinned {
		return "pinned"
	}
	return "cached"
}

func (f files) at(elem ...string) string {
	return path.Join(append([]string{f.dir}, elem...)...)
}

func (f files) temp(number uint64) string { return f.at(tempName, strconv.FormatUint(number, 10)) }

func (f files) shard(class sds.Class, first byte) string {
	return f.at(className(class), fmt.Sprintf("%02x", first))
}

func (f files) block(class sds.Class, cid sds.CID) string {
	return f.shard(class, cid.Digest[0]) + "/" + cid.String()
}

func (f files) quarantined(cid sds.CID) string { return f.at(quarantineDir, cid.String()) }

// make lays the folders out, or refuses those of another format.
func (f files) make() error {
	text, err := f.read(f.at(formatName), 1024)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case string(text) != formatText:
		return fmt.Errorf("file %s says %.80q: %w: want %q", formatName, text, sds.ErrMalformed, formatText)
	default:
		return nil
	}
	dirs := []string{f.dir, f.at(indexName), f.at(tempName), f.at(quarantineDir)}
	for _, class := range []sds.Class{sds.Pinned, sds.Cached} {
		dirs = append(dirs, f.at(className(class)))
		for first := range 256 {
			dirs = append(dirs, f.shard(class, byte(first)))
		}
	}
	for _, dir := range dirs {
		if err := f.fs.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for _, dir := range []string{f.at("pinned"), f.at("cached"), f.dir, path.Dir(path.Clean(f.dir))} {
		if err := f.syncDir(dir); err != nil {
			return err
		}
	}
	// The format is written last: a crash before it begins anew.
	file, err := f.write(f.at(tempName, formatName), []byte(formatText))
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := f.fs.Rename(f.at(tempName, formatName), f.at(formatName)); err != nil {
		return err
	}
	return f.syncDir(f.dir)
}

// write makes a file and leaves it open, so that it can be synced.
func (f files) write(name string, b []byte) (vfs.File, error) {
	file, err := f.fs.Create(name, writeCategory)
	if err != nil {
		return nil, err
	}
	if _, err := file.Write(b); err != nil {
		return nil, errors.Join(err, file.Close(), f.fs.Remove(name))
	}
	return file, nil
}

// read returns at most limit bytes of a file.
func (f files) read(name string, limit int64) ([]byte, error) {
	file, err := f.fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b := make([]byte, limit)
	n, err := io.ReadFull(file, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b[:n], nil
}

// remove deletes a file; that it is not there is fine.
func (f files) remove(name string) error {
	if err := f.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// size returns -1 for a file that is not there.
func (f files) size(name string) (int64, error) {
	info, err := f.fs.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f files) syncDir(name string) error {
	dir, err := f.fs.OpenDir(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (f files) syncFile(name string) error {
	file, err := f.fs.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
