package transcode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/stratos-mesh/stratos/internal/hls"
)

// maxSegment bounds a file of the tree that is read whole.
const maxSegment = 512 << 20

// segmentFacts is what one segment turned out to be.
type segmentFacts struct {
	bytes  int64
	digest hls.Digest
	// start and ticks in the track's timescale.
	start, ticks int64
	samples      int
	keys         []keyFacts
}

// keyFacts is one key frame: the bytes from its moof to its end, and for how many
// samples it stands.
type keyFacts struct {
	offset, length int64
	samples        int
	digest         hls.Digest
}

// measureSegment reads a segment that a cutter wrote, or says what is wrong.
func measureSegment(b []byte, t *track) (*segmentFacts, error) {
	facts := &segmentFacts{bytes: int64(len(b)), digest: hls.Sum(b), start: -1}
	f := fragments{r: bytes.NewReader(b)}
	for {
		fragment, err := f.fragment()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := facts.add(b, fragment, t); err != nil {
			return nil, err
		}
	}
	if facts.samples == 0 {
		return nil, errors.New("it holds no samples")
	}
	return facts, nil
}

func (s *segmentFacts) add(b []byte, fragment *mp4.Fragment, t *track) error {
	samples, err := samplesOf(fragment, t)
	if err != nil {
		return err
	}
	if len(samples) == 0 {
		return errors.New("it holds an empty fragment")
	}
	at := int64(samples[0].DecodeTime)
	if s.start < 0 {
		s.start = at
	}
	if at != s.start+s.ticks {
		return fmt.Errorf("a fragment begins at %d instead of %d", at, s.start+s.ticks)
	}
	if samples[0].IsSync() {
		from := int64(fragment.Moof.StartPos)
		to := int64(fragment.Mdat.PayloadAbsoluteOffset()) + int64(samples[0].Size)
		if from < 0 || to > int64(len(b)) || from >= to {
			return errors.New("a key frame outside of its segment")
		}
		s.keys = append(s.keys, keyFacts{offset: from, length: to - from, samples: len(samples), digest: hls.Sum(b[from:to])})
	}
	for _, sample := range samples {
		s.ticks += int64(sample.Dur)
	}
	s.samples += len(samples)
	return nil
}

// readTree reads a file of the tree, bounded.
func readTree(dir, name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("transcode: %s: %w", name, ErrMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("transcode: read %s: %w", name, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSegment))
	if err != nil {
		return nil, fmt.Errorf("transcode: read %s: %w", name, err)
	}
	return b, nil
}

// readInit reads a rendition's initialization section.
func readInit(dir, rendition string) (*track, error) {
	b, err := readTree(dir, rendition+"/"+initName)
	if err != nil {
		return nil, err
	}
	f := fragments{r: bytes.NewReader(b)}
	t, err := f.header()
	if err != nil {
		return nil, fmt.Errorf("transcode: %s/%s: %w: %w", rendition, initName, err, ErrMissing)
	}
	return t, nil
}
