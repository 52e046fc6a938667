package transcode

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// head is how much of a file sniff looks at.
const head = 4 << 10

// sniff names what a file certainly is by its first bytes, when that is nothing
// that can be played. It is there for the sentence: the list of formats that
// ffprobe is given keeps such files out by itself.
func sniff(b []byte) *Refusal {
	text := strings.TrimPrefix(string(b), "\ufeff")
	text = strings.TrimLeft(text, " \t\r\n")
	lower := strings.ToLower(text)
	switch {
	case len(b) == 0:
		return &Refusal{Reason: ReasonEmpty, Sentence: "The file is empty. Check that it was saved or exported completely, and upload it again."}
	case strings.HasPrefix(text, "#EXTM3U"), strings.HasPrefix(lower, "ffconcat"), strings.HasPrefix(lower, "[playlist]"), strings.HasPrefix(lower, "<asx"),
		strings.HasPrefix(lower, "<?xml") && (strings.Contains(lower, "<mpd") || strings.Contains(lower, "<smil")), strings.HasPrefix(lower, "<mpd"), strings.HasPrefix(lower, "<smil"):
		return &Refusal{Reason: ReasonPlaylist, Sentence: "The file is a playlist: it names other files instead of holding a video. Upload the video itself."}
	case strings.HasPrefix(lower, "<svg"), strings.HasPrefix(lower, "<?xml") && strings.Contains(lower, "<svg"):
		return &Refusal{Reason: ReasonStill, Sentence: "The file is an SVG picture, not a video."}
	case isPicture(b):
		return &Refusal{Reason: ReasonStill, Sentence: "The file is a picture, not a video."}
	case isText(b):
		return &Refusal{Reason: ReasonNotMedia, Sentence: "The file is text, not a video, whatever its name ends in."}
	}
	return nil
}

func isPicture(b []byte) bool {
	for _, magic := range []string{"\xff\xd8\xff", "\x89PNG\r\n\x1a\n", "GIF87a", "GIF89a", "BM", "II*\x00", "MM\x00*", "\x00\x00\x01\x00", "8BPS", "\xff\x0a"} {
		if bytes.HasPrefix(b, []byte(magic)) {
			return magic != "\x00\x00\x01\x00" || len(b) > 4 && b[4] > 0 && b[5] == 0 // an icon; MPEG begins alike
		}
	}
	if len(b) < 12 {
		return false
	}
	if string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP" {
		return true
	}
	switch string(b[4:12]) {
	case "ftypheic", "ftypheix", "ftypmif1", "ftypavif":
		return true
	}
	return false
}

// isText says whether all that can be seen is printable.
func isText(b []byte) bool {
	if len(b) == head { // the cut may be within a character
		b = b[:head-utf8.UTFMax]
		for len(b) > 0 && !utf8.Valid(b) && len(b) > head-2*utf8.UTFMax {
			b = b[:len(b)-1]
		}
	}
	return utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool { return r < 0x20 && r != '\n' && r != '\r' && r != '\t' && r != '\f' })
}
