package transcode

import (
	"fmt"
	"slices"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// addAudio gives every track a stereo rendition, and 5.1 beside it where the
// source has it. The default comes first.
func (p *Plan) addAudio(policy Policy) {
	tracks := slices.Clone(p.Source.Audio)
	if i := slices.IndexFunc(tracks, func(a Audio) bool { return a.Default }); i > 0 {
		first := tracks[i]
		tracks = append([]Audio{first}, slices.Delete(tracks, i, i+1)...)
	}
	names, labels := map[string]bool{}, map[string]bool{}
	for i, t := range tracks {
		lang := orElse(t.Language, "und")
		r := AudioRendition{
			Name: unique(names, "audio/"+lang), Stream: t.Stream, Channels: 2, Bitrate: policy.StereoBitrate,
			Language: lang, Label: label(labels, t.Title, lang, "Audio"), Default: i == 0,
		}
		p.Audio = append(p.Audio, r)
		if t.Channels >= 6 {
			r.Name, r.Channels, r.Bitrate = unique(names, r.Name+"-51"), 6, policy.SurroundBitrate
			p.Audio = append(p.Audio, r)
		}
	}
}

func (p *Plan) addCaptions() {
	names, labels := map[string]bool{}, map[string]bool{}
	for _, t := range p.Source.Captions {
		lang := orElse(t.Language, "und")
		p.Captions = append(p.Captions, CaptionRendition{
			Name: unique(names, "captions/"+lang), Stream: t.Stream, Language: lang,
			Label: label(labels, t.Title, lang, "Captions"), Default: t.Default, Forced: t.Forced,
		})
	}
	// A player shows one at a time: of several defaults the first is.
	found := false
	for i := range p.Captions {
		p.Captions[i].Default = p.Captions[i].Default && !found
		found = found || p.Captions[i].Default
	}
}

func unique(taken map[string]bool, name string) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	taken[free] = true
	return free
}

// label is what a menu shows: the track's title, or the language in itself.
func label(taken map[string]bool, title, lang, otherwise string) string {
	if title != "" {
		return unique(taken, title)
	}
	tag, err := language.Parse(lang)
	if name := display.Self.Name(tag); err == nil && tag != language.Und && name != "" {
		return unique(taken, name)
	}
	return unique(taken, otherwise)
}
