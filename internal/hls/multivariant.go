package hls

// Multivariant is a multivariant playlist: what a reader needs of it, and all
// that WriteMultivariant writes.
type Multivariant struct {
	// Version as it was read; writers compute their own.
	Version             int
	IndependentSegments bool
	Start               *Start
	// Steering is nil without EXT-X-CONTENT-STEERING.
	Steering    *Steering
	SessionData []SessionData
	SessionKeys []Key
	Renditions  []Rendition
	Variants    []Variant
	// IFrames are the variants of EXT-X-I-FRAME-STREAM-INF, for seeking; their
	// FrameRate, Audio, Subtitles and ClosedCaptions are not used.
	IFrames []Variant
}

// A Variant is EXT-X-STREAM-INF with its URI, or EXT-X-I-FRAME-STREAM-INF.
type Variant struct {
	// Line of the tag, when it was read.
	Line int
	URI  string
	// Bandwidth is the peak and AverageBandwidth the average bit rate of the
	// variant with the renditions it plays with, in bit/s.
	Bandwidth, AverageBandwidth int64
	Score                       float64
	// Codecs as RFC 6381 writes them, with commas.
	Codecs, SupplementalCodecs string
	Width, Height              int
	// FrameRate is the largest one, 0 when unknown.
	FrameRate                               float64
	HDCPLevel, AllowedCPC                   string
	VideoRange, ReqVideoLayout              string
	StableID                                string
	Audio, Video, Subtitles, ClosedCaptions string
	PathwayID                               string
	Name                                    string
	// NoClosedCaptions is CLOSED-CAPTIONS=NONE.
	NoClosedCaptions bool
	// Digest of the media playlist, by X-STRATOS-SHA256.
	Digest Digest
}

// A Rendition is EXT-X-MEDIA.
type Rendition struct {
	// Line of the tag, when it was read.
	Line int
	// Type is AUDIO, VIDEO, SUBTITLES or CLOSED-CAPTIONS.
	Type string
	// URI is empty when the media is inside the variants.
	URI                       string
	GroupID, Language         string
	AssocLanguage, Name       string
	StableID                  string
	Default, AutoSelect       bool
	Forced                    bool
	InstreamID                string
	BitDepth, SampleRate      int
	Characteristics, Channels string
	// Digest of the media playlist, by X-STRATOS-SHA256.
	Digest Digest
}

// SessionData is EXT-X-SESSION-DATA.
type SessionData struct {
	// Line of the tag, when it was read.
	Line                                 int
	DataID, Value, URI, Format, Language string
}

// Steering is EXT-X-CONTENT-STEERING.
type Steering struct {
	ServerURI, PathwayID string
}
