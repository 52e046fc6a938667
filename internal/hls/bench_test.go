package hls_test

import (
	"net/url"
	"testing"

	"github.com/stratos-mesh/stratos/internal/hls"
)

// BenchmarkPathways is what a router does for a session: a parsed multivariant
// playlist, two edges, the bytes of the answer.
func BenchmarkPathways(b *testing.B) {
	text, err := hls.WriteMultivariant(ladder())
	if err != nil {
		b.Fatal(err)
	}
	p, err := hls.Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	one, _ := url.Parse("https://one.example/t/TICKET/films/summer/master.m3u8")
	two, _ := url.Parse("https://two.example/t/TICKET/films/summer/master.m3u8")
	b.ReportAllocs()
	for b.Loop() {
		c := p.Clone()
		if err := c.SetPathways("https://router.example/s", []hls.Pathway{{ID: "a", Base: one}, {ID: "b", Base: two}}); err != nil {
			b.Fatal(err)
		}
		_ = c.Encode()
	}
}

// BenchmarkVerify is what an edge does with each state of a growing playlist of
// two hours.
func BenchmarkVerify(b *testing.B) {
	m := vod()
	m.Type, m.EndList = "EVENT", false
	for len(m.Segments) < 1800 {
		m.Segments = append(m.Segments, m.Segments[0])
	}
	text, err := hls.WriteMedia(m)
	if err != nil {
		b.Fatal(err)
	}
	signed, err := hls.Sign(text, film, low, 1, testKey(1))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(signed)))
	for b.Loop() {
		if _, err := hls.Verify(signed, film, low, public(testKey(1))); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMedia parses and reads the same playlist.
func BenchmarkMedia(b *testing.B) {
	m := vod()
	for len(m.Segments) < 1800 {
		m.Segments = append(m.Segments, m.Segments[0])
	}
	text, err := hls.WriteMedia(m)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		p, err := hls.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Media(); err != nil {
			b.Fatal(err)
		}
	}
}
