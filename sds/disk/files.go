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
//	lock                  held by the process that has the store open
//	index/                the Pebble database
//	index.damaged         the index has a bad block and shall be made anew
//	tmp/                  files that are being written
//	pinned/ab/bafk…       pinned blocks, ab being the first byte of the hash
//	cached/ab/bafk…       cached blocks
//	quarantine/bafk…      blocks that were found corrupt
type files struct {
	fs     vfs.FS
	dir    string
	shards *[2][256]bool // the folders of blocks that are known to be there, by class
}

// writeCategory is what Pebble's file systems count our writes under.
const writeCategory vfs.DiskWriteCategory = "stratos-blocks"

const (
	formatName    = "version"
	formatText    = "stratos disk store 1\n"
	indexName     = "index"
	damagedName   = "index.damaged"
	lockName      = "lock"
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
	for _, dir := range []string{
		f.dir, f.at(indexName), f.at(tempName), f.at(quarantineDir),
		f.at(className(sds.Pinned)), f.at(className(sds.Cached)),
	} {
		if err := f.fs.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := errors.Join(f.syncDir(f.dir), f.syncDir(path.Dir(path.Clean(f.dir)))); err != nil {
		return err
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

// rename gives a file its name in a folder of blocks, which is made when this is
// the first there. Only the committer calls it, and Open before there is one.
func (f files) rename(from string, class sds.Class, cid sds.CID) error {
	first := cid.Digest[0]
	if !f.shards[class][first] {
		if err := f.fs.MkdirAll(f.shard(class, first), 0o755); err != nil {
			return err
		}
		if err := f.syncDir(f.at(className(class))); err != nil {
			return err
		}
		f.shards[class][first] = true
	}
	return f.fs.Rename(from, f.block(class, cid))
}

// knowShards notes which folders of blocks are there, and makes sure of them: a
// crash may have come between making and syncing one.
func (f files) knowShards() error {
	for _, class := range []sds.Class{sds.Cached, sds.Pinned} {
		names, err := f.fs.List(f.at(className(class)))
		if err != nil {
			return err
		}
		if err := f.syncDir(f.at(className(class))); err != nil {
			return err
		}
		for _, name := range names {
			if first, err := strconv.ParseUint(name, 16, 8); err == nil && len(name) == 2 {
				f.shards[class][first] = true
			}
		}
	}
	return nil
}

// list names what is in a folder; nothing when there is no such folder.
func (f files) list(dir string) ([]string, error) {
	names, err := f.fs.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return names, err
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
