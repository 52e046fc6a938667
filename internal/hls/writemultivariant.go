package hls

import (
	"strconv"
	"strings"
)

// WriteMultivariant writes a multivariant playlist; equal ones give equal bytes.
// Renditions come first, since some players read in one pass, then variants in
// their order: the first is where players begin.
func WriteMultivariant(m *Multivariant) ([]byte, error) {
	w := &writer{}
	w.tag("EXTM3U", "")
	if v := m.version(); v > 1 {
		w.tag(tagVersion, strconv.Itoa(v))
	}
	w.flag(tagIndependent, m.IndependentSegments)
	w.start(m.Start)
	if s := m.Steering; s != nil {
		w.attrs(tagSteering, quoted("SERVER-URI", s.ServerURI), quoted("PATHWAY-ID", s.PathwayID))
	}
	for _, d := range m.SessionData {
		w.attrs(tagSessionData, quoted("DATA-ID", d.DataID), quoted("VALUE", d.Value), quoted("URI", d.URI), bare("FORMAT", d.Format), quoted("LANGUAGE", d.Language))
	}
	for _, k := range m.SessionKeys {
		w.key(tagSessionKey, k)
	}
	for i := range m.Renditions {
		w.rendition(&m.Renditions[i])
	}
	for i := range m.Variants {
		v := &m.Variants[i]
		w.attrs(tagStreamInf, v.attrs()...)
		w.uri(v.URI)
		w.bandwidth(v)
	}
	for i := range m.IFrames {
		v := &m.IFrames[i]
		w.attrs(tagIFrameInf, append(v.attrs(), quoted("URI", v.URI))...)
		w.bandwidth(v)
	}
	return w.done(func(p *Playlist) error {
		_, err := p.Multivariant()
		return err
	})
}

func (w *writer) bandwidth(v *Variant) {
	if v.Bandwidth <= 0 || v.URI == "" {
		w.fail("the variant %.60q needs a URI and its peak bit rate", v.URI)
	}
}

func (v *Variant) attrs() []Attr {
	list := []Attr{
		number("BANDWIDTH", v.Bandwidth), number("AVERAGE-BANDWIDTH", v.AverageBandwidth),
		float("SCORE", v.Score, -1), quoted("CODECS", v.Codecs), quoted("SUPPLEMENTAL-CODECS", v.SupplementalCodecs),
		bare("RESOLUTION", v.resolution()), float("FRAME-RATE", v.FrameRate, 3), bare("HDCP-LEVEL", v.HDCPLevel),
		quoted("ALLOWED-CPC", v.AllowedCPC), bare("VIDEO-RANGE", v.VideoRange), quoted("REQ-VIDEO-LAYOUT", v.ReqVideoLayout),
		quoted("STABLE-VARIANT-ID", v.StableID), quoted("AUDIO", v.Audio), quoted("VIDEO", v.Video), quoted("SUBTITLES", v.Subtitles),
	}
	if v.NoClosedCaptions {
		list = append(list, bare("CLOSED-CAPTIONS", "NONE"))
	} else {
		list = append(list, quoted("CLOSED-CAPTIONS", v.ClosedCaptions))
	}
	return append(list, quoted("PATHWAY-ID", v.PathwayID), quoted("NAME", v.Name), digestAttr(v.Digest))
}

func (v *Variant) resolution() string {
	if v.Width == 0 || v.Height == 0 {
		return ""
	}
	return strconv.Itoa(v.Width) + "x" + strconv.Itoa(v.Height)
}

// float is a decimal number, left out when it is 0.
func float(name string, f float64, decimals int) Attr {
	if f == 0 {
		return bare(name, "")
	}
	return bare(name, strconv.FormatFloat(f, 'f', decimals, 64))
}

func (w *writer) rendition(r *Rendition) {
	if r.Type == "" || r.GroupID == "" || r.Name == "" {
		w.fail("the rendition %.40q needs type, group and name", r.Name)
	}
	w.attrs(tagMedia, bare("TYPE", r.Type), quoted("GROUP-ID", r.GroupID), quoted("NAME", r.Name), quoted("LANGUAGE", r.Language),
		quoted("ASSOC-LANGUAGE", r.AssocLanguage), yes("DEFAULT", r.Default), yes("AUTOSELECT", r.AutoSelect), yes("FORCED", r.Forced),
		quoted("INSTREAM-ID", r.InstreamID), number("BIT-DEPTH", int64(r.BitDepth)), number("SAMPLE-RATE", int64(r.SampleRate)),
		quoted("CHARACTERISTICS", r.Characteristics), quoted("CHANNELS", r.Channels), quoted("STABLE-RENDITION-ID", r.StableID),
		quoted("URI", r.URI), digestAttr(r.Digest))
}

// version is the lowest protocol version that has all features of the playlist
// (RFC 8216bis section 8). Renditions ask for 4, as that section advises.
func (m *Multivariant) version() int {
	v := 1
	if len(m.Renditions) > 0 || len(m.IFrames) > 0 {
		v = 4
	}
	for _, k := range m.SessionKeys {
		if k.KeyFormat != "" || k.KeyFormatVersions != "" {
			v = max(v, 5)
		}
	}
	for _, r := range m.Renditions {
		switch {
		case r.Type != "CLOSED-CAPTIONS" && r.InstreamID != "":
			v = max(v, 13)
		case strings.HasPrefix(r.InstreamID, "SERVICE"):
			v = max(v, 7)
		}
	}
	for _, variant := range m.Variants {
		if variant.ReqVideoLayout != "" {
			v = max(v, 12)
		}
	}
	return v
}
