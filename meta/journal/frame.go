package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A segment file is a header and frames.
//
//	header  "stratosj" 8 ‖ version 4 ‖ CRC32C of the other fields 4 ‖ first height 8
//	frame   length 4 ‖ CRC32C of all that follows 4 ‖ height 8 ‖ synced 8 ‖ record
//
// Length counts the record alone. Synced is the newest height that was known to
// survive a crash when the frame was written. It tells a torn tail from damage:
// where a frame is unreadable and a later one is not, the first was synced if
// the later one says so, and else both belong to a write that never ended.
const (
	segmentMagic   = "stratosj"
	segmentVersion = 1
	headerSize     = 24
	frameSize      = 24
)

type frame struct {
	height, synced uint64
	record         []byte
}

func castagnoli(b []byte) uint32 {
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
}

func appendHeader(b []byte, first uint64) []byte { return appendHeaderAs(b, segmentMagic, first) }

func appendHeaderAs(b []byte, magic string, first uint64) []byte {
	start := len(b)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint32(b, segmentVersion)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint64(b, first)
	h := b[start:]
	binary.BigEndian.PutUint32(h[12:], castagnoli(append(h[:12:12], h[16:]...)))
	return b
}

func parseHeader(h []byte) (first uint64, err error) { return parseHeaderAs(h, segmentMagic) }

func parseHeaderAs(h []byte, magic string) (first uint64, err error) {
	switch {
	case len(h) < headerSize || string(h[:8]) != magic:
		return 0, fmt.Errorf("not a file of a journal")
	case binary.BigEndian.Uint32(h[8:]) != segmentVersion:
		return 0, fmt.Errorf("segment version %d, want %d", binary.BigEndian.Uint32(h[8:]), segmentVersion)
	case binary.BigEndian.Uint32(h[12:]) != castagnoli(append(h[:12:12], h[16:headerSize]...)):
		return 0, fmt.Errorf("checksum of the segment's header differs")
	}
	return binary.BigEndian.Uint64(h[16:]), nil
}

func appendFrame(b []byte, f frame) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.record)))
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint64(b, f.height)
	b = binary.BigEndian.AppendUint64(b, f.synced)
	b = append(b, f.record...)
	binary.BigEndian.PutUint32(b[start+4:], castagnoli(b[start+8:]))
	return b
}

// parseFrame reads the frame of a height that b begins with, and how many bytes
// it takes. The record shares b's memory.
func parseFrame(b []byte, height uint64) (f frame, size int, ok bool) {
	if len(b) < frameSize {
		return frame{}, 0, false
	}
	length := int64(binary.BigEndian.Uint32(b))
	f.height = binary.BigEndian.Uint64(b[8:])
	f.synced = binary.BigEndian.Uint64(b[16:])
	if length == 0 || length > MaxRecord || length > int64(len(b)-frameSize) || f.height != height || f.synced >= height {
		return frame{}, 0, false
	}
	size = frameSize + int(length)
	if castagnoli(b[8:size]) != binary.BigEndian.Uint32(b[4:]) {
		return frame{}, 0, false
	}
	f.record = b[frameSize:size]
	return f, size, true
}

// syncedLater looks in what follows an unreadable frame for one that says the
// unreadable one had been synced.
func syncedLater(b []byte, unreadable uint64) bool {
	for ; len(b) >= frameSize; b = b[1:] {
		height := binary.BigEndian.Uint64(b[8:])
		if height <= unreadable || height-unreadable > uint64(len(b)) {
			continue
		}
		if f, _, ok := parseFrame(b, height); ok && f.synced >= unreadable {
			return true
		}
	}
	return false
}
