package origin

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/stratos-mesh/stratos/internal/hls"
	"github.com/stratos-mesh/stratos/transcode"
)

// finish writes the playlists, and moves the name to the finished tree.
func (a *asset) finish(ctx context.Context, b *bundle, j *job, g *growth) error {
	if err := a.change(func(i *assetInfo) { i.State = assetPublishing }); err != nil {
		return err
	}
	box, err := a.origin.assets.sandbox(ctx)
	if err != nil {
		return err
	}
	tree, err := a.origin.config().Video.Assemble(ctx, box, j.plan, a.tree())
	if misfit(err) {
		return a.redo(j, err)
	}
	if err != nil {
		return fmt.Errorf("assemble: %w", err)
	}
	a.recount()
	sequence, err := g.settle()
	if err != nil {
		return err
	}
	if sequence > 0 {
		if err := a.signGrown(ctx, tree, sequence); err != nil {
			return err
		}
	}
	var result *Result
	err = a.patiently(ctx, func() (err error) {
		result, err = a.publish(ctx, b, tree)
		return err
	})
	if err != nil {
		return err
	}
	if result == nil {
		return a.change(func(i *assetInfo) { i.State = assetReplaced })
	}
	if err := a.change(func(i *assetInfo) { i.State, i.Result = assetReady, result }); err != nil {
		return err
	}
	a.origin.counters.VideosReady.Add(1)
	a.replaceOlder()
	return nil
}

// redo takes tasks back whose results are missing or do not fit together.
// Segments that viewers were shown stay as they are.
func (a *asset) redo(j *job, cause error) error {
	info := a.state()
	if info.Redone >= maxResets {
		return &exhausted{cause.Error()}
	}
	a.origin.config().Logger.Warn("results do not fit; their tasks begin again", "asset", a.id, "error", cause)
	if err := a.change(func(i *assetInfo) { i.Redone++; i.State = assetEncoding }); err != nil {
		return err
	}
	shown := func(rendition string) bool { return slices.Contains(info.Grown, rendition) }
	if err := j.reset(false, func(rendition string) bool { return !shown(rendition) }); err != nil {
		return err
	}
	if err := j.reset(true, shown); err != nil {
		return err
	}
	if b := a.origin.bundles.get(info.Bundle); b != nil && len(info.Grown) == 0 {
		_ = a.origin.bundles.remove(b) // it holds what was just removed
	}
	return fmt.Errorf("asset %s: %w", a.id, cause)
}

// signGrown makes the final playlists of renditions that viewers were shown the
// last of their signed states: who plays them from before knows no digest. The
// digests in the multivariant playlist follow.
func (a *asset) signGrown(ctx context.Context, tree transcode.Tree, sequence uint64) error {
	info := a.state()
	owner, _, err := a.origin.signer(ctx, info.Name)
	if err != nil {
		return err
	}
	digests := map[string]hls.Digest{}
	for _, file := range tree.Files {
		if !strings.HasSuffix(file, ".m3u8") || file == tree.Multivariant {
			continue
		}
		text, err := os.ReadFile(filepath.Join(a.tree(), filepath.FromSlash(file)))
		if err != nil {
			return fmt.Errorf("asset %s: %w", a.id, err)
		}
		if grew(info.Grown, file) {
			if text, err = a.signFinal(file, text, sequence, owner); err != nil {
				return err
			}
		}
		digests[file] = hls.Sum(text)
	}
	at := filepath.Join(a.tree(), filepath.FromSlash(tree.Multivariant))
	text, err := os.ReadFile(at)
	if err != nil {
		return fmt.Errorf("asset %s: %w", a.id, err)
	}
	p, err := hls.Parse(text)
	if err != nil {
		return err
	}
	err = p.SetPlaylistDigests(func(uri string) (hls.Digest, error) {
		file, err := hls.Local(tree.Multivariant, uri)
		if err != nil {
			return hls.Digest{}, err
		}
		d, ok := digests[file]
		if !ok {
			return d, fmt.Errorf("%s is not in the tree", file)
		}
		return d, nil
	})
	if err != nil {
		return err
	}
	return writeFile(at, p.Encode())
}

func (a *asset) signFinal(file string, text []byte, sequence uint64, owner ed25519.PrivateKey) ([]byte, error) {
	signed, err := hls.Sign(text, string(a.name), file, sequence, owner)
	if err != nil {
		return nil, err
	}
	return signed, writeFile(filepath.Join(a.tree(), filepath.FromSlash(file)), signed)
}

// publish brings what is not on the edges there, and moves the name to the
// tree: exactly its files. Nil is for an asset whose name a newer one has.
func (a *asset) publish(ctx context.Context, b *bundle, tree transcode.Tree) (*Result, error) {
	group, inside := errgroup.WithContext(ctx)
	group.SetLimit(feeders)
	for _, file := range tree.Files {
		group.Go(func() error {
			// What Assemble writes may differ from what an earlier attempt brought there.
			if path.Dir(file) != "." && !strings.HasSuffix(file, ".m3u8") && b.has(file) {
				return nil
			}
			return a.importFile(inside, b, file)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if a.origin.assets.newerPublished(a.name, a.created) {
		return nil, nil
	}
	return b.publishOnly(ctx, tree.Files)
}

// recount brings the count of bytes on this disk up to date after a program has
// written into the tree.
func (a *asset) recount() {
	s := a.origin.assets
	sum := int64(0)
	for _, other := range s.list() {
		sum += folderSize(other.folder)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disk = sum
}

// replaceOlder settles the older assets of the same name: what they published is
// no longer there, and their sources need no room.
func (a *asset) replaceOlder() {
	for _, other := range a.origin.assets.list() {
		info := other.state()
		if other == a || info.Name != a.name || info.State != assetReady || info.Created.After(a.created) {
			continue
		}
		if other.change(func(i *assetInfo) { i.State = assetReplaced }) == nil {
			other.clearSource()
		}
	}
}
