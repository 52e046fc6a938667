package hls

import (
	"errors"
	"slices"
	"strings"
)

// SetSteering writes EXT-X-CONTENT-STEERING at the head of a multivariant
// playlist, instead of one that is there.
func (p *Playlist) SetSteering(s Steering) error {
	list := Attrs{quoted("SERVER-URI", s.ServerURI)}
	if s.PathwayID != "" {
		list = append(list, quoted("PATHWAY-ID", s.PathwayID))
	}
	for _, a := range list {
		if err := a.valid(); err != nil {
			return err
		}
	}
	if s.ServerURI == "" {
		return errors.New("hls: steering needs the URI of a server")
	}
	p.lines = slices.DeleteFunc(p.lines, func(l Line) bool { return l.is(tagSteering) })
	at := 1
	if i := slices.IndexFunc(p.lines, func(l Line) bool { return l.is(tagVersion) }); i > 0 {
		at = i + 1
	}
	p.insert(at, "#"+tagSteering+":"+list.String())
	return nil
}

// RemoveSteering takes EXT-X-CONTENT-STEERING and every PATHWAY-ID out of a
// multivariant playlist; the variants of all pathways stay, as alternatives.
func (p *Playlist) RemoveSteering() error {
	p.lines = slices.DeleteFunc(p.lines, func(l Line) bool { return l.is(tagSteering) })
	return p.edit(func(f *fields) error {
		f.list.Delete("PATHWAY-ID")
		return nil
	}, tagStreamInf, tagIFrameInf)
}

// AddStableIDs gives every variant and rendition that names a media playlist a
// stable id where it has none: the URI as it stands there when an id may be
// spelled so, else a part of its SHA-256. Copies of one playlist share an id.
func (p *Playlist) AddStableIDs() error {
	return p.editMedia(func(f *fields, uri string) error {
		name := "STABLE-VARIANT-ID"
		if f.tag == tagMedia {
			name = "STABLE-RENDITION-ID"
		}
		if uri != "" && f.text(name) == "" {
			f.list.Set(quoted(name, stableID(uri)))
		}
		return nil
	})
}

// isStableID says whether text may be a stable id: RFC 8216bis section 4.4.6.2.
func isStableID(text string) bool {
	return text != "" && len(text) <= 255 && strings.Trim(text, idLetters+"+/=") == ""
}

// isPathwayID says whether text may be a pathway's id.
func isPathwayID(text string) bool {
	return text != "" && len(text) <= 255 && strings.Trim(text, idLetters) == ""
}

const idLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
