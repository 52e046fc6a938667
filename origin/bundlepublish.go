package origin

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/pipeline"
	"github.com/stratos-mesh/stratos/sds"
)

// publish moves the name to all files and folders of the bundle.
func (b *bundle) publish(ctx context.Context) (*Result, error) {
	if b.info.HLS && b.result() == nil {
		if err := b.digestPlaylists(ctx); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	files, dirs := maps.Clone(b.files), slices.Sorted(maps.Keys(b.dirs))
	b.mu.Unlock()
	return b.publishAs(ctx, files, dirs)
}

// publishOnly moves the name to these files alone.
func (b *bundle) publishOnly(ctx context.Context, paths []string) (*Result, error) {
	files := map[string]bundleFile{}
	b.mu.Lock()
	for _, path := range paths {
		if f, ok := b.files[path]; ok {
			files[path] = f
		}
	}
	b.mu.Unlock()
	if len(files) != len(paths) {
		return nil, fmt.Errorf("bundle %s: %d of %d files are here: %w", b.id, len(files), len(paths), sds.ErrNotFound)
	}
	return b.publishAs(ctx, files, nil)
}

// publishAs builds the directory and the manifest and moves the name. Doing it
// again returns the same result.
func (b *bundle) publishAs(ctx context.Context, files map[string]bundleFile, dirs []string) (*Result, error) {
	unlock, err := b.publishing.lock(ctx, "")
	if err != nil {
		return nil, err
	}
	defer unlock()
	if done := b.result(); done != nil {
		return done, nil
	}
	session, err := b.session(ctx)
	if err != nil {
		return nil, err
	}
	name := b.info.Name
	batch := session.Batch(ctx, pipeline.Tally{})
	defer batch.Close()
	manifest, cid, tally, err := lay(ctx, files, dirs, batch)
	if err != nil {
		return nil, err
	}
	var size int64
	for _, f := range files {
		size += f.Size
	}
	u := b.upload()
	unlockName, err := b.origin.names.lock(ctx, string(name))
	if err != nil {
		return nil, err
	}
	defer unlockName()
	fill := func(ctx context.Context) ([]meta.EdgeID, error) {
		return b.fill(ctx, session, files, tally, manifest.Root, cid)
	}
	p := meta.Publication{
		Name: name, Kind: meta.Bundle, Root: manifest.Root, Manifest: cid,
		Size: size, Objects: int64(len(files)), Replicas: u.Replicas, Upload: u.ID,
	}
	record, err := b.origin.publish(ctx, b.info.Key, &p, session, fill)
	if err != nil {
		return nil, err
	}
	result := b.origin.result(ctx, record)
	result.Durable = p.Durable
	return result, b.settle(result)
}

// lay brings the directory tree of files and its manifest to the edges, with
// what else is in the batch.
func lay(ctx context.Context, files map[string]bundleFile, dirs []string, batch *pipeline.Batch) (*sds.Manifest, sds.CID, pipeline.Tally, error) {
	manifest, err := build(ctx, files, dirs, batch.Sink)
	if err != nil {
		return nil, sds.CID{}, pipeline.Tally{}, err
	}
	cid, err := manifest.Encode(ctx, batch.Sink)
	if err != nil {
		return nil, sds.CID{}, pipeline.Tally{}, err
	}
	tally, err := batch.Wait()
	return manifest, cid, tally, err
}

// build makes the directory tree of what was uploaded.
func build(ctx context.Context, files map[string]bundleFile, dirs []string, sink sds.Sink) (*sds.Manifest, error) {
	folder := sds.NewFolder()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		f := files[path]
		object, err := f.object()
		if err != nil {
			return nil, err
		}
		if err := folder.Add(object); err != nil {
			return nil, err
		}
	}
	for _, path := range dirs {
		if err := folder.AddDir(path); err != nil {
			return nil, err
		}
	}
	return folder.Build(ctx, sink)
}

// fill brings to every edge of the grant what it lacks, file by file, until all
// edges have all; an edge that is replaced meanwhile starts it over.
func (b *bundle) fill(ctx context.Context, session *pipeline.Session, files map[string]bundleFile, tally pipeline.Tally, root, manifest sds.CID) ([]meta.EdgeID, error) {
	for {
		version := session.Version()
		for _, f := range files {
			if _, err := session.Fill(ctx, f.Tally, f.CID); err != nil {
				return nil, err
			}
		}
		// The directory's own blocks hang above the files: where an edge lacks one,
		// the walk from the root looks at all of them again.
		durable, err := session.Fill(ctx, tally, root, manifest)
		if err != nil || session.Version() == version {
			return durable, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// settle keeps the result, and lets go of what is no longer needed.
func (b *bundle) settle(result *Result) error {
	b.mu.Lock()
	info := b.info
	info.Result = result
	b.mu.Unlock()
	if err := info.save(b.folder); err != nil {
		return err
	}
	b.mu.Lock()
	b.info.Result, b.used, b.way = result, b.origin.config().Now(), nil
	b.room.release() // the ledger has it now
	b.mu.Unlock()
	if b.info.Asset != "" {
		return nil // it was never counted
	}
	s := b.origin.bundles
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened(b.info.Key, -1)
	return nil
}
