package transcode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"
)

// cutter makes segments of what comes out of one pipe.
type cutter struct {
	name   string
	dir    string // of the tree
	first  int    // segment
	report func(Segment)
	// text is set for captions, which are cut when all of them are there.
	text bool
	plan Plan

	// ends of the segments, in samples from the piece's start; key is the distance
	// of key frames, 0 where every sample is one.
	ends []int64
	key  int
	// rate of the samples, and how many came before the piece.
	rate   Ratio
	before int64

	track   *track
	waiting []mp4.FullSample
	taken   int64 // samples in finished segments
	number  int   // finished segments
}

// cutter for a rendition of a piece.
func (p Plan) cutter(name string, piece Piece, dir string, report func(Segment)) (*cutter, error) {
	c := &cutter{name: name, dir: dir, first: piece.First, report: report, plan: p}
	rungs, sound, text := p.pick([]string{name})
	switch {
	case len(rungs) == 1:
		divide := rungs[0].Divide
		c.rate, c.key = p.Rate.over(divide), p.KeyFrames/divide
		each := int64(p.SegmentFrames / divide)
		c.before = int64(piece.First) * each
		all := p.pieceFrames(piece) / int64(divide)
		for end := each; end < all; end += each {
			c.ends = append(c.ends, end)
		}
		c.ends = append(c.ends, all)
	case len(sound) == 1:
		c.rate = ratio(sampleRate, aacFrame)
		c.ends = p.soundEnds()
	case len(text) == 1:
		c.text = true
	default:
		return nil, fmt.Errorf("transcode: the plan has no rendition %q", name)
	}
	return c, nil
}

// soundEnds are the AAC frames nearest to where the video's segments end.
func (p Plan) soundEnds() []int64 {
	all := p.soundFrames()
	var ends []int64
	for i := 1; i < p.Segments; i++ {
		at := p.segmentStart(i)
		// Each segment has a frame, the last one too.
		ends = append(ends, min(all-int64(p.Segments-i), nearestFrame(at)))
	}
	return append(ends, all)
}

// nearestFrame is the AAC frame that begins nearest to a time.
func nearestFrame(at time.Duration) int64 {
	micros := int64(at / time.Microsecond)
	return (micros*sampleRate/aacFrame + 500_000) / 1_000_000
}

// segmentStart is where segment i begins.
func (p Plan) segmentStart(i int) time.Duration {
	if p.Rate.Num == 0 {
		return time.Duration(i) * p.SegmentTime
	}
	return p.Rate.time(int64(i) * int64(p.SegmentFrames))
}

// read cuts a stream of fragments as it comes.
func (c *cutter) read(r io.Reader) error {
	if c.text {
		return c.readText(r)
	}
	f := fragments{r: r}
	t, err := f.header()
	if errors.Is(err, io.EOF) {
		return nil // the program says why, or finish does
	}
	if err != nil {
		return fmt.Errorf("transcode: %s: %w", c.name, err)
	}
	if err := c.begin(t); err != nil {
		return err
	}
	for {
		samples, err := f.next(t)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("transcode: %s: %w", c.name, err)
		}
		c.waiting = append(c.waiting, samples...)
		if err := c.flush(); err != nil {
			return err
		}
	}
}

// begin writes the initialization section, or finds the one that another piece
// wrote.
func (c *cutter) begin(t *track) error {
	ticks := int64(t.timescale) * int64(c.rate.Den)
	if ticks%int64(c.rate.Num) != 0 {
		return fmt.Errorf("transcode: %s: a timescale of %d does not hold %s frames a second", c.name, t.timescale, c.rate)
	}
	t.ticks = ticks / int64(c.rate.Num)
	c.track = t
	return writeSame(filepath.Join(c.dir, filepath.FromSlash(c.name), initName), t.init)
}

// flush finishes the segments that are complete. The encoder's padding beyond
// the plan is dropped.
func (c *cutter) flush() error {
	for c.number < len(c.ends) {
		need := c.ends[c.number] - c.taken
		if int64(len(c.waiting)) < need {
			return nil
		}
		if err := c.write(c.waiting[:need]); err != nil {
			return err
		}
		c.waiting = slices.Delete(c.waiting, 0, int(need))
		c.taken += need
		c.number++
	}
	c.waiting = nil
	return nil
}

// finish says whether all segments came.
func (c *cutter) finish() error {
	if c.text || c.number == len(c.ends) {
		return nil
	}
	return &Refusal{
		Reason: ReasonDamaged, Sentence: "A part of the file cannot be decoded. Export it again and upload it.",
		Detail: fmt.Sprintf("%s: %d of %d segments from %d on, %d samples over", c.name, c.number, len(c.ends), c.first, len(c.waiting)),
	}
}

// write gives the next segment its name: a fragment for each key frame, on the
// tree's own timeline.
func (c *cutter) write(samples []mp4.FullSample) error {
	number := c.first + c.number
	file := path.Join(c.name, segmentName(number))
	if b := c.kept(file, int64(len(samples))); b != nil {
		c.tell(number, file, len(b), len(samples))
		return nil
	}
	each := len(samples)
	if c.key > 0 {
		each = c.key
	}
	segment := mp4.NewMediaSegment()
	at := c.before + c.taken
	perSegment := max(1, c.keysPerSegment())
	for i, part := range slices.Collect(slices.Chunk(samples, each)) {
		if !part[0].IsSync() {
			return fmt.Errorf("transcode: %s: segment %d lacks the key frame at sample %d: the encoder does not keep to its settings", c.name, number, i*each)
		}
		fragment, err := mp4.CreateFragment(uint32(number*perSegment+i+1), c.track.id)
		if err != nil {
			return fmt.Errorf("transcode: %s: segment %d: %w", c.name, number, err)
		}
		for j := range part {
			part[j].DecodeTime = uint64(at * c.track.ticks)
			part[j].Dur = uint32(c.track.ticks)
			fragment.AddFullSample(part[j])
			at++
		}
		segment.AddFragment(fragment)
	}
	segment.EncOptimize = mp4.OptimizeTrun
	var b bytes.Buffer
	if err := segment.Encode(&b); err != nil {
		return fmt.Errorf("transcode: %s: segment %d: %w", c.name, number, err)
	}
	if err := writeWhole(filepath.Join(c.dir, filepath.FromSlash(file)), b.Bytes()); err != nil {
		return err
	}
	c.tell(number, file, b.Len(), len(samples))
	return nil
}

// kept gives the segment that an earlier run left under the name: it may be
// published. nil when there is none, or one that a crash broke.
func (c *cutter) kept(file string, samples int64) []byte {
	b, err := readTree(c.dir, file)
	if err != nil {
		return nil
	}
	facts, err := measureSegment(b, c.track)
	from := c.before + c.taken
	if err != nil || c.check(facts, c.track, from, from+samples) != nil {
		return nil
	}
	return b
}

func (c *cutter) tell(number int, file string, size, samples int) {
	c.report(Segment{Rendition: c.name, Number: number, Path: file, Bytes: int64(size), Duration: c.rate.time(int64(samples))})
}

func (c *cutter) keysPerSegment() int {
	if c.key == 0 {
		return 1
	}
	return c.plan.SegmentFrames / c.plan.KeyFrames
}

const initName = "init.mp4"

func segmentName(number int) string { return fmt.Sprintf("%05d.m4s", number) }
