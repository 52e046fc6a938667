package transcode

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/stratos-mesh/stratos/internal/hls"
	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// Assemble finishes the tree in dir when all tasks are done.
func Assemble(ctx context.Context, box *sandbox.Box, plan Plan, dir string) (Tree, error) {
	var names []string
	for _, r := range plan.Rungs {
		names = append(names, r.Name)
	}
	names = append(names, plan.soundAndText()...)
	tree, err := plan.playlists(ctx, dir, names, state{complete: true, segments: plan.Segments})
	if err != nil {
		return Tree{}, err
	}
	if len(plan.Rungs) > 0 {
		pictures, err := plan.pictures(ctx, box, dir)
		if err != nil {
			return Tree{}, err
		}
		tree.Files = append(tree.Files, pictures...)
		slices.Sort(tree.Files)
	}
	return tree, nil
}

// Grow writes the playlists of an unfinished tree.
func Grow(plan Plan, dir string, renditions []string) (Tree, error) {
	if len(renditions) == 0 {
		return Tree{}, fmt.Errorf("transcode: no renditions to list")
	}
	s := state{segments: plan.Segments}
	for _, name := range renditions {
		n, err := plan.have(dir, name)
		if err != nil {
			return Tree{}, err
		}
		s.segments = min(s.segments, n)
	}
	if s.segments == 0 {
		return Tree{}, fmt.Errorf("transcode: the first segment of all renditions: %w", ErrMissing)
	}
	s.complete = s.segments == plan.Segments
	return plan.playlists(context.Background(), dir, renditions, s)
}

// playlists measures renditions and writes their playlists, the multivariant
// last.
func (p Plan) playlists(ctx context.Context, dir string, names []string, s state) (Tree, error) {
	tree := Tree{Multivariant: masterName, Complete: s.complete, Duration: min(p.segmentStart(s.segments), p.Length)}
	all := map[string]*rendition{}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return Tree{}, err
		}
		r, err := p.measure(dir, name, s)
		if err != nil {
			return Tree{}, err
		}
		if err := r.write(dir); err != nil {
			return Tree{}, err
		}
		all[name] = r
		tree.Files = append(tree.Files, r.files...)
		tree.Renditions = append(tree.Renditions, r.measured())
	}
	m := p.multivariant(all)
	if !s.complete {
		m.Start = &hls.Start{Precise: true}
	}
	integrity, err := m.Integrity()
	if err != nil {
		return Tree{}, fmt.Errorf("transcode: %w", err)
	}
	tree.Integrity = integrity.String()
	b, err := hls.WriteMultivariant(m)
	if err != nil {
		return Tree{}, fmt.Errorf("transcode: %s: %w", masterName, err)
	}
	if err := writeWhole(filepath.Join(dir, masterName), b); err != nil {
		return Tree{}, err
	}
	tree.Files = append(tree.Files, masterName)
	slices.Sort(tree.Files)
	return tree, nil
}

// multivariant lists what there is. Stable ids are the renditions' names.
func (p Plan) multivariant(all map[string]*rendition) *hls.Multivariant {
	m := &hls.Multivariant{IndependentSegments: true}
	groups := p.audioRenditions(m, all)
	captions := p.captionRenditions(m, all)
	if len(p.Rungs) == 0 {
		p.soundVariants(m, all, groups, captions)
		return m
	}
	for _, rung := range p.Rungs {
		r := all[rung.Name]
		if r == nil {
			continue
		}
		v := hls.Variant{
			URI: rung.Name + "/" + mediaName, Width: rung.Width, Height: rung.Height, FrameRate: p.Rate.over(rung.Divide).Float(),
			VideoRange: "SDR", NoClosedCaptions: true, StableID: rung.Name, Digest: r.digest,
		}
		for _, g := range groups {
			m.Variants = append(m.Variants, g.with(captions.with(v, r, r.codecs)))
		}
		if len(groups) == 0 {
			m.Variants = append(m.Variants, captions.with(v, r, r.codecs))
		}
		m.IFrames = append(m.IFrames, hls.Variant{
			URI: rung.Name + "/" + iframesName, Width: rung.Width, Height: rung.Height, Codecs: r.codecs, VideoRange: "SDR",
			Bandwidth: r.iframes.Peak(), AverageBandwidth: r.iframes.Average(), StableID: rung.Name + "/iframes", Digest: r.iDigest,
		})
	}
	startFirst(m.Variants)
	return m
}

