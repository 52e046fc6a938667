package hls

import "strings"

// Kind of a line.
type Kind uint8

// The kinds. A comment begins with # but not with #EXT.
const (
	Blank Kind = iota
	Comment
	Tag
	URI
)

// A Line of a playlist, with the line break as it was found.
type Line struct {
	text, end string
}

// Text is the line without its line break.
func (l Line) Text() string { return l.text }

// Kind says what the line is. Lines of spaces are blank.
func (l Line) Kind() Kind {
	switch {
	case strings.HasPrefix(l.text, "#EXT"):
		return Tag
	case strings.HasPrefix(l.text, "#"):
		return Comment
	case strings.TrimLeft(l.text, " ") == "":
		return Blank
	}
	return URI
}

// Name is a tag's name without the #, as EXT-X-MAP.
func (l Line) Name() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(l.text, "#"), ":")
	return name
}

// Value is what follows the colon after a tag's name, empty without one.
func (l Line) Value() string {
	_, value, _ := strings.Cut(l.text, ":")
	return value
}

// is says whether the line is this tag.
func (l Line) is(name string) bool { return l.Kind() == Tag && l.Name() == name }

// Names of the tags that this package reads or writes.
const (
	tagVersion      = "EXT-X-VERSION"
	tagIndependent  = "EXT-X-INDEPENDENT-SEGMENTS"
	tagStart        = "EXT-X-START"
	tagDefine       = "EXT-X-DEFINE"
	tagTarget       = "EXT-X-TARGETDURATION"
	tagSequence     = "EXT-X-MEDIA-SEQUENCE"
	tagDiscSequence = "EXT-X-DISCONTINUITY-SEQUENCE"
	tagEndList      = "EXT-X-ENDLIST"
	tagType         = "EXT-X-PLAYLIST-TYPE"
	tagIFramesOnly  = "EXT-X-I-FRAMES-ONLY"
	tagSkip         = "EXT-X-SKIP"
	tagInf          = "EXTINF"
	tagByteRange    = "EXT-X-BYTERANGE"
	tagDiscontinue  = "EXT-X-DISCONTINUITY"
	tagKey          = "EXT-X-KEY"
	tagMap          = "EXT-X-MAP"
	tagDateTime     = "EXT-X-PROGRAM-DATE-TIME"
	tagGap          = "EXT-X-GAP"
	tagBitrate      = "EXT-X-BITRATE"
	tagMedia        = "EXT-X-MEDIA"
	tagStreamInf    = "EXT-X-STREAM-INF"
	tagIFrameInf    = "EXT-X-I-FRAME-STREAM-INF"
	tagSessionData  = "EXT-X-SESSION-DATA"
	tagSessionKey   = "EXT-X-SESSION-KEY"
	tagSteering     = "EXT-X-CONTENT-STEERING"

	tagDigest = "EXT-X-STRATOS-SHA256"
	tagSigned = "EXT-X-STRATOS-SIGNED"
)

// attrDigest is the attribute that carries a digest inside other tags.
const attrDigest = "X-STRATOS-SHA256"

// multivariantTags may stand in multivariant playlists only.
var multivariantTags = map[string]bool{
	tagMedia: true, tagStreamInf: true, tagIFrameInf: true, tagSessionData: true, tagSessionKey: true, tagSteering: true,
}

// mediaTags may stand in media playlists only.
var mediaTags = map[string]bool{
	tagTarget: true, tagSequence: true, tagDiscSequence: true, tagEndList: true, tagType: true, tagIFramesOnly: true,
	tagInf: true, tagByteRange: true, tagDiscontinue: true, tagKey: true, tagMap: true, tagDateTime: true, tagGap: true,
	tagBitrate: true, tagSkip: true, "EXT-X-PART": true, "EXT-X-PART-INF": true, "EXT-X-SERVER-CONTROL": true,
	"EXT-X-DATERANGE": true, "EXT-X-PRELOAD-HINT": true, "EXT-X-RENDITION-REPORT": true,
}

// hasAttrs says whether a tag's value is an attribute list.
func hasAttrs(tag string) bool {
	switch tag {
	case tagStart, tagDefine, tagSkip, tagKey, tagMap, tagSigned, "EXT-X-PART", "EXT-X-PART-INF",
		"EXT-X-SERVER-CONTROL", "EXT-X-DATERANGE", "EXT-X-PRELOAD-HINT", "EXT-X-RENDITION-REPORT":
		return true
	}
	return multivariantTags[tag]
}
