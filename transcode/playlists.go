package transcode

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/stratos-mesh/stratos/internal/hls"
)

// Names in the tree.
const (
	masterName   = "master.m3u8"
	mediaName    = "index.m3u8"
	iframesName  = "iframes.m3u8"
	posterName   = "poster.jpg"
	thumbsName   = "thumbnails.vtt"
	audioGroup   = "audio"
	captionGroup = "captions"
)

// rendition of the tree as it is on disk.
type rendition struct {
	name     string
	codecs   string
	media    *hls.Measured
	iframes  *hls.Measured // video alone
	digest   hls.Digest    // of the playlist
	iDigest  hls.Digest
	files    []string
	segments int
	bytes    int64
}

// state of the playlists that are written.
type state struct {
	complete bool
	segments int // how many of each rendition
}

// targetDuration is the same in every state and playlist: the longest segment
// there can be, sound's being up to half an AAC frame longer than pictures'.
func (p Plan) targetDuration() int {
	return int((p.SegmentTime + aacFrame*time.Second/sampleRate + time.Second/2) / time.Second)
}

func (p Plan) media(s state) *hls.Media {
	m := &hls.Media{TargetDuration: p.targetDuration(), Type: "VOD", IndependentSegments: true, EndList: s.complete}
	if !s.complete {
		m.Type, m.Start = "EVENT", &hls.Start{Precise: true}
	}
	return m
}

// measure reads the segments of a rendition and checks them against the plan.
func (p Plan) measure(dir, name string, s state) (*rendition, error) {
	if _, _, text := p.pick([]string{name}); len(text) == 1 {
		return p.measureText(dir, name, s)
	}
	c, err := p.cutter(name, p.Whole(), dir, nil)
	if err != nil {
		return nil, err
	}
	t, err := readInit(dir, name)
	if err != nil {
		return nil, err
	}
	r := &rendition{name: name, media: &hls.Measured{Media: p.media(s)}, files: []string{name + "/" + initName}}
	if r.codecs, err = codecs(t); err != nil {
		return nil, fmt.Errorf("transcode: %s: %w", name, err)
	}
	if c.key > 0 {
		r.iframes = &hls.Measured{Media: p.media(s)}
		r.iframes.Media.IFramesOnly = true
	}
	section := &hls.Map{URI: initName, Digest: hls.Sum(t.init)}
	var before int64
	for i := range s.segments {
		b, err := readTree(dir, name+"/"+segmentName(i))
		if err != nil {
			return nil, err
		}
		facts, err := measureSegment(b, t)
		if err != nil {
			return nil, fmt.Errorf("transcode: %s/%s: %w: %w", name, segmentName(i), err, ErrMissing)
		}
		if err := c.check(facts, t, before, c.ends[i]); err != nil {
			return nil, fmt.Errorf("transcode: %s/%s: %w: %w", name, segmentName(i), err, ErrMissing)
		}
		r.add(i, facts, t, c, before, section)
		before = c.ends[i]
	}
	return r, nil
}

// check compares a segment with the plan.
func (c *cutter) check(facts *segmentFacts, t *track, from, to int64) error {
	ticks := int64(t.timescale) * int64(c.rate.Den) / int64(c.rate.Num)
	switch {
	case int64(facts.samples) != to-from:
		return fmt.Errorf("it has %d samples instead of %d", facts.samples, to-from)
	case facts.start != from*ticks:
		return fmt.Errorf("it begins at %d instead of %d", facts.start, from*ticks)
	case facts.ticks != (to-from)*ticks:
		return fmt.Errorf("it lasts %d instead of %d", facts.ticks, (to-from)*ticks)
	case c.key > 0 && len(facts.keys) != (facts.samples+c.key-1)/c.key:
		return fmt.Errorf("it has %d key frames instead of %d", len(facts.keys), (facts.samples+c.key-1)/c.key)
	}
	return nil
}

