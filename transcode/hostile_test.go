package transcode

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"
)

// box of an MP4 file.
func rawBox(kind string, body ...[]byte) []byte {
	whole := bytes.Join(body, nil)
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(whole)))
	return append(append(b, kind...), whole...)
}

func words(values ...uint32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// A run that says nothing of its samples takes 16 bytes for 1024 of them: 4 MiB
// of runs would be 20 GiB in memory.
func TestAFragmentOfMoreSamplesThanAreGivenIsRefused(t *testing.T) {
	t.Parallel()
	fragment := func(runs, each int) []byte {
		trun := rawBox("trun", words(0, uint32(each)))
		traf := rawBox("traf", rawBox("tfhd", words(0x020000, 1)), rawBox("tfdt", words(0, 0)), bytes.Repeat(trun, runs))
		return append(rawBox("moof", rawBox("mfhd", words(0, 1)), traf), rawBox("mdat", make([]byte, 8))...)
	}
	read := &track{id: 1, timescale: 1000, ticks: 1, trex: mp4.CreateTrex(1)}
	facts, err := measureSegment(fragment(1, 100), read)
	if err != nil || facts.samples != 100 {
		t.Errorf("100 samples: got %+v, %v", facts, err)
	}
	if facts, err := measureSegment(fragment(200, 1024), read); err == nil {
		t.Errorf("got %d samples out of a fragment of 4 KiB", facts.samples)
	}
}