// startFirst moves the variant to the front that measures nearest to the rate
// that players should begin with: H.264, with the first audio group.
func startFirst(variants []hls.Variant) {
	distance := func(v hls.Variant) float64 {
		return math.Abs(float64(v.AverageBandwidth - firstRate))
	}
	best := -1
	for i, v := range variants {
		if strings.HasPrefix(v.Codecs, "avc1") && v.Audio == variants[0].Audio && (best < 0 || distance(v) < distance(variants[best])) {
			best = i
		}
	}
	if best > 0 {
		first := variants[best]
		copy(variants[1:best+1], variants[:best])
		variants[0] = first
	}
}

// group of renditions that play beside a variant.
type group struct {
	id            string
	codecs        string
	average, peak int64
	captions      bool
}

// with gives a variant the group: rates add up, after RFC 8216bis section 4.4.6.2
// the largest of each group.
func (g group) with(v hls.Variant) hls.Variant {
	if g.captions {
		v.Subtitles = g.id
	} else {
		v.Audio = g.id
		v.Codecs = strings.Trim(v.Codecs+","+g.codecs, ",")
	}
	v.AverageBandwidth += g.average
	v.Bandwidth += g.peak
	return v
}

// captionSet is the captions' group, nil without captions.
type captionSet struct{ *group }

func (c captionSet) with(v hls.Variant, r *rendition, codecs string) hls.Variant {
	v.Codecs, v.AverageBandwidth, v.Bandwidth = codecs, r.media.Average(), r.media.Peak()
	if c.group != nil {
		return c.group.with(v)
	}
	return v
}

func (g *group) grow(r *rendition) {
	g.average, g.peak = max(g.average, r.media.Average()), max(g.peak, r.media.Peak())
	g.codecs = r.codecs
}

// audioRenditions makes a group for each number of channels, stereo first.
func (p Plan) audioRenditions(m *hls.Multivariant, all map[string]*rendition) []group {
	var groups []group
	for _, channels := range []int{2, 6} {
		g := group{id: audioGroup}
		if channels != 2 {
			g.id += "-" + strconv.Itoa(channels)
		}
		for _, a := range p.Audio {
			r := all[a.Name]
			if r == nil || a.Channels != channels {
				continue
			}
			g.grow(r)
			m.Renditions = append(m.Renditions, hls.Rendition{
				Type: "AUDIO", GroupID: g.id, Name: a.Label, Language: a.Language, Default: a.Default, AutoSelect: true,
				Channels: strconv.Itoa(a.Channels), SampleRate: sampleRate, URI: a.Name + "/" + mediaName, StableID: a.Name, Digest: r.digest,
			})
		}
		if g.codecs != "" {
			groups = append(groups, g)
		}
	}
	return groups
}

func (p Plan) captionRenditions(m *hls.Multivariant, all map[string]*rendition) captionSet {
	set := captionSet{}
	for _, c := range p.Captions {
		r := all[c.Name]
		if r == nil {
			continue
		}
		if set.group == nil {
			set.group = &group{id: captionGroup, captions: true}
		}
		set.grow(r)
		m.Renditions = append(m.Renditions, hls.Rendition{
			Type: "SUBTITLES", GroupID: captionGroup, Name: c.Label, Language: c.Language, Default: c.Default, AutoSelect: true,
			Forced: c.Forced, URI: c.Name + "/" + mediaName, StableID: c.Name, Digest: r.digest,
		})
	}
	return set
}

// soundVariants: without pictures each group's default rendition is the variant.
func (p Plan) soundVariants(m *hls.Multivariant, all map[string]*rendition, groups []group, captions captionSet) {
	for _, g := range groups {
		for _, a := range p.Audio {
			r := all[a.Name]
			if r == nil || (a.Channels == 2) != (g.id == audioGroup) {
				continue
			}
			v := captions.with(hls.Variant{URI: a.Name + "/" + mediaName, StableID: a.Name, Digest: r.digest, NoClosedCaptions: true}, r, g.codecs)
			v.Audio = g.id
			v.AverageBandwidth += g.average - r.media.Average()
			v.Bandwidth += g.peak - r.media.Peak()
			m.Variants = append(m.Variants, v)
			break
		}
	}
}