// add lists a segment. Durations are differences of rounded times, so that their
// sums do not drift.
func (r *rendition) add(number int, facts *segmentFacts, t *track, c *cutter, before int64, section *hls.Map) {
	span := func(from, count int64) time.Duration { return c.rate.time(from+count) - c.rate.time(from) }
	length := span(before, int64(facts.samples))
	r.media.Media.Segments = append(r.media.Media.Segments, hls.Segment{URI: segmentName(number), Duration: length, Map: section, Digest: facts.digest})
	m := hls.Measurement{Bytes: facts.bytes, Duration: length}
	if c.key > 0 {
		m.KeyFirst = hls.FactOf(len(facts.keys) > 0 && facts.keys[0].samples <= c.key)
		m.KeyInterval = span(before, int64(c.key))
	}
	r.media.Segments = append(r.media.Segments, m)
	r.files = append(r.files, r.name+"/"+segmentName(number))
	r.segments++
	r.bytes += facts.bytes
	at := before
	for _, k := range facts.keys {
		if c.key == 0 {
			break
		}
		r.iframes.Media.Segments = append(r.iframes.Media.Segments, hls.Segment{
			URI: segmentName(number), Duration: span(at, int64(k.samples)), Map: section,
			Range: &hls.ByteRange{Offset: k.offset, Length: k.length}, Digest: k.digest,
		})
		r.iframes.Segments = append(r.iframes.Segments, hls.Measurement{Bytes: k.length, Duration: span(at, int64(k.samples)), KeyFirst: hls.Yes, Moof: hls.Yes})
		at += int64(k.samples)
	}
}

func (p Plan) measureText(dir, name string, s state) (*rendition, error) {
	r := &rendition{name: name, media: &hls.Measured{Media: p.media(s)}}
	r.media.Media.IndependentSegments = false
	for i := range s.segments {
		b, err := readTree(dir, name+"/"+captionsName(i))
		if err != nil {
			return nil, err
		}
		length := min(p.segmentStart(i+1), p.Length) - p.segmentStart(i)
		r.media.Media.Segments = append(r.media.Media.Segments, hls.Segment{URI: captionsName(i), Duration: length, Digest: hls.Sum(b)})
		r.media.Segments = append(r.media.Segments, hls.Measurement{Bytes: int64(len(b)), Duration: length})
		r.files = append(r.files, name+"/"+captionsName(i))
		r.segments++
		r.bytes += int64(len(b))
	}
	return r, nil
}

// write writes the playlists of a rendition.
func (r *rendition) write(dir string) error {
	for _, one := range []struct {
		file   string
		m      *hls.Measured
		digest *hls.Digest
	}{{mediaName, r.media, &r.digest}, {iframesName, r.iframes, &r.iDigest}} {
		if one.m == nil {
			continue
		}
		b, err := hls.WriteMedia(one.m.Media)
		if err != nil {
			return fmt.Errorf("transcode: %s/%s: %w", r.name, one.file, err)
		}
		*one.digest = hls.Sum(b)
		name := path.Join(r.name, one.file)
		if err := writeWhole(filepath.Join(dir, filepath.FromSlash(name)), b); err != nil {
			return err
		}
		r.files = append(r.files, name)
	}
	return nil
}

// have counts the segments of a rendition that are there without a gap.
func (p Plan) have(dir, name string) (int, error) {
	file := segmentName
	if _, _, text := p.pick([]string{name}); len(text) == 1 {
		file = captionsName
	}
	for i := range p.Segments {
		_, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name), file(i)))
		if errors.Is(err, fs.ErrNotExist) {
			return i, nil
		}
		if err != nil {
			return 0, fmt.Errorf("transcode: look at %s: %w", name, err)
		}
	}
	return p.Segments, nil
}

// measured for the caller.
func (r *rendition) measured() Measured {
	return Measured{
		Name: r.name, Codecs: r.codecs, Segments: r.segments, Bytes: r.bytes,
		Average: int(min(r.media.Average(), math.MaxInt32)), Peak: int(min(r.media.Peak(), math.MaxInt32)),
	}
}
