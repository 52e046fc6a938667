package transcode

import "time"

// PlanVersion is in every plan. A worker that does not know it leaves the job
// to another.
const PlanVersion = 1

// Plan is what will be made of a source. It is complete: a worker needs it and
// the source, nothing else. It travels as JSON.
type Plan struct {
	Version int
	Source  Source

	// Rate of the grid: the rate of the fastest rung; others are a whole part of
	// it. Without video it is zero.
	Rate Ratio
	// Frames at Rate, of the whole.
	Frames int64
	// KeyFrames and SegmentFrames are lengths in frames at Rate.
	KeyFrames, SegmentFrames int
	// Segments of every rendition, and how many make a piece.
	Segments, PieceSegments int
	// SegmentTime is the length of a segment, also where there is only sound.
	SegmentTime time.Duration
	// Length of every rendition.
	Length time.Duration

	// Rungs with the one that players should start with first, then from high
	// to low.
	Rungs []Rung `json:",omitempty"`
	// Audio renditions, the default first. Captions too.
	Audio    []AudioRendition   `json:",omitempty"`
	Captions []CaptionRendition `json:",omitempty"`
}

// Rung is one video rendition.
type Rung struct {
	// Name is its folder below the tree, such as "video/720p".
	Name          string
	Codec         Codec
	Width, Height int
	// Divide the plan's rate by this; 1 or more.
	Divide int
	// Bitrate in bits per second is the ceiling of the average.
	Bitrate int
	// Quality is the encoder's constant quality (CRF) under that ceiling.
	Quality int
	// Profile and Level as the encoder is told; empty lets it choose.
	Profile, Level string
	// Preset of the encoder: speed against size.
	Preset string
}

// Codec is how pictures are coded.
type Codec string

// The codecs that a policy may ask for.
const (
	H264 Codec = "h264"
	HEVC Codec = "hevc"
	AV1  Codec = "av1"
)

// AudioRendition is one sound track of the tree, AAC.
type AudioRendition struct {
	Name     string // "audio/en", "audio/en-51"
	Stream   int    // of the source
	Channels int    // 2 or 6
	Bitrate  int
	Language string // BCP 47, "und" when the source says nothing
	Label    string // what a menu shows
	Default  bool
}

// CaptionRendition is one WebVTT track of the tree.
type CaptionRendition struct {
	Name     string // "captions/en"
	Stream   int
	Language string
	Label    string
	Default  bool
	Forced   bool
}

// Pieces of the video, in order; none when there is only sound.
func (p Plan) Pieces() []Piece {
	if len(p.Rungs) == 0 {
		return nil
	}
	var all []Piece
	for first := 0; first < p.Segments; first += p.PieceSegments {
		all = append(all, p.piece(len(all), first, min(p.PieceSegments, p.Segments-first)))
	}
	return all
}

// Whole is everything in one piece: sound, captions, and the quick pass of low
// rungs.
func (p Plan) Whole() Piece { return p.piece(0, 0, p.Segments) }

func (p Plan) piece(index, first, count int) Piece {
	return Piece{
		Index: index, First: first, Count: count,
		From: min(time.Duration(first)*p.SegmentTime, p.Length),
		To:   min(time.Duration(first+count)*p.SegmentTime, p.Length),
	}
}

// Tasks that together make the whole tree: sound and captions first, then the
// video piece by piece, all rungs of a codec together.
func (p Plan) Tasks() []Task {
	var all []Task
	if names := p.soundAndText(); len(names) > 0 {
		all = append(all, Task{Piece: p.Whole(), Renditions: names})
	}
	for _, codec := range []Codec{H264, HEVC, AV1} {
		var rungs []string
		for _, r := range p.Rungs {
			if r.Codec == codec {
				rungs = append(rungs, r.Name)
			}
		}
		for _, piece := range p.Pieces() {
			if len(rungs) > 0 {
				all = append(all, Task{Piece: piece, Renditions: rungs})
			}
		}
	}
	return all
}

func (p Plan) soundAndText() []string {
	var names []string
	for _, a := range p.Audio {
		names = append(names, a.Name)
	}
	for _, c := range p.Captions {
		names = append(names, c.Name)
	}
	return names
}
