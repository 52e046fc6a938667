package hls

import (
	"fmt"
	"math"
	"strings"
)

// Multivariant reads the playlist as a multivariant playlist.
func (p *Playlist) Multivariant() (*Multivariant, error) {
	vars, err := p.variables()
	if err != nil {
		return nil, err
	}
	r := &multivariantReader{m: &Multivariant{}, vars: vars, seen: map[string]bool{}}
	for i, l := range p.lines {
		if l.Kind() == Blank || l.Kind() == Comment {
			continue
		}
		if l.Kind() == URI {
			err = r.uri(i, l)
		} else {
			err = r.tag(i, l)
		}
		if err != nil {
			return nil, err
		}
	}
	if r.open {
		return nil, fail(r.m.Variants[len(r.m.Variants)-1].Line-1, "#%s has no URI on the next line: add it", tagStreamInf)
	}
	if len(r.m.Variants) == 0 {
		return nil, &LineError{Text: "the playlist has no #EXT-X-STREAM-INF: this is no multivariant playlist"}
	}
	return r.m, nil
}

type multivariantReader struct {
	m    *Multivariant
	vars *variables
	seen map[string]bool
	// open says that EXT-X-STREAM-INF was read and its URI not yet.
	open bool
}

func (r *multivariantReader) uri(i int, l Line) error {
	if !r.open {
		return fail(i, "the URI %.60q has no #%s before it: add the tag", l.Text(), tagStreamInf)
	}
	uri, err := r.vars.replace(i, l.Text())
	r.m.Variants[len(r.m.Variants)-1].URI, r.open = uri, false
	return err
}

func (r *multivariantReader) tag(i int, l Line) error {
	name := l.Name()
	if mediaTags[name] {
		return fail(i, "#%s belongs into a media playlist: this one is read as a multivariant playlist", name)
	}
	if r.open && multivariantTags[name] {
		return fail(i, "#%s stands between #%s and its URI: move it", name, tagStreamInf)
	}
	switch name {
	case tagVersion, tagIndependent, tagStart, tagSteering:
		if r.seen[name] {
			return fail(i, "#%s stands there twice: remove one", name)
		}
		r.seen[name] = true
	}
	m := r.m
	switch name {
	case tagVersion:
		n, err := parseInt(l.Value(), 1000)
		if err != nil {
			return fail(i, "#%s: %v", name, err)
		}
		m.Version = int(n)
	case tagIndependent:
		m.IndependentSegments = true
	case tagStart:
		var err error
		m.Start, err = readStart(i, l, r.vars)
		return err
	case tagStreamInf, tagIFrameInf, tagMedia, tagSessionData, tagSessionKey, tagSteering:
		return r.attributes(i, l, name)
	}
	return nil
}

// attributes reads the tags that are attribute lists.
func (r *multivariantReader) attributes(i int, l Line, name string) error {
	m, f := r.m, newFields(i, l, r.vars)
	switch name {
	case tagStreamInf:
		m.Variants, r.open = append(m.Variants, f.variant()), true
	case tagIFrameInf:
		v := f.variant()
		v.URI = f.need("URI")
		m.IFrames = append(m.IFrames, v)
	case tagMedia:
		m.Renditions = append(m.Renditions, f.rendition())
	case tagSessionData:
		d := SessionData{Line: i + 1, DataID: f.need("DATA-ID"), Value: f.text("VALUE"), URI: f.text("URI"), Format: f.text("FORMAT"), Language: f.text("LANGUAGE")}
		m.SessionData = append(m.SessionData, d)
	case tagSessionKey:
		k, err := readKey(i, l, r.vars)
		m.SessionKeys = append(m.SessionKeys, k)
		return err
	case tagSteering:
		m.Steering = &Steering{ServerURI: f.need("SERVER-URI"), PathwayID: f.text("PATHWAY-ID")}
	}
	return f.err
}

func (f *fields) variant() Variant {
	v := Variant{
		Line: f.index + 1, Bandwidth: f.int("BANDWIDTH", maxOffset), AverageBandwidth: f.int("AVERAGE-BANDWIDTH", maxOffset),
		Score: f.decimal("SCORE"), Codecs: f.text("CODECS"), SupplementalCodecs: f.text("SUPPLEMENTAL-CODECS"),
		FrameRate: f.decimal("FRAME-RATE"), HDCPLevel: f.text("HDCP-LEVEL"), AllowedCPC: f.text("ALLOWED-CPC"),
		VideoRange: f.text("VIDEO-RANGE"), ReqVideoLayout: f.text("REQ-VIDEO-LAYOUT"), StableID: f.text("STABLE-VARIANT-ID"),
		Audio: f.text("AUDIO"), Video: f.text("VIDEO"), Subtitles: f.text("SUBTITLES"), ClosedCaptions: f.text("CLOSED-CAPTIONS"),
		PathwayID: f.text("PATHWAY-ID"), Name: f.text("NAME"), Digest: f.digest(attrDigest),
	}
	f.need("BANDWIDTH")
	if i := f.list.index("CLOSED-CAPTIONS"); i >= 0 && !f.list[i].Quoted && v.ClosedCaptions == "NONE" {
		v.ClosedCaptions, v.NoClosedCaptions = "", true
	}
	size := read(f, "RESOLUTION", parseResolution)
	v.Width, v.Height = size[0], size[1]
	return v
}

// parseResolution reads WIDTHxHEIGHT; with a zero in it, as packagers write for
// audio, it is none.
func parseResolution(text string) (size [2]int, err error) {
	w, h, _ := strings.Cut(text, "x")
	width, err := parseInt(w, math.MaxInt32)
	height, err2 := parseInt(h, math.MaxInt32)
	if err != nil || err2 != nil {
		return size, fmt.Errorf("%.40q is no resolution: write WIDTHxHEIGHT in pixels", text)
	}
	if width == 0 || height == 0 {
		return size, nil
	}
	return [2]int{int(width), int(height)}, nil
}

func (f *fields) rendition() Rendition {
	r := Rendition{
		Line: f.index + 1, Type: f.need("TYPE"), URI: f.text("URI"), GroupID: f.need("GROUP-ID"), Name: f.need("NAME"),
		Language: f.text("LANGUAGE"), AssocLanguage: f.text("ASSOC-LANGUAGE"), StableID: f.text("STABLE-RENDITION-ID"),
		Default: f.yes("DEFAULT"), AutoSelect: f.yes("AUTOSELECT"), Forced: f.yes("FORCED"), InstreamID: f.text("INSTREAM-ID"),
		BitDepth: int(f.int("BIT-DEPTH", 1000)), SampleRate: int(f.int("SAMPLE-RATE", math.MaxInt32)),
		Characteristics: f.text("CHARACTERISTICS"), Channels: f.text("CHANNELS"), Digest: f.digest(attrDigest),
	}
	switch r.Type {
	case "AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS", "":
	default:
		f.fail("TYPE is %.20q: write AUDIO, VIDEO, SUBTITLES or CLOSED-CAPTIONS", r.Type)
	}
	if r.URI == "" && r.Type == "SUBTITLES" {
		f.fail("subtitles need the attribute URI: add where their playlist is")
	}
	return r
}
