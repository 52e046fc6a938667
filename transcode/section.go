package transcode

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/stratos-mesh/stratos/internal/hls"
)

// A Section is an initialization section of one track, of whatever origin, under
// which segments can be measured.
type Section struct{ t *track }

// ReadSection reads the initialization section of a fragmented MP4. One with
// several tracks is refused: their samples cannot be told apart here.
func ReadSection(init []byte) (*Section, error) {
	f := fragments{r: bytes.NewReader(init)}
	t, err := f.header()
	if errors.Is(err, io.EOF) {
		err = errors.New("an initialization section without a moov")
	}
	if err != nil {
		return nil, fmt.Errorf("transcode: %w", err)
	}
	return &Section{t}, nil
}

// Video says whether the track has pictures.
func (s *Section) Video() bool {
	hdlr := s.t.trak.Mdia.Hdlr
	return hdlr != nil && hdlr.HandlerType == "vide"
}

// longestSegment in seconds; what claims more is nonsense.
const longestSegment = 24 * 3600

// Measure says what a segment under this section is, by its own time stamps.
// What it says of key frames is for video alone.
func (s *Section) Measure(segment []byte) (hls.Measurement, error) {
	m := hls.Measurement{Bytes: int64(len(segment)), Moof: hls.FactOf(len(segment) >= 8 && string(segment[4:8]) == "moof")}
	f := fragments{r: bytes.NewReader(segment)}
	var ticks, key, longest int64
	for samples := 0; ; {
		list, err := f.next(s.t)
		if errors.Is(err, io.EOF) {
			if samples == 0 {
				return m, errors.New("transcode: a segment without samples")
			}
			break
		}
		if err != nil {
			return m, fmt.Errorf("transcode: %w", err)
		}
		for _, sample := range list {
			if samples == 0 && s.Video() {
				m.KeyFirst = hls.FactOf(sample.IsSync())
			}
			if sample.IsSync() {
				longest, key = max(longest, ticks-key), ticks
			}
			ticks += int64(sample.Dur)
			samples++
		}
	}
	if ticks/int64(s.t.timescale) > longestSegment {
		return m, errors.New("transcode: a segment that lasts more than a day")
	}
	length := ratio(int(s.t.timescale), 1).time
	m.Duration = length(ticks)
	if s.Video() {
		m.KeyInterval = length(max(longest, ticks-key))
	}
	return m, nil
}
