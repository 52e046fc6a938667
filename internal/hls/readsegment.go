package hls

import (
	"slices"
	"strings"
)

// segmentTags apply to the next segment or to all that follow.
var segmentTags = map[string]bool{
	tagInf: true, tagByteRange: true, tagDiscontinue: true, tagKey: true, tagMap: true, tagDateTime: true,
	tagGap: true, tagBitrate: true, tagDigest: true,
}

func (r *mediaReader) segmentTag(i int, l Line, name string) error {
	var err error
	switch name {
	case tagInf:
		if r.open {
			return fail(i, "#EXTINF follows an #EXTINF without a URI between them: add the segment or remove one")
		}
		duration, title, _ := strings.Cut(l.Value(), ",")
		r.next.Duration, err = parseSeconds(strings.TrimSpace(duration))
		r.next.Title, r.open, r.seen[tagInf] = title, true, true
		if err == nil && r.next.Duration < 0 {
			return fail(i, "#EXTINF is negative: write the segment's duration in seconds")
		}
	case tagByteRange:
		var at ByteRange
		at, r.at, err = parseByteRange(l.Value())
		r.next.Range, r.ranged = &at, true
	case tagDiscontinue:
		r.next.Discontinuity = true
	case tagGap:
		r.next.Gap = true
	case tagBitrate:
		r.next.Bitrate, err = parseInt(l.Value(), maxOffset)
	case tagDigest:
		r.next.Digest, err = ParseDigest(l.Value())
	case tagDateTime:
		t, ok := parseDateTime(l.Value())
		if !ok {
			return fail(i, "#%s: %.60q is no date and time: write it as 2026-01-31T12:00:00.000Z", name, l.Value())
		}
		r.next.DateTime = t
	case tagMap:
		f := newFields(i, l, r.vars)
		r.next.Map = &Map{Line: i + 1, URI: f.need("URI"), Range: f.byteRange("BYTERANGE"), Digest: f.digest(attrDigest)}
		return f.err
	case tagKey:
		return r.key(i, l)
	}
	if err != nil {
		return fail(i, "#%s: %v", name, err)
	}
	return nil
}

// key puts a key in force for what follows, instead of that of its KEYFORMAT;
// NONE ends them all.
func (r *mediaReader) key(i int, l Line) error {
	k, err := readKey(i, l, r.vars)
	if err != nil {
		return err
	}
	if k.Method == "NONE" {
		r.keys = nil
		return nil
	}
	// A new slice: segments before this one hold the old.
	keys := slices.DeleteFunc(slices.Clone(r.keys), func(o Key) bool { return o.KeyFormat == k.KeyFormat })
	if len(keys) == maxKeys {
		return fail(i, "#%s: more than %d keys are in force at once: remove some", tagKey, maxKeys)
	}
	r.keys = append(keys, k)
	return nil
}

// maxKeys bounds the key systems of one segment.
const maxKeys = 16

func readKey(i int, l Line, vars *variables) (Key, error) {
	f := newFields(i, l, vars)
	k := Key{
		Method: f.need("METHOD"), URI: f.text("URI"), IV: f.text("IV"),
		KeyFormat: f.text("KEYFORMAT"), KeyFormatVersions: f.text("KEYFORMATVERSIONS"),
	}
	if k.Method != "NONE" && k.URI == "" {
		f.fail("it needs the attribute URI: add where the key is")
	}
	return k, f.err
}
