package hls

import (
	"slices"
	"strconv"
	"strings"
)

// codecs of a variant, split at the commas.
func (v *Variant) codecs() []string {
	var list []string
	for c := range strings.SplitSeq(v.Codecs, ",") {
		if c = strings.TrimSpace(c); c != "" {
			list = append(list, c)
		}
	}
	return list
}

// family is the sample entry of a codec string: avc1 of avc1.64001f.
func family(codec string) string {
	name, _, _ := strings.Cut(codec, ".")
	return name
}

var (
	videoFamilies = []string{"avc1", "avc3", "hvc1", "hev1", "dvh1", "dvhe", "av01", "vp08", "vp09", "mp4v", "mjpg"}
	audioFamilies = []string{"mp4a", "ac-3", "ec-3", "ac-4", "opus", "Opus", "fLaC", "alac", "apac"}
)

// has says whether the variant has a codec of one of these families.
func (v *Variant) has(families ...string) bool {
	return slices.ContainsFunc(v.codecs(), func(c string) bool { return slices.Contains(families, family(c)) })
}

// hasVideo says whether the variant shows pictures. One that names no codec does
// when it has a resolution, or no audio group of its own that it could be.
func (v *Variant) hasVideo() bool {
	return v.Width > 0 || v.has(videoFamilies...) || v.Codecs == "" && v.Audio == ""
}

// h264 returns profile and level of avc1.PPCCLL, level as 41 for 4.1.
func h264(codec string) (profile, level int, ok bool) {
	name, rest, _ := strings.Cut(codec, ".")
	if name != "avc1" && name != "avc3" || len(rest) != 6 {
		return 0, 0, false
	}
	n, err := strconv.ParseUint(rest, 16, 32)
	return int(n >> 16), int(n & 0xff), err == nil
}

// hevcLevel returns the level of hvc1.1.6.L93.B0 as 31 for 3.1.
func hevcLevel(codec string) (int, bool) {
	parts := strings.Split(codec, ".")
	if family(codec) != "hvc1" && family(codec) != "hev1" || len(parts) < 4 || len(parts[3]) < 2 {
		return 0, false
	}
	n, err := strconv.Atoi(parts[3][1:])
	return n / 3, err == nil
}
