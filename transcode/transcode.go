// Package transcode makes an HLS tree of a source file: a ladder of video
// rungs, audio and caption renditions, playlists, a poster and thumbnails. It
// knows no slices and no servers.
//
// A file goes through four steps, each of which may run on another machine and
// may be repeated:
//
//	Probe     what is in the file, or a Refusal with a sentence for its uploader
//	Ladder    pure: what will be made of it, as a Plan that travels as JSON
//	Encode    one Task: some renditions of one piece of a long video
//	Assemble  playlists from what the segments measure, poster, thumbnails
//
// ffmpeg and ffprobe read what strangers uploaded, so they run in a
// sandbox.Box and nowhere else. What they leave is read as a stranger's bytes
// too: a segment is parsed, placed on the timeline and checked for its leading
// key frame before it gets its name.
//
// Every rung has its key frames at the same times, in whatever pieces and on
// whatever machines it was made: a piece begins at a multiple of the segment
// length, is decoded from a key frame of the source before it, and brought to
// the planned frames by count. docs/formats/ladder.md describes the tree.
package transcode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// The functions of the contract, as types, so that who drives them can be
// tested without ffmpeg: Probe, Ladder, Encode, Assemble and Grow are these.
type (
	// ProbeFunc says what the file at path holds. A file that cannot become a
	// ladder gives a *Refusal; any other error is ours, and trying again may help.
	ProbeFunc func(ctx context.Context, box *sandbox.Box, path string) (Source, error)
	// LadderFunc plans, without input or output. A *Refusal when nothing in the
	// source can be played.
	LadderFunc func(Source, Policy) (Plan, error)
	// EncodeFunc makes the renditions of one task of the source at path into
	// dir, which may hold other tasks' results. The calls of watch, when it is not
	// nil, never overlap; it should return soon. A segment under its name is
	// complete and never changes: a task that is done again keeps those that are
	// there and sound.
	EncodeFunc func(ctx context.Context, box *sandbox.Box, path string, plan Plan, task Task, dir string, watch func(Event)) error
	// AssembleFunc finishes the tree in dir when all tasks are done: measures
	// all segments, makes poster, storyboard and caption segments, and writes
	// the playlists, the multivariant last. Done twice, it leaves the same bytes.
	AssembleFunc func(ctx context.Context, box *sandbox.Box, plan Plan, dir string) (Tree, error)
	// GrowFunc writes the playlists of an unfinished tree: the named renditions,
	// each as far as all of them have come without a gap, as EVENT playlists.
	// It runs no program.
	GrowFunc func(plan Plan, dir string, renditions []string) (Tree, error)
)

// Source is what a probe found in a file.
type Source struct {
	// Container is ffprobe's name of the format.
	Container string
	// Duration of what can be played, measured near the end and not taken from
	// the header alone.
	Duration time.Duration
	Bytes    int64
	// Video is nil when there is only sound.
	Video    *Video    `json:",omitempty"`
	Audio    []Audio   `json:",omitempty"`
	Captions []Caption `json:",omitempty"`
	// Left are sentences about what is in the file and does not come along:
	// bitmap subtitles, cover art, a second video, data, a missing end.
	Left []string `json:",omitempty"`
}

// Video is the picture track of a source.
type Video struct {
	Stream int // index in the file
	Codec  string
	// Width and Height as displayed: rotated and with square pixels.
	Width, Height int
	// Rotation that the file asks for, already in Width and Height.
	Rotation int    `json:",omitempty"`
	SAR      Ratio  // of the coded pixels
	Rate     Ratio  // frames per second; of a variable rate the one that loses no frame that a screen shows
	Variable bool   `json:",omitempty"`
	PixelFmt string // ffmpeg's name
	BitDepth int
	// HDR is "pq" or "hlg" for high dynamic range.
	HDR        string `json:",omitempty"`
	Matrix     string `json:",omitempty"` // ffmpeg's colour space; empty is unknown
	Interlaced bool   `json:",omitempty"`
}

