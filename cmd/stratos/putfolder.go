package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/stratos-mesh/stratos/origin"
	"github.com/stratos-mesh/stratos/sds"
)

// parallelFiles of a folder are on their way at once.
const parallelFiles = 16

// putFolder publishes a folder as one bundle. Files that an earlier, interrupted
// run brought there are compared by their digest and skipped.
func (c *cli) putFolder(ctx context.Context, t *target, disk, name string, ladder bool) (*origin.Result, error) {
	tree, err := readTree(disk)
	if err != nil {
		return nil, err
	}
	if len(tree.files)+len(tree.empty) == 0 {
		return nil, usage("%s holds nothing to publish", disk)
	}
	c.noteSkipped(tree)
	base, id, there, err := openBundle(ctx, t, name, tree, ladder)
	if err != nil {
		return nil, err
	}
	p := c.progress("upload", tree.bytes)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallelFiles)
	for _, f := range tree.files {
		group.Go(func() error { return c.putBundled(groupCtx, t, base, f, id, there[f.path], p) })
	}
	for _, d := range tree.empty {
		group.Go(func() error {
			return t.callJSON(groupCtx, http.MethodPut, base+"/dirs/"+escape(d), nil, nil, nil)
		})
	}
	err = group.Wait()
	p.done()
	if err != nil {
		return nil, err
	}
	var r origin.Result
	return &r, t.callJSON(ctx, http.MethodPost, base+"/publish", nil, nil, &r)
}

// openBundle takes up the bundle that an interrupted run left for this name, or
// makes one, and tells which files are there already, as size and digest. One
// with files that the folder no longer has is thrown away: they must not be
// published.
func openBundle(ctx context.Context, t *target, name string, tree *localTree, ladder bool) (base, id string, there map[string]string, err error) {
	for resume := true; ; resume = false {
		ask := map[string]any{"name": name, "resume": resume}
		if ladder {
			ask["hls"] = true
		}
		body, err := json.Marshal(ask)
		if err != nil {
			return "", "", nil, err
		}
		var bundle struct{ ID string }
		if err := t.callJSON(ctx, http.MethodPost, t.origin+"/v1/bundles", bytes.NewReader(body), http.Header{"Content-Type": {"application/json"}}, &bundle); err != nil {
			return "", "", nil, err
		}
		base = t.origin + "/v1/bundles/" + bundle.ID
		there, err = bundledFiles(ctx, t, base)
		if err != nil {
			return "", "", nil, err
		}
		if within(there, tree) {
			return base, bundle.ID, there, nil
		}
		if err := t.callJSON(ctx, http.MethodDelete, base, nil, nil, nil); err != nil {
			return "", "", nil, err
		}
	}
}

// within tells whether the folder has all that the bundle has; folders are named
// with a slash at their end.
func within(there map[string]string, tree *localTree) bool {
	have := map[string]bool{}
	for _, f := range tree.files {
		have[f.path] = true
	}
	for _, d := range tree.empty {
		have[d+"/"] = true
	}
	for path := range there {
		if !have[path] {
			return false
		}
	}
	return true
}

func bundledFiles(ctx context.Context, t *target, base string) (map[string]string, error) {
	there := map[string]string{}
	for cursor := ""; ; {
		var page struct {
			Files []struct {
				Path   string `json:"path"`
				Size   int64  `json:"size"`
				SHA256 string `json:"sha256"`
			} `json:"files"`
			Dirs []string `json:"dirs"`
			Next string   `json:"next"`
		}
		if err := t.callJSON(ctx, http.MethodGet, base+"?limit=10000&cursor="+url.QueryEscape(cursor), nil, nil, &page); err != nil {
			return nil, err
		}
		for _, f := range page.Files {
			there[f.Path] = strconv.FormatInt(f.Size, 10) + " " + f.SHA256
		}
		for _, d := range page.Dirs {
			there[d+"/"] = ""
		}
		if cursor = page.Next; cursor == "" {
			return there, nil
		}
	}
}

// putBundled sends one file of a bundle, unless it is there already.
func (c *cli) putBundled(ctx context.Context, t *target, base string, f localFile, id, there string, p progress) error {
	if there != "" {
		built, err := rootOfFile(ctx, f.disk, func(int) {})
		if err != nil {
			return err
		}
		if there == strconv.FormatInt(built.Size, 10)+" "+hex.EncodeToString(built.SHA256[:]) {
			p.add(int(f.size))
			return nil
		}
	}
	if f.size > smallFile {
		u := &tusUpload{c: c, t: t, disk: f.disk, progress: p, metadata: map[string]string{
			"bundle": id, "path": f.path, "filetype": sds.MediaType(f.path),
		}}
		_, err := u.send(ctx)
		return err
	}
	file, err := os.Open(f.disk)
	if err != nil {
		return err
	}
	defer file.Close()
	err = t.callJSON(ctx, http.MethodPut, base+"/files/"+escape(f.path), io.NewSectionReader(file, 0, f.size), http.Header{
		"Content-Type": {sds.MediaType(f.path)}, "Content-Length": {strconv.FormatInt(f.size, 10)},
	}, nil)
	if err == nil {
		p.add(int(f.size))
	}
	return err
}
