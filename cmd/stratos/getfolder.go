package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/stratos-mesh/stratos/sds"
)

// partsDir is where files grow, in the folder that they are for.
const partsDir = ".stratos-part"

// folder is where a download goes. Nothing is written outside of it, whatever
// the names and whatever lies there already: os.Root sees to that, and symlinks
// in the way are refused besides.
type folder struct {
	root *os.Root
	// ours alone: parts of an earlier version are of no use.
	whole bool
}

func openFolder(dir string, p *plan) (*folder, error) {
	for _, name := range append(paths(p.files), p.dirs...) {
		first, _, _ := strings.Cut(name, "/")
		if !filepath.IsLocal(filepath.FromSlash(name)) || name == "." || first == partsDir {
			return nil, fail(exitRefused, "", fmt.Errorf("%q cannot be written below %s", name, dir))
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fail(exitRefused, "give another place with -o", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fail(exitRefused, "give another place with -o", err)
	}
	f := &folder{root: root, whole: p.folder}
	if err := f.mkdir(partsDir); err != nil {
		root.Close()
		return nil, err
	}
	return f, nil
}

func paths(files []wanted) []string {
	out := make([]string, len(files))
	for i := range files {
		out[i] = files[i].path
	}
	return out
}

func (f *folder) close() {
	f.root.Remove(partsDir) // stays while there is something to go on with
	f.root.Close()
}

// finish makes the empty folders and clears up.
func (f *folder) finish(empty []string) error {
	for _, dir := range empty {
		if err := f.mkdir(dir); err != nil {
			return err
		}
	}
	if f.whole {
		return f.root.RemoveAll(partsDir)
	}
	return nil
}

// mkdir makes a folder and those above it. What is in the way, a symlink to a
// folder too, is refused.
func (f *folder) mkdir(dir string) error {
	if dir == "." {
		return nil
	}
	if err := f.mkdir(path.Dir(dir)); err != nil {
		return err
	}
	err := f.root.Mkdir(dir, 0o777)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return fail(exitRefused, "is there room and leave to write?", err)
	}
	info, err := f.root.Lstat(dir)
	if err != nil {
		return fail(exitRefused, "", err)
	}
	if !info.IsDir() {
		return inTheWay(f, dir, info)
	}
	return nil
}

func inTheWay(f *folder, name string, info fs.FileInfo) error {
	what := "a file"
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		what = "a symlink"
	case info.IsDir():
		what = "a folder"
	case !info.Mode().IsRegular():
		what = "a special file"
	}
	return fail(exitRefused, "move it away or give another place with -o", fmt.Errorf("%s in %s is in the way: it is %s", name, f.root.Name(), what))
}

// has tells whether the file is there already, byte for byte.
func (f *folder) has(ctx context.Context, w *wanted, spans []sds.Span) (same bool, size int64, err error) {
	if err := f.mkdir(path.Dir(w.path)); err != nil {
		return false, 0, err
	}
	info, err := f.root.Lstat(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, 0, nil
	}
	if err != nil {
		return false, 0, fail(exitRefused, "", err)
	}
	if !info.Mode().IsRegular() {
		return false, 0, inTheWay(f, w.path, info)
	}
	file, err := f.root.Open(w.path)
	if err != nil {
		return false, 0, nil // what cannot be read is replaced
	}
	defer file.Close()
	n, size, err := matching(ctx, file, spans, w.cid.Codec == sds.Raw)
	return n == len(spans) && size == info.Size(), size, err
}

// matching counts the slices at the beginning of a file that are what they
// should be, and their bytes.
func matching(ctx context.Context, r io.Reader, spans []sds.Span, single bool) (n int, size int64, err error) {
	buffer := make([]byte, sds.MaxBlockSize)
	for i := range spans {
		if err := ctx.Err(); err != nil {
			return n, size, err
		}
		block, err := readSlice(r, buffer, spans[i], single)
		if err != nil {
			break // from here on it is fetched
		}
		n, size = n+1, size+int64(len(block))
	}
	return n, size, nil
}

// part is a file that grows: only checked slices, one after the other.
type part struct {
	folder *folder
	file   *os.File
	name   string
	target string
	spans  int // slices that are there from an earlier run
	size   int64
	done   bool
}

func (f *folder) part(ctx context.Context, w *wanted, spans []sds.Span) (*part, error) {
	name := fmt.Sprintf("%s/%.16x", partsDir, sha256.Sum256([]byte(w.path+"\x00"+w.cid.String())))
	file, err := f.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fail(exitRefused, "is there room and leave to write?", err)
	}
	p := &part{folder: f, file: file, name: name, target: w.path}
	p.spans, p.size, err = matching(ctx, file, spans, w.cid.Codec == sds.Raw)
	if err == nil {
		err = file.Truncate(p.size)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *part) slice(at int64, block []byte) error {
	n, err := p.file.WriteAt(block, at)
	p.size = max(p.size, at+int64(n))
	return err
}

// publish gives the part its name.
func (p *part) publish() error {
	if err := p.file.Close(); err != nil {
		return fail(exitRefused, "is there room?", err)
	}
	p.done = true
	if err := p.folder.root.Rename(p.name, p.target); err != nil {
		return fail(exitRefused, "move away what is there", err)
	}
	return nil
}

// close keeps the part for another run, if there is something in it.
func (p *part) close() {
	if p.done {
		return
	}
	p.file.Close()
	if p.size == 0 {
		p.folder.root.Remove(p.name)
	}
}
