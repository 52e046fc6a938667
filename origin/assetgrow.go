package origin

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/internal/hls"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/pipeline"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/transcode"
)

const (
	// playFrom is how much of the low rungs must be there before viewers may begin,
	// and playSpeed how fast they must be made: players load faster than they play.
	playFrom  = 8 * time.Second
	playSpeed = 4
	// growEvery is the least time between two states, growAgain how often the
	// newest is told again.
	growEvery = 2 * time.Second
	growAgain = 10 * time.Second
	growLook  = 100 * time.Millisecond
)

// growth shows viewers the low rungs of an asset while the others are made.
type growth struct {
	asset  *asset
	bundle *bundle
	job    *job
	feed   *feed

	mu     sync.Mutex // held while a state is made and shown
	final  bool       // the last state was signed elsewhere: the published one
	last   *meta.GrowingState
	length time.Duration // that the last state lists
	made   time.Time     // when it was
	told   time.Time
	took   time.Duration
	seen   int // files shown when it was looked for a new state
}

// run shows states until ctx ends, or does nothing where it may not.
func (g *growth) run(ctx context.Context) {
	ticker := time.NewTicker(growLook)
	defer ticker.Stop()
	free := false
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if !free {
			if !g.ready() {
				continue
			}
			record, err := g.asset.origin.newest(ctx, g.asset.name)
			if err == nil && record != nil && record.Growing == 0 {
				return // the old version plays until the new one is whole
			}
			if err != nil {
				continue
			}
			free = true
		}
		if err := g.step(ctx); err != nil && ctx.Err() == nil {
			g.asset.origin.config().Logger.Warn("a growing video could not be shown", "asset", g.asset.id, "error", err)
			if settled(err) {
				return
			}
			if sleep(ctx, time.Second) != nil {
				return
			}
		}
	}
}

// ready tells whether the low rungs are made fast enough; or an earlier process
// found that they are.
func (g *growth) ready() bool {
	return g.asset.state().Sequence > 0 || g.job.lowSpeed() >= playSpeed
}

// step makes a new state when there is more to show, and tells the newest again
// now and then.
func (g *growth) step(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	count := g.feed.count()
	// Reading what is shown takes longer the more it is: not more than a twentieth
	// of the time goes into it.
	if !g.final && count > g.seen && now.Sub(g.made) >= max(growEvery, 20*g.took) {
		g.seen = count
		if shown, err := g.show(ctx); err != nil || shown {
			g.took = time.Since(now)
			return err
		}
	}
	if g.last == nil || now.Sub(g.told) < growAgain {
		return nil
	}
	_, err := g.asset.origin.config().Meta.Grow(ctx, *g.last)
	if err == nil {
		g.told = now
	}
	return err
}

// show makes a state of what is durable and tells the meta node, if it is enough
// and more than before.
func (g *growth) show(ctx context.Context) (bool, error) {
	names := g.renditions()
	if len(names) == 0 {
		return false, nil
	}
	tree, err := g.asset.origin.config().Video.Grow(g.job.plan, g.asset.shown(), names)
	if errors.Is(err, transcode.ErrMissing) {
		return false, nil // not all of them have begun
	}
	if err != nil {
		return false, err
	}
	if tree.Duration < min(playFrom, g.job.plan.Length) || tree.Duration <= g.length {
		return false, nil
	}
	files, err := g.durable(tree)
	if err != nil || files == nil {
		return false, err
	}
	state, err := g.state(ctx, tree, files, names)
	if err != nil {
		return false, err
	}
	if _, err := g.asset.origin.config().Meta.Grow(ctx, *state); err != nil {
		return false, fmt.Errorf("state %d of %s: %w", state.Sequence, state.Name, err)
	}
	g.asset.origin.counters.VideoStates.Add(1)
	g.last, g.length, g.made, g.told = state, tree.Duration, time.Now(), time.Now()
	if g.asset.state().State == assetEncoding {
		err = g.asset.change(func(i *assetInfo) { i.State = assetPlayable })
	}
	return true, err
}

// renditions to show: the low rungs and all sound. Captions come with the whole.
func (g *growth) renditions() []string {
	names := g.job.lowRungs()
	if len(names) == 0 && len(g.job.plan.Rungs) > 0 {
		return nil
	}
	for _, a := range g.job.plan.Audio {
		names = append(names, a.Name)
	}
	return names
}

