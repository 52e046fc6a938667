package player

import (
	"fmt"
	"io"
)

// A Page is what the pages say about one video.
type Page struct {
	// Static is the path under which the files are served, with a slash at the end.
	Static string
	// Src is the canonical URL of the video, Name its namespace/path.
	Src, Name string
	// Title is the video's; its name where it has none.
	Title string
	// Poster is the URL of an image; it may be empty.
	Poster string
	// Embed and OEmbed are the URLs of the embed page and of the oEmbed answer.
	Embed, OEmbed string
	// HLS is the URL for other players.
	HLS string
	// Width and Height of the video; zero when unknown.
	Width, Height int
	// Autoplay, Muted and Loop are what the link asks for.
	Autoplay, Muted, Loop bool
	// Integrity pins the version; it may be empty.
	Integrity string
	// Fallback has URLs of further routers, with spaces between them.
	Fallback string
}

// page is a Page with the names of the files.
type page struct {
	Page
	files *Files
}

// URL is that of a file.
func (p page) URL(name string) string { return p.Static + p.files.Hashed(name) }

// Wide and High are the video's shape, 16 by 9 while it is unknown.
func (p page) Wide() int { return p.or(p.Width, 16) }

// High goes with Wide.
func (p page) High() int { return p.or(p.Height, 9) }

func (p page) or(known, usual int) int {
	if p.Width <= 0 || p.Height <= 0 {
		return usual
	}
	return known
}

// PageCSP is the Content-Security-Policy of the watch and embed pages: scripts
// and styles of the router's own files alone, media from any edge. The player
// styles its shadow trees inline.
const PageCSP = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src * data: blob:; " +
	"media-src * blob:; connect-src *; worker-src blob:; font-src data:; base-uri 'none'; form-action 'none'"

// WritePage writes the page of a video: "watch" or "embed". Without a built
// player it writes one that says so.
func (f *Files) WritePage(w io.Writer, name string, p Page) error {
	if !f.Built() {
		name = "placeholder"
	}
	if err := f.pages.ExecuteTemplate(w, name+".html", page{Page: p, files: f}); err != nil {
		return fmt.Errorf("player: page %s: %w", name, err)
	}
	return nil
}
