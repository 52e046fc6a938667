package origin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/stratos-mesh/stratos/internal/hls"
	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/origin/pipeline"
	"github.com/stratos-mesh/stratos/sds"
)

// A bundle with hls is a ladder that somebody else made. It stays as it is, but
// for what players need to check it: digests and stable ids in its playlists
// (docs/formats/playlists.md).

// ladder is such a bundle while its playlists are read.
type ladder struct {
	bundle *bundle
	files  map[string]bundleFile
	blocks sds.Getter
}

// digestPlaylists writes digests into the playlists of the bundle. Doing it
// twice is doing it once.
func (b *bundle) digestPlaylists(ctx context.Context) error {
	session, err := b.session(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	l := &ladder{bundle: b, files: maps.Clone(b.files)}
	b.mu.Unlock()
	grant := session.Grant()
	l.blocks = b.origin.writer.Getter(grant.Edges)
	lists, err := l.parse(ctx)
	if err != nil {
		return err
	}
	digests, mains := map[string]hls.Digest{}, []string{}
	for _, path := range slices.Sorted(maps.Keys(lists)) {
		p := lists[path]
		if p.IsMultivariant() {
			mains = append(mains, path)
			continue
		}
		if err := p.SetSegmentDigests(func(part hls.Part) (hls.Digest, error) { return l.part(ctx, path, part) }); err != nil {
			return badLadder(path, err)
		}
		digests[path] = hls.Sum(p.Encode())
	}
	if len(mains) == 0 {
		return httperr.New(http.StatusUnprocessableEntity, "hls", "the bundle has no multivariant playlist: add one that lists the media playlists")
	}
	for _, path := range mains {
		err := lists[path].AddStableIDs()
		if err == nil {
			err = lists[path].SetPlaylistDigests(func(uri string) (hls.Digest, error) {
				file, err := hls.Local(path, uri)
				if d, ok := digests[file]; ok || err != nil {
					return d, err
				}
				return hls.Digest{}, fmt.Errorf("%s is no media playlist of the bundle", file)
			})
		}
		if err != nil {
			return badLadder(path, err)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(lists)) {
		if err := l.replace(ctx, session, path, lists[path].Encode()); err != nil {
			return err
		}
	}
	return nil
}

// badLadder is a ladder that cannot be published; trouble with edges stays what
// it is.
func badLadder(path string, err error) error {
	var known *httperr.Problem
	if errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	return httperr.Wrap(err, http.StatusUnprocessableEntity, "hls", path+": "+err.Error())
}

// parse reads all playlists.
func (l *ladder) parse(ctx context.Context) (map[string]*hls.Playlist, error) {
	lists := map[string]*hls.Playlist{}
	for path, f := range l.files {
		if !strings.HasSuffix(strings.ToLower(path), ".m3u8") {
			continue
		}
		if f.Size > hls.MaxBytes {
			return nil, badLadder(path, &hls.LineError{Text: fmt.Sprintf("the playlist has %d bytes, the limit is %d", f.Size, hls.MaxBytes)})
		}
		r, err := l.open(ctx, f)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return nil, unreadable(err)
		}
		if lists[path], err = hls.Parse(text); err != nil {
			return nil, badLadder(path, err)
		}
	}
	return lists, nil
}

// open reads a file of the bundle from the edges.
func (l *ladder) open(ctx context.Context, f bundleFile) (*contentReader, error) {
	file, err := sds.OpenFile(ctx, l.blocks, f.CID)
	if err != nil {
		return nil, unreadable(err)
	}
	return &contentReader{ctx: ctx, file: file, blocks: l.blocks}, nil
}

// part is the digest of a segment: the file's own, or that of its byte range.
func (l *ladder) part(ctx context.Context, playlist string, p hls.Part) (d hls.Digest, err error) {
	path, err := hls.Local(playlist, p.URI)
	if err != nil {
		return d, err
	}
	f, ok := l.files[path]
	if !ok {
		return d, fmt.Errorf("%s is not in the bundle: send it before you publish", path)
	}
	if p.Range == nil {
		sum, err := hex.DecodeString(f.SHA256)
		copy(d[:], sum)
		return d, err
	}
	if p.Range.Offset > f.Size || p.Range.Length > f.Size-p.Range.Offset {
		return d, fmt.Errorf("%s has %d bytes, and the range is %s", path, f.Size, p.Range)
	}
	r, err := l.open(ctx, f)
	if err != nil {
		return d, err
	}
	if _, err := r.Seek(p.Range.Offset, io.SeekStart); err != nil {
		return d, err
	}
	hash := sha256.New()
	if _, err := io.CopyN(hash, r, p.Range.Length); err != nil {
		return d, unreadable(err)
	}
	hash.Sum(d[:0])
	return d, nil
}

// replace gives a playlist its new text, where it differs.
func (l *ladder) replace(ctx context.Context, session *pipeline.Session, path string, text []byte) error {
	old := l.files[path]
	if old.SHA256 == hls.Sum(text).String() {
		return nil
	}
	batch := session.Batch(ctx, pipeline.Tally{})
	defer batch.Close()
	built, err := sds.Import(ctx, strings.NewReader(string(text)), session.Sink(batch))
	if err != nil {
		return err
	}
	tally, err := batch.Wait()
	if err != nil {
		return err
	}
	return l.bundle.add(ctx, sds.Object{Path: path, CID: built.Root, Size: built.Size, SHA256: built.SHA256, Type: old.Type, First: built.First}, tally)
}
