package hls

import (
	"slices"
	"strings"
)

// A Delivery is how a server answered one request for a part of a presentation.
type Delivery struct {
	// URL that was asked for.
	URL string
	// What it is: DeliveredPlaylist, DeliveredMedia or DeliveredText.
	What Delivered
	// ContentType and ContentEncoding of the final answer, to a request that
	// accepts gzip.
	ContentType, ContentEncoding string
	// Redirected says whether the first answer was a redirect.
	Redirected bool
}

// Delivered is what kind of file was delivered.
type Delivered uint8

// The kinds: multivariant and media playlists, segments with initialization
// sections, and WebVTT.
const (
	DeliveredPlaylist Delivered = iota
	DeliveredMedia
	DeliveredText
)

// deliveryRules are chapters 10 and 11 and what chapter 8 says of requests.
func deliveryRules() []rule {
	return []rule{
		{"8.18", Must, eachDelivery(func(d Delivery) string {
			if d.Redirected && d.What != DeliveredPlaylist {
				return "media is redirected: name the final place in the playlist"
			}
			return ""
		})},
		{"10.1", Must, eachDelivery(func(d Delivery) string {
			if d.What == DeliveredPlaylist && !strings.EqualFold(d.ContentEncoding, "gzip") {
				return "the playlist is not compressed: send it with Content-Encoding: gzip"
			}
			return ""
		})},
		{"10.4", Should, eachDelivery(func(d Delivery) string {
			kind, _, _ := strings.Cut(d.ContentType, ";")
			if want := d.What.types(); !slices.Contains(want, strings.ToLower(strings.TrimSpace(kind))) {
				return "its type is \"" + d.ContentType + "\": send one of " + strings.Join(want, ", ")
			}
			return ""
		})},
		{"11.1", Should, eachDelivery(func(d Delivery) string {
			if !strings.HasPrefix(strings.ToLower(d.URL), "https:") {
				return "it is not delivered over TLS: use https"
			}
			return ""
		})},
	}
}

// types are the recommended media types of a kind.
func (k Delivered) types() []string {
	switch k {
	case DeliveredMedia:
		return []string{"video/mp4", "audio/mp4", "video/iso.segment", "video/mp2t", "audio/aac", "audio/mpeg", "audio/ac3", "audio/eac3", "application/mp4"}
	case DeliveredText:
		return []string{"text/vtt", "text/plain"}
	case DeliveredPlaylist:
	}
	return []string{"application/vnd.apple.mpegurl", "audio/mpegurl"}
}

// eachDelivery asks about every answer; what is said is a finding.
func eachDelivery(ask func(Delivery) string) func(*checker, reporter) {
	return func(c *checker, report reporter) {
		for _, d := range c.deliveries {
			if answer := ask(d); answer != "" {
				report(d.URL, "%s", answer)
			}
		}
	}
}