// Audio is a sound track of a source.
type Audio struct {
	Stream   int
	Codec    string
	Channels int
	Language string `json:",omitempty"` // BCP 47
	Title    string `json:",omitempty"`
	Default  bool   `json:",omitempty"`
}

// Caption is a text track of a source that WebVTT can carry.
type Caption struct {
	Stream   int
	Codec    string
	Language string `json:",omitempty"`
	Title    string `json:",omitempty"`
	Default  bool   `json:",omitempty"`
	Forced   bool   `json:",omitempty"`
}

// Ratio is a fraction in lowest terms, so that it can be compared.
type Ratio struct{ Num, Den int }

// Task is one run of ffmpeg.
type Task struct {
	// Piece of the video. Sound and captions are made in one: plan.Whole().
	Piece Piece
	// Renditions by name (plan.Rungs, plan.Audio, plan.Captions). Video and the
	// others do not go into one task.
	Renditions []string
}

// Piece is a run of segments.
type Piece struct {
	Index int
	// First segment, and how many.
	First, Count int
	// From and To in the source's time, for people; segments are exact.
	From, To time.Duration
}

// Event tells how a task goes.
type Event struct {
	// Done of the task, 0 to 1, and how many seconds of video a second makes.
	Done, Speed float64
	// Segment is set when one has got its name, relative to the task's dir.
	Segment *Segment `json:",omitempty"`
}

// Segment is one media segment on disk.
type Segment struct {
	Rendition string
	Number    int
	Path      string // below the tree, with slashes
	Bytes     int64
	Duration  time.Duration
}

// Tree is what Assemble and Grow wrote.
type Tree struct {
	// Multivariant is the path of the playlist that players open.
	Multivariant string
	// Files of the tree that belong to it, sorted, the multivariant included.
	Files []string
	// Duration of what the playlists list; Complete when nothing is to come.
	Duration time.Duration
	Complete bool
	// Integrity is the digest over all media playlists that the multivariant
	// lists: lower-case hex of SHA-256.
	Integrity string
	// Renditions as measured.
	Renditions []Measured
}

// Measured is one rendition of a finished or growing tree.
type Measured struct {
	Name string
	// Codecs after RFC 6381; empty for captions.
	Codecs string
	// Average and Peak in bits per second, of segments as they are.
	Average, Peak int
	Segments      int
	Bytes         int64
}

// Reason is why a file is refused, for programs.
type Reason string

// Why a file is refused.
const (
	ReasonEmpty       Reason = "empty"       // no bytes
	ReasonNotMedia    Reason = "not_media"   // no container that is accepted
	ReasonPlaylist    Reason = "playlist"    // names other files instead of holding media
	ReasonStill       Reason = "still_image" // one picture
	ReasonTruncated   Reason = "truncated"   // too much is missing to play anything
	ReasonUnsupported Reason = "unsupported" // a codec or kind that is not decoded here
	ReasonTooLarge    Reason = "too_large"   // longer or larger than the policy allows
	ReasonDamaged     Reason = "damaged"     // decoding stops at errors
)

// Refusal is an answer about a file, not a failure of ours: trying again gives
// the same.
type Refusal struct {
	Reason Reason
	// Sentence is for the uploader: what is wrong with his file and what to do.
	Sentence string
	// Detail is what the program said, for the log.
	Detail string
}

func (r *Refusal) Error() string { return fmt.Sprintf("transcode: %s: %s", r.Reason, r.Sentence) }

// Errors that callers act on.
var (
	// ErrMissing: a segment that the plan names is not there; run its task.
	ErrMissing = errors.New("segment is missing")
	// ErrSeam: a piece does not fit the others (another encoder version); run
	// its rendition's tasks again on one kind of machine.
	ErrSeam = errors.New("pieces do not fit together")
)

var (
	_ ProbeFunc    = Probe
	_ LadderFunc   = Ladder
	_ EncodeFunc   = Encode
	_ AssembleFunc = Assemble
	_ GrowFunc     = Grow
)
