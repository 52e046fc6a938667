package hls

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// A Part is a file that a media playlist names, or a byte range of it.
type Part struct {
	// URI as the playlist spells it; Local finds the file.
	URI string
	// Range is nil for the whole file.
	Range *ByteRange
}

// SetSegmentDigests asks for the digest of every segment and initialization
// section of a media playlist and writes them into it, instead of those that are
// there. Segments with EXT-X-GAP have none: there is no file. Doing it twice is
// doing it once.
func (p *Playlist) SetSegmentDigests(digest func(Part) (Digest, error)) error {
	kept := p.lines[:0:0]
	for _, l := range p.lines {
		if !l.is(tagDigest) {
			kept = append(kept, l)
		}
	}
	stripped := &Playlist{lines: kept}
	m, err := stripped.Media()
	if err != nil {
		return err
	}
	err = stripped.edit(func(f *fields) error {
		d, err := digest(Part{URI: f.need("URI"), Range: f.byteRange("BYTERANGE")})
		if err != nil {
			return fmt.Errorf("hls: line %d: digest of the initialization section: %w", f.index+1, err)
		}
		f.list.Set(quoted(attrDigest, d.String()))
		return nil
	}, tagMap)
	if err != nil {
		return err
	}
	lines := make([]Line, 0, len(stripped.lines)+len(m.Segments))
	inf, n := 0, 0
	for i, l := range stripped.lines {
		if l.is(tagInf) {
			inf = len(lines)
		}
		lines = append(lines, l)
		if l.Kind() != URI {
			continue
		}
		s := m.Segments[n]
		n++
		if s.Gap {
			continue
		}
		d, err := digest(Part{URI: s.URI, Range: s.Range})
		if err != nil {
			return fmt.Errorf("hls: line %d: digest of the segment: %w", i+1, err)
		}
		// Before EXTINF, so that EXTINF, EXT-X-BYTERANGE and the URI stay together.
		added := &Playlist{lines: lines}
		added.insert(inf, "#"+tagDigest+":"+d.String())
		lines = added.lines
	}
	p.lines = lines
	return nil
}

// SetPlaylistDigests asks for the digest of every media playlist that a
// multivariant playlist names and writes them into it, instead of those that are
// there.
func (p *Playlist) SetPlaylistDigests(digest func(uri string) (Digest, error)) error {
	return p.editMedia(func(f *fields, uri string) error {
		f.list.Delete(attrDigest)
		if uri == "" {
			return nil
		}
		d, err := digest(uri)
		if err != nil {
			return fmt.Errorf("hls: line %d: digest of the media playlist: %w", f.index+1, err)
		}
		f.list.Set(quoted(attrDigest, d.String()))
		return nil
	})
}

// RemovePlaylistDigests takes the digests of media playlists out of a
// multivariant playlist: those of playlists that still change name nothing.
func (p *Playlist) RemovePlaylistDigests() error {
	return p.edit(func(f *fields) error {
		f.list.Delete(attrDigest)
		return nil
	}, tagStreamInf, tagIFrameInf, tagMedia)
}

// Sum is the digest of some bytes.
func Sum(b []byte) Digest { return sha256.Sum256(b) }

// stableID is an id for a playlist that has none.
func stableID(uri string) string {
	if isStableID(uri) {
		return uri
	}
	sum := sha256.Sum256([]byte(uri))
	return hex.EncodeToString(sum[:16])
}
