package transcode

import "time"

// Policy is what a publisher or origin wants of ladders. Its zero value is the
// default that the fields name.
type Policy struct {
	// Codecs of the video, each with a ladder of its own. H264 alone. H264 is
	// added where it is missing, because every player decodes it.
	Codecs []Codec `json:",omitempty"`
	// MaxHeight of the short edge in pixels; 1080.
	MaxHeight int `json:",omitempty"`
	// MaxDuration of a source; 12 hours.
	MaxDuration time.Duration `json:",omitempty"`
	// Preset trades the encoder's time for size; "veryfast" (x264's word, carried
	// over to the other encoders).
	Preset string `json:",omitempty"`
	// Quality is the constant quality of H.264 (CRF) under the ceilings of the
	// table; 23. The other codecs take theirs from it.
	Quality int `json:",omitempty"`
	// StereoBitrate of AAC; 128,000. SurroundBitrate of 5.1; 320,000.
	StereoBitrate   int `json:",omitempty"`
	SurroundBitrate int `json:",omitempty"`
	// PieceSegments in a piece of a long video; 15, a minute.
	PieceSegments int `json:",omitempty"`
}

// withDefaults fills what is zero.
func (p Policy) withDefaults() Policy {
	if len(p.Codecs) == 0 {
		p.Codecs = []Codec{H264}
	}
	p.MaxHeight = orElse(p.MaxHeight, 1080)
	p.MaxDuration = orElse(p.MaxDuration, 12*time.Hour)
	p.Preset = orElse(p.Preset, "veryfast")
	p.Quality = orElse(p.Quality, 23)
	p.StereoBitrate = orElse(p.StereoBitrate, 128_000)
	p.SurroundBitrate = orElse(p.SurroundBitrate, 320_000)
	p.PieceSegments = orElse(p.PieceSegments, 15)
	return p
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
