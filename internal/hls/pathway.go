package hls

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// A Pathway is one place that serves all of a presentation.
type Pathway struct {
	// ID as in the steering manifest: letters, digits, ".", "-" and "_".
	ID string
	// Base is the URL of the multivariant playlist in that place.
	Base *url.URL
}

// maxPathways bounds how much larger SetPathways makes a playlist.
const maxPathways = 16

// SetPathways rewrites a multivariant playlist for content steering: every media
// playlist stands there once for each pathway with an absolute URI, rendition
// groups are doubled likewise, and players ask server which pathway to take. The
// first pathway is the one to begin with and keeps the names of the groups.
// Stable ids and digests stay, so Integrity gives what it gave. A steering server
// and pathways that were there are gone; their variants stay as alternatives.
func (p *Playlist) SetPathways(server string, pathways []Pathway) error {
	if err := checkPathways(pathways); err != nil {
		return err
	}
	if err := p.RemoveSteering(); err != nil {
		return err
	}
	vars, err := p.variables()
	if err != nil {
		return err
	}
	suffixes, err := p.suffixes(vars, pathways)
	if err != nil {
		return err
	}
	// The blocks of the pathways, one after the other: a player without steering
	// takes the first and sees the others as a fallback.
	blocks := make([][]Line, len(pathways))
	for i, l := range p.lines {
		for n, way := range pathways {
			line, err := l.onPathway(i, vars, way, suffixes[n])
			if err != nil {
				return err
			}
			if n == 0 || line.text != "" {
				blocks[n] = append(blocks[n], line)
			}
			if !l.doubled() {
				break
			}
		}
	}
	p.lines = blocks[0]
	for _, block := range blocks[1:] {
		texts := make([]string, len(block))
		for i, l := range block {
			texts[i] = l.text
		}
		p.insert(len(p.lines), texts...)
	}
	if size := p.size(); size > MaxBytes {
		return fmt.Errorf("hls: the playlist for %d pathways has %d bytes, the limit is %d: name fewer", len(pathways), size, MaxBytes)
	}
	return p.SetSteering(Steering{ServerURI: server, PathwayID: pathways[0].ID})
}

func checkPathways(pathways []Pathway) error {
	if len(pathways) == 0 || len(pathways) > maxPathways {
		return fmt.Errorf("hls: %d pathways, want 1 to %d: name further ones as clones in the steering manifest", len(pathways), maxPathways)
	}
	seen := map[string]bool{}
	for _, way := range pathways {
		if way.Base == nil || !way.Base.IsAbs() || !isPathwayID(way.ID) || seen[way.ID] {
			return fmt.Errorf("hls: pathway %.40q needs an absolute base URL and an id of its own, of letters, digits, \".\", \"-\" and \"_\"", way.ID)
		}
		seen[way.ID] = true
	}
	return nil
}

// doubled says whether a line stands in the block of every pathway. Groups of
// closed captions do not: they lie inside the variants and have no URI.
func (l Line) doubled() bool {
	switch {
	case l.Kind() == URI, l.is(tagStreamInf), l.is(tagIFrameInf):
		return true
	case l.is(tagMedia):
		list, err := ParseAttrs(l.Value())
		kind, _ := list.Get("TYPE")
		return err == nil && kind != "CLOSED-CAPTIONS"
	}
	return false
}

// onPathway is line i as it stands in a pathway's block.
func (l Line) onPathway(i int, vars *variables, way Pathway, suffix string) (Line, error) {
	if l.Kind() == URI {
		uri, err := absolute(vars, i, way.Base, l.text)
		l.text = uri
		return l, err
	}
	if l.Kind() != Tag || !multivariantTags[l.Name()] {
		return l, nil
	}
	f := newFields(i, l, vars)
	if f.err != nil {
		return l, f.err
	}
	if err := f.absolute("URI", way.Base); err != nil {
		return l, err
	}
	if l.doubled() && suffix != "" {
		for _, name := range groupAttrs(l.Name()) {
			if group := f.text(name); group != "" {
				f.list.Set(quoted(name, group+suffix))
			}
		}
	}
	if l.Name() != tagMedia && l.doubled() {
		f.list.Set(quoted("PATHWAY-ID", way.ID))
	}
	l.text = "#" + l.Name() + ":" + f.list.String()
	return l, f.err
}

// groupAttrs are the attributes of a tag that name rendition groups which are
// doubled.
func groupAttrs(tag string) []string {
	if tag == tagMedia {
		return []string{"GROUP-ID"}
	}
	return []string{"AUDIO", "VIDEO", "SUBTITLES"}
}

// suffixes finds what to add to the groups' names in each pathway, so that no
// two groups of one type come to have the same name.
func (p *Playlist) suffixes(vars *variables, pathways []Pathway) ([]string, error) {
	groups := map[string]bool{}
	for i, l := range p.lines {
		if l.is(tagMedia) && l.doubled() {
			groups[newFields(i, l, vars).text("GROUP-ID")] = true
		}
	}
	for dashes := 1; dashes <= 8; dashes++ {
		suffixes, taken, free := make([]string, len(pathways)), map[string]bool{}, true
		for n, way := range pathways {
			if n > 0 {
				suffixes[n] = strings.Repeat("-", dashes) + way.ID
			}
			for group := range groups {
				free = free && !taken[group+suffixes[n]]
				taken[group+suffixes[n]] = true
			}
		}
		if free {
			return suffixes, nil
		}
	}
	return nil, errors.New("hls: the rendition groups have names that end like the pathways' ids: rename the groups")
}

// size is the length of Encode.
func (p *Playlist) size() int {
	n := 0
	for _, l := range p.lines {
		n += len(l.text) + len(l.end)
	}
	return n
}
