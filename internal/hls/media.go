package hls

import "time"

// Media is a media playlist: what a reader needs of it, and all that WriteMedia
// writes.
type Media struct {
	// Version as it was read; writers compute their own.
	Version int
	// TargetDuration in whole seconds. WriteMedia takes the longest segment's when
	// it is 0; a playlist that grows fixes it.
	TargetDuration int
	// Sequence is the first segment's number.
	Sequence int64
	// DiscontinuitySequence is the first segment's discontinuity number.
	DiscontinuitySequence int64
	// Type is VOD, EVENT or empty.
	Type string
	// IndependentSegments says that every segment starts with a key frame.
	IndependentSegments bool
	// IFramesOnly says that every segment is one key frame.
	IFramesOnly bool
	// Start says where to begin playing, nil where the player likes.
	Start    *Start
	Segments []Segment
	// EndList says that nothing will be added.
	EndList bool
}

// Start is EXT-X-START.
type Start struct {
	// Offset from the beginning, or from the end when negative.
	Offset time.Duration
	// Precise asks the player not to show what comes before Offset.
	Precise bool
}

// A Segment of a media playlist with everything that applies to it.
type Segment struct {
	// Line of the segment's URI, when it was read.
	Line     int
	URI      string
	Duration time.Duration
	Title    string
	// Range is the part of the file, nil for all of it.
	Range *ByteRange
	// Map is the initialization section in force; segments that share one have
	// equal values.
	Map *Map
	// Keys in force, one for each KEYFORMAT.
	Keys []Key
	// Discontinuity stands between this segment and the one before.
	Discontinuity bool
	// Gap says that the segment is missing and not to be loaded.
	Gap bool
	// DateTime of the first frame when the playlist says so, else zero.
	DateTime time.Time
	// Bitrate in force by EXT-X-BITRATE in kbit/s, 0 without one.
	Bitrate int64
	// Digest of the segment or its byte range, by EXT-X-STRATOS-SHA256.
	Digest Digest
}

// Map is EXT-X-MAP, an initialization section.
type Map struct {
	// Line it was read from.
	Line   int
	URI    string
	Range  *ByteRange
	Digest Digest
}

// Key is EXT-X-KEY or EXT-X-SESSION-KEY.
type Key struct {
	Method, URI, IV, KeyFormat, KeyFormatVersions string
}

// Duration is the sum of all segments.
func (m *Media) Duration() time.Duration {
	var sum time.Duration
	for _, s := range m.Segments {
		sum += s.Duration
	}
	return sum
}
