package hls

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"
)

// setAttrs replaces the attribute list of line i.
func (p *Playlist) setAttrs(i int, list Attrs) {
	p.lines[i].text = "#" + p.lines[i].Name() + ":" + list.String()
}

// insert puts lines before line i, with the line break that is in use there.
func (p *Playlist) insert(i int, texts ...string) {
	end := p.lines[0].end
	if end == "" {
		end = "\n"
		p.lines[0].end = end
	}
	if i == len(p.lines) && p.lines[i-1].end == "" {
		p.lines[i-1].end = end
	}
	lines := make([]Line, len(texts))
	for j, text := range texts {
		lines[j] = Line{text: text, end: end}
	}
	p.lines = slices.Insert(p.lines, i, lines...)
}

// edit changes the attribute lists of the tags named, line by line.
func (p *Playlist) edit(change func(f *fields) error, tags ...string) error {
	vars, err := p.variables()
	if err != nil {
		return err
	}
	for i, l := range p.lines {
		if l.Kind() != Tag || !slices.Contains(tags, l.Name()) {
			continue
		}
		f := newFields(i, l, vars)
		before := f.list.String()
		if err := change(f); err != nil {
			return err
		}
		if f.err != nil {
			return f.err
		}
		if f.list.String() != before {
			p.setAttrs(i, f.list)
		}
	}
	return nil
}

// editMedia edits every tag of a multivariant playlist that may name a media
// playlist. uri is the one that it names: of a variant on the line behind the
// tag, else in its attribute; empty when it names none.
func (p *Playlist) editMedia(change func(f *fields, uri string) error) error {
	m, err := p.Multivariant()
	if err != nil {
		return err
	}
	uris := map[int]string{}
	for _, v := range m.Variants {
		uris[v.Line] = v.URI
	}
	return p.edit(func(f *fields) error {
		uri, ok := uris[f.index+1]
		if !ok {
			uri = f.text("URI")
		}
		return change(f, uri)
	}, tagStreamInf, tagIFrameInf, tagMedia)
}

// AbsoluteURIs makes every URI of a multivariant playlist absolute: of media
// playlists, session data, session keys and the steering server. base is the URL
// of the playlist itself.
func (p *Playlist) AbsoluteURIs(base *url.URL) error {
	vars, err := p.variables()
	if err != nil {
		return err
	}
	for i, l := range p.lines {
		if l.Kind() != URI {
			continue
		}
		if p.lines[i].text, err = absolute(vars, i, base, l.text); err != nil {
			return err
		}
	}
	return p.edit(func(f *fields) error {
		for _, name := range []string{"URI", "SERVER-URI"} {
			if err := f.absolute(name, base); err != nil {
				return err
			}
		}
		return nil
	}, tagIFrameInf, tagMedia, tagSessionData, tagSessionKey, tagSteering)
}

// absolute makes one attribute absolute if it is there.
func (f *fields) absolute(name string, base *url.URL) error {
	value, ok := f.list.Get(name)
	if !ok {
		return nil
	}
	uri, err := absolute(f.vars, f.index, base, value)
	if err != nil {
		return err
	}
	f.list.Set(quoted(name, uri))
	return nil
}

func absolute(vars *variables, i int, base *url.URL, uri string) (string, error) {
	uri, err := vars.replace(i, uri)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(uri)
	if err != nil {
		return "", fail(i, "%.60q is no URI: percent-encode it", uri)
	}
	return base.ResolveReference(u).String(), nil
}

// Local resolves a URI of the playlist at a path to the path of the file it
// names in the same bundle: Local("film/v1/index.m3u8", "../a/s1.m4s") is
// "film/a/s1.m4s". It refuses what lies outside: other hosts, paths from the
// root, more .. than there are folders, and names that no bundle has.
func Local(playlist, uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Path == "" || u.Opaque != "" || strings.ContainsFunc(u.Path, unicode.IsControl) || strings.Contains(strings.ToLower(uri), "%2f") || strings.Contains(u.Path[1:], "//") {
		return "", fmt.Errorf("hls: %.60q names no file: percent-encode it, without %%2F, empty parts and control characters", uri)
	}
	if u.Scheme != "" || u.Host != "" || strings.HasPrefix(u.Path, "/") {
		return "", fmt.Errorf("hls: %.60q lies outside the bundle: put the file into it and name it by a relative path", uri)
	}
	file := path.Join(path.Dir(playlist), u.Path)
	if file == "." || file == ".." || strings.HasPrefix(file, "../") {
		return "", fmt.Errorf("hls: %.60q leaves the bundle: put the file into it and name it by a relative path", uri)
	}
	return file, nil
}
