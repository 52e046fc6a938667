// Package player puts the viewer's player into the program: the files that
// `make build` leaves in dist/web, and the pages that show a video.
//
// Without a build there is only a page that says so, so that go build works
// without Node.
package player

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"path"
	"strings"
)

//go:embed dist/web pages/*.html pages/*.css pages/*.js
var embedded embed.FS

// Script is the file that a page loads to have <stratos-player>.
const Script = "stratos-player.js"

// Files are the player's files and pages. They do not change while the program
// runs; a Files is safe for use by many at once.
type Files struct {
	byName map[string]*File
	pages  *template.Template
}

// A File is one built file.
type File struct {
	// Name is stable: stratos-player.js.
	Name string
	// Hashed is the name with a digest of the content, stratos-player-1f2e3d4c5b6a.js:
	// whatever is under it never changes.
	Hashed string
	// Type is the media type, with its charset where it is text.
	Type string
	// ETag is a strong entity tag with its quotes.
	ETag string
	// Body must not be changed.
	Body []byte
}

// New reads what was built into the program.
func New() (*Files, error) {
	web, err := fs.Sub(embedded, "dist/web")
	if err != nil {
		return nil, fmt.Errorf("player: %w", err)
	}
	pages, err := fs.Sub(embedded, "pages")
	if err != nil {
		return nil, fmt.Errorf("player: %w", err)
	}
	return load(web, pages)
}

// load takes every file of web, and of pages what is not a template.
func load(web, pages fs.FS) (*Files, error) {
	files := &Files{byName: map[string]*File{}, pages: template.New("")}
	for _, from := range []fs.FS{web, pages} {
		names, err := fs.Glob(from, "*")
		if err != nil {
			return nil, fmt.Errorf("player: %w", err)
		}
		for _, name := range names {
			if err := files.take(from, name); err != nil {
				return nil, fmt.Errorf("player: %s: %w", name, err)
			}
		}
	}
	return files, nil
}

func (f *Files) take(from fs.FS, name string) error {
	body, err := fs.ReadFile(from, name)
	if err != nil {
		return err
	}
	extension := path.Ext(name)
	if extension == ".html" {
		_, err := f.pages.New(name).Parse(string(body))
		return err
	}
	digest := sha256.Sum256(body)
	text := hex.EncodeToString(digest[:6])
	file := &File{
		Name: name, Hashed: strings.TrimSuffix(name, extension) + "-" + text + extension,
		Type: mediaType(extension), ETag: `"` + text + `"`, Body: body,
	}
	f.byName[file.Name], f.byName[file.Hashed] = file, file
	return nil
}

// mediaType does not ask the system's table, which differs between machines.
func mediaType(extension string) string {
	switch extension {
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	if t := mime.TypeByExtension(extension); t != "" {
		return t
	}
	return "application/octet-stream"
}

// Built says whether the player is in this program.
func (f *Files) Built() bool { return f.byName[Script] != nil }

// Open finds a file by its stable or its hashed name. Immutable is true for the
// latter, which may be kept by caches for ever.
func (f *Files) Open(name string) (file *File, immutable, ok bool) {
	file, ok = f.byName[name]
	return file, ok && name == file.Hashed, ok
}

// Hashed is the name to write into pages for a file: that with the digest. For a
// file that is not there it is the name itself, which is then a 404.
func (f *Files) Hashed(name string) string {
	if file, ok := f.byName[name]; ok {
		return file.Hashed
	}
	return name
}
