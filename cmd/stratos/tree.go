package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stratos-mesh/stratos/sds"
)

// localFile is a file below a folder that is published or named.
type localFile struct {
	// path inside the bundle, with slashes.
	path string
	// disk is where its bytes are.
	disk string
	size int64
}

// localTree is a folder as it will be published: regular files and the folders
// that hold none. Modes and times are not part of it, and no symlink is
// followed.
type localTree struct {
	files []localFile
	empty []string
	bytes int64
	// skipped are symlinks, sockets and devices.
	skipped []string
}

func readTree(dir string) (*localTree, error) {
	t := new(localTree)
	children := map[string]int{}
	var folders []string
	err := filepath.WalkDir(dir, func(disk string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, disk)
		if err != nil || rel == "." {
			return err
		}
		path, err := sds.CleanPath(filepath.ToSlash(rel))
		if err != nil {
			return fmt.Errorf("%s cannot be published: %w", disk, err)
		}
		switch {
		case entry.IsDir():
			folders = append(folders, path)
		case !entry.Type().IsRegular():
			t.skipped = append(t.skipped, path)
			return nil
		default:
			info, err := entry.Info()
			if err != nil {
				return err
			}
			t.files = append(t.files, localFile{path: path, disk: disk, size: info.Size()})
			t.bytes += info.Size()
		}
		children[parent(path)]++
		return nil
	})
	for _, f := range folders {
		if children[f] == 0 {
			t.empty = append(t.empty, f)
		}
	}
	return t, err
}

func parent(path string) string { return filepath.ToSlash(filepath.Dir(path)) }

// rootOfFile computes the root of a file without a network.
func rootOfFile(ctx context.Context, disk string, progress func(int)) (sds.Built, error) {
	f, err := os.Open(disk)
	if err != nil {
		return sds.Built{}, err
	}
	defer f.Close()
	return sds.Import(ctx, &countingReader{r: f, count: progress}, discard)
}

// rootOfTree computes the root of a folder without a network.
func rootOfTree(ctx context.Context, t *localTree, progress func(int)) (*sds.Manifest, error) {
	folder := sds.NewFolder()
	for _, d := range t.empty {
		if err := folder.AddDir(d); err != nil {
			return nil, err
		}
	}
	for _, f := range t.files {
		built, err := rootOfFile(ctx, f.disk, progress)
		if err != nil {
			return nil, err
		}
		if err := folder.Add(sds.Object{
			Path: f.path, CID: built.Root, Size: built.Size, SHA256: built.SHA256, Type: sds.MediaType(f.path), First: built.First,
		}); err != nil {
			return nil, err
		}
	}
	return folder.Build(ctx, discard)
}

func discard(context.Context, sds.CID, []byte) error { return nil }
