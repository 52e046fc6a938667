package transcode

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// probed is ffprobe's JSON, as far as it is used.
type probed struct {
	Format struct {
		Name     string `json:"format_name"`
		Duration string `json:"duration"`
	} `json:"format"`
	Streams []probedStream `json:"streams"`
}

type probedStream struct {
	Index       int               `json:"index"`
	Kind        string            `json:"codec_type"`
	Codec       string            `json:"codec_name"`
	Tag         string            `json:"codec_tag_string"`
	Width       int               `json:"width"`
	Height      int               `json:"height"`
	SAR         string            `json:"sample_aspect_ratio"`
	PixelFmt    string            `json:"pix_fmt"`
	Matrix      string            `json:"color_space"`
	Transfer    string            `json:"color_transfer"`
	FieldOrder  string            `json:"field_order"`
	Lowest      string            `json:"r_frame_rate"`
	Average     string            `json:"avg_frame_rate"`
	Channels    int               `json:"channels"`
	Duration    string            `json:"duration"`
	Disposition map[string]int    `json:"disposition"`
	Tags        map[string]string `json:"tags"`
	SideData    []struct {
		Rotation float64 `json:"rotation"`
	} `json:"side_data_list"`
}

// Bounds of what is taken from a file. A file may name thousands of streams.
const (
	maxEdge     = 16384
	maxTracks   = 16
	maxSentence = 12
	maxTitle    = 100
)

// parseProbed reads what ffprobe printed; the duration is the one promised.
func parseProbed(text []byte) (Source, error) {
	var p probed
	if err := json.Unmarshal(text, &p); err != nil {
		return Source{}, fmt.Errorf("transcode: read ffprobe's answer: %w", err)
	}
	s, err := p.source()
	s.Duration = p.duration()
	return s, err
}

// source sorts the streams into what comes along and what does not.
func (p *probed) source() (Source, error) {
	s := Source{Container: p.Format.Name}
	encrypted, unknown := false, ""
	for i := range p.Streams {
		t := &p.Streams[i]
		named := t.Codec != "" && t.Codec != "none" && t.Codec != "unknown"
		switch {
		case !named && (t.Kind == "video" || t.Kind == "audio"):
			encrypted = encrypted || t.Tag == "encv" || t.Tag == "enca"
			unknown = t.Tag
			s.leave("A %s track in an unknown codec (%.20q).", t.Kind, t.Tag)
		case t.Kind == "video" && t.Disposition["attached_pic"] == 1:
			s.leave("The cover picture.")
		case t.Kind == "video" && s.Video != nil:
			s.leave("A further video track (%s); the first one is used.", t.Codec)
		case t.Kind == "video":
			v, err := t.video()
			if err != nil {
				return s, err
			}
			s.Video = v
		case t.Kind == "audio" && (t.Channels == 0 || len(s.Audio) == maxTracks):
			s.leave("An audio track (%s).", t.Codec)
		case t.Kind == "audio":
			s.Audio = append(s.Audio, Audio{
				Stream: t.Index, Codec: t.Codec, Channels: t.Channels,
				Language: t.language(), Title: t.title(), Default: t.Disposition["default"] == 1,
			})
		case t.Kind == "subtitle" && isTextual(t.Codec) && len(s.Captions) < maxTracks:
			s.Captions = append(s.Captions, Caption{
				Stream: t.Index, Codec: t.Codec, Language: t.language(), Title: t.title(),
				Default: t.Disposition["default"] == 1, Forced: t.Disposition["forced"] == 1,
			})
		case t.Kind == "subtitle":
			s.leave("Subtitles that are pictures (%s); only text can be carried.", t.Codec)
		}
	}
	if s.Video != nil || len(s.Audio) > 0 {
		return s, nil
	}
	switch {
	case encrypted:
		return s, &Refusal{Reason: ReasonUnsupported, Sentence: "The file is encrypted (DRM). Upload a copy without copy protection."}
	case unknown != "":
		return s, &Refusal{Reason: ReasonUnsupported, Sentence: fmt.Sprintf("The file uses a codec (%.20q) that is not supported here. Export it as H.264, HEVC, AV1 or VP9 with AAC sound.", unknown)}
	}
	return s, &Refusal{Reason: ReasonNotMedia, Sentence: "The file holds neither video nor sound."}
}

