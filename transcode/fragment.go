package transcode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"
)

// Bounds of one box. The programs' output is a stranger's: they read strangers'
// files.
const (
	maxHeader  = 4 << 20
	maxPayload = 512 << 20
	// maxSamples of one box: 20 minutes of sound.
	maxSamples = 1 << 16
)

// track is what an initialization section says.
type track struct {
	id        uint32
	timescale uint32
	ticks     int64 // of one sample, set by the cutter
	trex      *mp4.TrexBox
	trak      *mp4.TrakBox
	init      []byte
}

// fragments reads a fragmented MP4 of one track, box by box.
type fragments struct {
	r  io.Reader
	at uint64
}

// box reads the next box; io.EOF when the stream ends before one. mp4ff panics
// on some nonsense, which is an error here.
func (f *fragments) box() (box mp4.Box, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("unreadable box: %v", p)
		}
	}()
	whole := bytes.NewBuffer(make([]byte, 0, 64<<10))
	if _, err := io.CopyN(whole, f.r, 8); err != nil {
		if whole.Len() > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	kind := string(whole.Bytes()[4:8])
	size := uint64(binary.BigEndian.Uint32(whole.Bytes()))
	if size == 1 {
		if _, err := io.CopyN(whole, f.r, 8); err != nil {
			return nil, fmt.Errorf("read the box %q: %w", kind, io.ErrUnexpectedEOF)
		}
		size = binary.BigEndian.Uint64(whole.Bytes()[8:])
	}
	most := uint64(maxHeader)
	if kind == "mdat" {
		most = maxPayload
	}
	if size < uint64(whole.Len()) || size > most {
		return nil, fmt.Errorf("a box %q of %d bytes, the limit is %d", kind, size, most)
	}
	// The buffer grows with what comes, not with what a header claims.
	if _, err := io.CopyN(whole, f.r, int64(size)-int64(whole.Len())); err != nil {
		return nil, fmt.Errorf("read the box %q: %w", kind, io.ErrUnexpectedEOF)
	}
	if kind != "mdat" && countSamples(whole.Bytes()) > maxSamples {
		return nil, fmt.Errorf("a box %q of over %d samples", kind, maxSamples)
	}
	box, err = mp4.DecodeBoxSR(f.at, bits.NewFixedSliceReader(whole.Bytes()))
	if err != nil {
		return nil, fmt.Errorf("read the box %q: %w", kind, err)
	}
	f.at += size
	return box, nil
}

// countSamples adds up what runs of samples claim that say nothing of them, which
// take 16 bytes for 1024, before anything is made of it: wherever the name of a run
// stands, since boxes may lie in boxes. Larger runs have bytes for each sample.
func countSamples(box []byte) (n uint64) {
	const most = 1024 // mp4ff refuses more
	for {
		_, after, found := bytes.Cut(box, []byte("trun"))
		if !found || len(after) < 8 {
			return n
		}
		n += min(most, uint64(binary.BigEndian.Uint32(after[4:])))
		box = after
	}
}

// header reads up to the moov, and makes the initialization section of it.
func (f *fragments) header() (*track, error) {
	init := mp4.NewMP4Init()
	for init.Moov == nil {
		box, err := f.box()
		if err != nil {
			return nil, err
		}
		switch box.Type() {
		case "ftyp", "moov":
			init.AddChild(box)
		}
	}
	return newTrack(init)
}

func newTrack(init *mp4.InitSegment) (t *track, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("unreadable initialization section: %v", p)
		}
	}()
	moov := init.Moov
	if moov.Mvex == nil || moov.Mvex.Trex == nil || len(moov.Traks) != 1 || moov.Trak.Mdia == nil || moov.Trak.Mdia.Mdhd == nil || moov.Trak.Tkhd == nil {
		return nil, errors.New("an initialization section without exactly one track")
	}
	// Who wrote it is nobody's business, and differs between versions.
	kept := moov.Children[:0]
	for _, c := range moov.Children {
		if c.Type() != "udta" {
			kept = append(kept, c)
		}
	}
	moov.Children = kept
	t = &track{id: moov.Trak.Tkhd.TrackID, timescale: moov.Trak.Mdia.Mdhd.Timescale, trex: moov.Mvex.Trex, trak: moov.Trak}
	if t.timescale == 0 {
		return nil, errors.New("a track without a timescale")
	}
	var b bytes.Buffer
	if err := init.Encode(&b); err != nil {
		return nil, fmt.Errorf("write the initialization section: %w", err)
	}
	t.init = b.Bytes()
	return t, nil
}

// next reads a moof and its mdat.
func (f *fragments) next(t *track) ([]mp4.FullSample, error) {
	fragment, err := f.fragment()
	if err != nil {
		return nil, err
	}
	return samplesOf(fragment, t)
}

func (f *fragments) fragment() (*mp4.Fragment, error) {
	var fragment *mp4.Fragment
	for {
		box, err := f.box()
		if err != nil {
			if fragment != nil && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		switch box.Type() {
		case "moof":
			fragment = mp4.NewFragment()
			fragment.AddChild(box)
		case "mdat":
			if fragment == nil {
				return nil, errors.New("media without a description")
			}
			fragment.AddChild(box)
			return fragment, nil
		}
	}
}

// samplesOf gives copies of a fragment's samples.
func samplesOf(fragment *mp4.Fragment, t *track) (samples []mp4.FullSample, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("unreadable fragment: %v", p)
		}
	}()
	if fragment.Moof.Traf == nil || fragment.Moof.Traf.Tfhd == nil {
		return nil, errors.New("a fragment without a track")
	}
	samples, err = fragment.GetFullSamples(t.trex)
	if err != nil {
		return nil, fmt.Errorf("read a fragment: %w", err)
	}
	return samples, nil
}