// durable are the files of a tree but its playlists; nil when one is not on the
// edges yet.
func (g *growth) durable(tree transcode.Tree) (map[string]bundleFile, error) {
	g.bundle.mu.Lock()
	defer g.bundle.mu.Unlock()
	files := map[string]bundleFile{}
	for _, path := range tree.Files {
		if strings.HasSuffix(path, ".m3u8") {
			continue
		}
		f, ok := g.bundle.files[path]
		if !ok {
			return nil, nil
		}
		files[path] = f
	}
	return files, nil
}

// state signs the playlists, brings them and the folder above them to the
// edges, and signs the whole.
func (g *growth) state(ctx context.Context, tree transcode.Tree, files map[string]bundleFile, names []string) (*meta.GrowingState, error) {
	o, info := g.asset.origin, g.asset.state()
	owner, chain, err := o.signer(ctx, info.Name)
	if err != nil {
		return nil, err
	}
	// Written down first: no number is signed twice, whenever this process ends.
	err = g.asset.change(func(i *assetInfo) { i.Sequence, i.Grown = following(i.Sequence, o.config().Now()), names })
	if err != nil {
		return nil, err
	}
	sequence := g.asset.state().Sequence
	session, err := g.bundle.session(ctx)
	if err != nil {
		return nil, err
	}
	batch := session.Batch(ctx, pipeline.Tally{})
	defer batch.Close()
	for _, path := range tree.Files {
		if !strings.HasSuffix(path, ".m3u8") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(g.asset.shown(), filepath.FromSlash(path)))
		if err != nil {
			return nil, fmt.Errorf("growing: %w", err)
		}
		if text, err = growingPlaylist(text, string(info.Name), path, sequence, owner); err != nil {
			return nil, err
		}
		built, err := sds.Import(ctx, bytes.NewReader(text), session.Sink(batch))
		if err != nil {
			return nil, err
		}
		files[path] = bundleFile{Path: path, CID: built.Root, Size: built.Size, SHA256: digest(built.SHA256), Type: sds.MediaType(path), First: built.First}
	}
	manifest, cid, tally, err := lay(ctx, files, nil, batch)
	if err != nil {
		return nil, err
	}
	state := &meta.GrowingState{
		Name: info.Name, Upload: g.bundle.upload().ID, Sequence: sequence, Root: manifest.Root, Manifest: cid,
		Objects: int64(len(files)), Replicas: g.bundle.upload().Replicas, Time: o.stamp(),
	}
	segments := make(map[string]bundleFile, len(files))
	for path, f := range files {
		state.Size += f.Size
		if len(f.Tally.Edges) > 0 { // the playlists are in the tally of the batch
			segments[path] = f
		}
	}
	if state.Durable, err = g.bundle.fill(ctx, session, segments, tally, manifest.Root, cid); err != nil {
		return nil, err
	}
	state.Sign(owner, chain)
	return state, nil
}

// growingPlaylist signs a media playlist of an unfinished tree. No digest can
// name one that changes, so the multivariant has none; it is in the signed
// state's root.
func growingPlaylist(text []byte, name, path string, sequence uint64, owner ed25519.PrivateKey) ([]byte, error) {
	p, err := hls.Parse(text)
	if err != nil {
		return nil, err
	}
	if p.IsMultivariant() {
		err := p.RemovePlaylistDigests()
		return p.Encode(), err
	}
	return hls.Sign(text, name, path, sequence, owner)
}

// settle ends the making of states and returns the number for the playlists of
// the published tree, which follow them: 0 when nothing was shown.
func (g *growth) settle() (uint64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.final = true
	if len(g.asset.state().Grown) == 0 {
		return 0, nil
	}
	if info := g.asset.state(); info.Settled == info.Sequence {
		return info.Settled, nil // a publication that was cut off gives the same bytes again
	}
	now := g.asset.origin.config().Now()
	err := g.asset.change(func(i *assetInfo) {
		i.Sequence = following(i.Sequence, now)
		i.Settled = i.Sequence
	})
	return g.asset.state().Settled, err
}

// following is the number of the state after one: the time in Unix milliseconds,
// so that it also follows the states of every earlier upload of the name, whose
// signatures some edge may have kept.
func following(last uint64, now time.Time) uint64 {
	return max(last+1, uint64(max(now.UnixMilli(), 0)))
}

// grew tells whether a playlist is of a rendition that viewers were shown.
func grew(grown []string, path string) bool {
	return slices.ContainsFunc(grown, func(name string) bool { return strings.HasPrefix(path, name+"/") })
}