func (s *Source) leave(format string, args ...any) {
	if len(s.Left) < maxSentence {
		s.Left = append(s.Left, fmt.Sprintf(format, args...))
	}
}

func (t *probedStream) video() (*Video, error) {
	if t.Width <= 0 || t.Height <= 0 || t.Width > maxEdge || t.Height > maxEdge {
		return nil, &Refusal{Reason: ReasonUnsupported, Sentence: fmt.Sprintf("The picture is %d × %d pixels; at most %d on an edge are taken.", t.Width, t.Height, maxEdge)}
	}
	v := &Video{
		Stream: t.Index, Codec: t.Codec, Width: t.Width, Height: t.Height, SAR: parseRatio(t.SAR), PixelFmt: t.PixelFmt,
		BitDepth: bitDepth(t.PixelFmt), Matrix: t.Matrix, Interlaced: t.FieldOrder == "tt" || t.FieldOrder == "bb" || t.FieldOrder == "tb" || t.FieldOrder == "bt",
	}
	if v.Matrix == "unknown" {
		v.Matrix = ""
	}
	// Pixels four times as wide as high are a mistake, not a format.
	if f := v.SAR.Float(); f < 0.25 || f > 4 {
		v.SAR = Ratio{1, 1}
	}
	v.Width = max(2, int(float64(v.Width)*v.SAR.Float()+0.5))
	switch t.Transfer {
	case "smpte2084":
		v.HDR = "pq"
	case "arib-std-b67":
		v.HDR = "hlg"
	}
	for _, side := range t.SideData {
		if r := (int(side.Rotation)%360 + 360) % 360; r != 0 {
			v.Rotation = r
		}
	}
	if v.Rotation == 90 || v.Rotation == 270 {
		v.Width, v.Height = v.Height, v.Width
	}
	v.Rate, v.Variable = frameRate(parseRatio(t.Lowest), parseRatio(t.Average), v.Interlaced)
	return v, nil
}

func (t *probedStream) language() string {
	tag, err := language.Parse(t.Tags["language"])
	if err != nil || tag == language.Und {
		return ""
	}
	return tag.String()
}

// title of a track, fit for a menu and an attribute of a playlist.
func (t *probedStream) title() string {
	clean := strings.Map(func(r rune) rune {
		if r < 0x20 || r == '"' || r >= 0x7f && r < 0xa0 || r == '\ufffd' {
			return -1
		}
		return r
	}, t.Tags["title"])
	if runes := []rune(strings.TrimSpace(clean)); len(runes) > maxTitle {
		return string(runes[:maxTitle])
	}
	return strings.TrimSpace(clean)
}

func isTextual(codec string) bool {
	switch codec {
	case "subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text":
		return true
	}
	return false
}

// bitDepth of a pixel format's name: yuv420p10le, p010le, gray12.
func bitDepth(name string) int {
	name = strings.TrimSuffix(strings.TrimSuffix(name, "le"), "be")
	for _, depth := range []int{9, 10, 12, 14, 16} {
		if strings.HasSuffix(name, "p"+strconv.Itoa(depth)) || strings.HasSuffix(name, "p0"+strconv.Itoa(depth)) || name == "gray"+strconv.Itoa(depth) {
			return depth
		}
	}
	return 8
}

// duration that the header promises, 0 when it is silent.
func (p *probed) duration() time.Duration {
	d := seconds(p.Format.Duration)
	if d == 0 {
		for _, t := range p.Streams {
			d = max(d, seconds(t.Duration))
		}
	}
	return d
}

func seconds(text string) time.Duration {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0 && f < 1e7) {
		return 0
	}
	return time.Duration(f * float64(time.Second))
}
