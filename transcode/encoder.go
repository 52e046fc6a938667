package transcode

import (
	"fmt"
	"strconv"
)

// encoder arguments of a rung: constant quality under a ceiling, and key frames
// by count, so that pieces and rungs agree on them.
//
// The ceiling is the table's bit rate with a buffer of two seconds' worth, which
// keeps the average under it and a 4 s segment under 1.5 times of it. Constant
// quality carries no state from piece to piece.
func (r Rung) encoder(rate Ratio, keyFrames int) []string {
	colour := []string{"-pix_fmt", "yuv420p", "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv"}
	every := strconv.Itoa(keyFrames)
	switch r.Codec {
	case HEVC:
		return append([]string{
			"-c:v", "libx265", "-tag:v", "hvc1", "-preset", r.Preset, "-crf", strconv.Itoa(r.Quality), "-g", every,
			"-x265-params", fmt.Sprintf("log-level=error:keyint=%d:min-keyint=%d:scenecut=0:open-gop=0:vbv-maxrate=%d:vbv-bufsize=%d", keyFrames, keyFrames, r.Bitrate/1000, 2*r.Bitrate/1000),
		}, colour...)
	case AV1:
		return append([]string{
			"-c:v", "libsvtav1", "-preset", svtPreset(r.Preset), "-crf", strconv.Itoa(r.Quality), "-g", every,
			"-svtav1-params", fmt.Sprintf("scd=0:mbr=%d", r.Bitrate/1000),
		}, colour...)
	}
	return append([]string{
		"-c:v", "libx264", "-preset", r.Preset, "-profile:v", r.Profile, "-level:v", r.Level, "-crf", strconv.Itoa(r.Quality),
		"-maxrate", strconv.Itoa(r.Bitrate), "-bufsize", strconv.Itoa(2 * r.Bitrate),
		"-g", every, "-keyint_min", every, "-sc_threshold", "0", "-flags", "+cgop",
	}, colour...)
}

// svtPreset says x264's words in SVT-AV1's numbers.
func svtPreset(word string) string {
	switch word {
	case "slow", "slower", "veryslow":
		return "5"
	case "medium":
		return "7"
	case "fast", "faster":
		return "8"
	}
	return "10"
}
