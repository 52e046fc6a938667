package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/stratos-mesh/stratos/internal/hls"
	"github.com/stratos-mesh/stratos/transcode"
)

const (
	// checkJobs is how many playlists are read at a time.
	checkJobs = 4
	// maxCheckPlaylists bounds what one multivariant playlist makes us fetch.
	maxCheckPlaylists = 500
)

// stream is a presentation that is being fetched.
type stream struct {
	hls.Presentation
	http *http.Client
	checkFlags
	url string

	mu                 sync.Mutex // guards following, and Playlists and Deliveries
	found              []hls.Finding
	segments, measured int
	sections           map[string]*section // by URL and range
}

// section is an initialization section; transcode.Section is nil when its
// segments can only be weighed.
type section struct {
	once sync.Once
	read *transcode.Section
}

func newStream(client *http.Client, f checkFlags) *stream {
	follow := *client
	follow.CheckRedirect = nil // Go's own: ten at most
	s := &stream{http: &follow, checkFlags: f, sections: map[string]*section{}}
	s.Playlists = map[string]*hls.Measured{}
	return s
}

func (s *stream) say(rule, where, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = append(s.found, hls.Finding{Rule: rule, Severity: hls.Must, Where: where, Message: fmt.Sprintf(format, args...)})
}

// Rules that are not Apple's.
const (
	ruleThere  = "rfc8216bis 6.2.1" // a server makes available what it names
	ruleDigest = "stratos"          // docs/formats/playlists.md
)

// load fetches all that is to be checked. The address is that of a multivariant
// playlist, or of the bundle around it.
func (s *stream) load(ctx context.Context, address string) error {
	s.url = address
	got, err := s.get(ctx, address, nil, hls.DeliveredPlaylist, hls.MaxBytes)
	playlist, parsed := (*hls.Playlist)(nil), error(nil)
	if err == nil {
		playlist, parsed = hls.Parse(got.body)
	}
	if u, bad := url.Parse(address); (err != nil || parsed != nil) && bad == nil && !strings.HasSuffix(u.Path, ".m3u8") {
		u.Path = strings.TrimSuffix(u.Path, "/") + "/master.m3u8"
		s.Deliveries = nil
		return s.load(ctx, u.String())
	}
	if err != nil {
		return err
	}
	s.Deliveries = append(s.Deliveries, got.delivery)
	if parsed != nil {
		return fail(exitFailed, "", fmt.Errorf("%s: %w", address, parsed))
	}
	if !playlist.IsMultivariant() {
		return usage("%s is a media playlist: give the multivariant playlist that names it", address)
	}
	if s.Multivariant, err = playlist.Multivariant(); err != nil {
		return fail(exitFailed, "", fmt.Errorf("%s: %w", address, err))
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(checkJobs)
	for _, m := range s.medias() {
		group.Go(func() error { return s.media(ctx, got.url, m) })
	}
	return group.Wait()
}

// mediaOf is a media playlist as the multivariant playlist names it.
type mediaOf struct {
	uri    string
	digest hls.Digest
}

func (s *stream) medias() []mediaOf {
	var all []mediaOf
	add := func(uri string, digest hls.Digest) {
		if uri != "" && !slices.ContainsFunc(all, func(m mediaOf) bool { return m.uri == uri }) && len(all) < maxCheckPlaylists {
			all = append(all, mediaOf{uri, digest})
		}
	}
	for _, v := range slices.Concat(s.Multivariant.Variants, s.Multivariant.IFrames) {
		add(v.URI, v.Digest)
	}
	for _, r := range s.Multivariant.Renditions {
		add(r.URI, r.Digest)
	}
	return all
}

// media fetches one media playlist and what it names. What is wrong with it is a
// finding; only the end of the context is an error.
func (s *stream) media(ctx context.Context, base *url.URL, m mediaOf) error {
	address, err := base.Parse(m.uri)
	if err != nil {
		s.say(ruleThere, m.uri, "it is no URL")
		return nil
	}
	got, err := s.get(ctx, address.String(), nil, hls.DeliveredPlaylist, hls.MaxBytes)
	if err != nil {
		return s.missing(ctx, address.String(), err)
	}
	if !m.digest.IsZero() && hls.Sum(got.body) != m.digest {
		s.say(ruleDigest, address.String(), "the playlist is not the one whose digest the multivariant playlist has")
	}
	playlist, err := hls.Parse(got.body)
	media := (*hls.Media)(nil)
	if err == nil {
		media, err = playlist.Media()
	}
	if err != nil {
		s.say("rfc8216bis 4", address.String(), "%s", err)
		return nil
	}
	measured := &hls.Measured{Media: media, Segments: make([]hls.Measurement, len(media.Segments))}
	s.mu.Lock()
	s.Playlists[m.uri] = measured
	s.Deliveries = append(s.Deliveries, got.delivery)
	s.segments += len(media.Segments)
	s.mu.Unlock()
	for _, i := range s.pick(len(media.Segments)) {
		if media.Segments[i].Gap {
			continue
		}
		if err := s.segment(ctx, got.url, measured, i); err != nil {
			return err
		}
	}
	return nil
}

// pick chooses which of n segments to fetch: spread evenly, the first and the
// last among them.
func (s *stream) pick(n int) []int {
	count := min(s.sample, n)
	if s.all {
		count = n
	}
	var chosen []int
	for i := range count {
		at := 0
		if count > 1 {
			at = i * (n - 1) / (count - 1)
		}
		chosen = append(chosen, at)
	}
	return chosen
}

// segment fetches and measures one segment.
func (s *stream) segment(ctx context.Context, base *url.URL, m *hls.Measured, i int) error {
	segment := m.Media.Segments[i]
	address, err := base.Parse(segment.URI)
	if err != nil {
		s.say(ruleThere, segment.URI, "it is no URL")
		return nil
	}
	init, err := s.section(ctx, base, segment.Map)
	if err != nil {
		return err
	}
	got, err := s.get(ctx, address.String(), segment.Range, kindOf(address.Path), maxCheckSegment)
	if err != nil {
		return s.missing(ctx, address.String(), err)
	}
	if !segment.Digest.IsZero() && hls.Sum(got.body) != segment.Digest {
		s.say(ruleDigest, address.String(), "the segment is not the one whose digest its playlist has")
	}
	measured := hls.Measurement{Bytes: int64(len(got.body))}
	switch {
	case m.Media.IFramesOnly:
		// It ends in the middle of its media data: only the first picture is meant.
		measured.Moof = hls.FactOf(len(got.body) >= 8 && string(got.body[4:8]) == "moof")
		if init == nil {
			measured.Moof = hls.Unknown
		}
	case init != nil && len(segment.Keys) == 0:
		if measured, err = init.Measure(got.body); err != nil {
			s.say("8.1", address.String(), "the segment cannot be read: %s", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m.Segments[i] = measured
	s.Deliveries = append(s.Deliveries, got.delivery)
	s.measured++
	return nil
}

// section reads an initialization section once; nil when there is none, or its
// segments cannot be read.
func (s *stream) section(ctx context.Context, base *url.URL, m *hls.Map) (*transcode.Section, error) {
	if m == nil {
		return nil, nil
	}
	address, err := base.Parse(m.URI)
	if err != nil {
		s.say(ruleThere, m.URI, "it is no URL")
		return nil, nil
	}
	key := address.String()
	if m.Range != nil {
		key += "@" + m.Range.String()
	}
	s.mu.Lock()
	one := s.sections[key]
	if one == nil {
		one = new(section)
		s.sections[key] = one
	}
	s.mu.Unlock()
	one.once.Do(func() {
		var got *answer
		if got, err = s.get(ctx, address.String(), m.Range, hls.DeliveredMedia, maxCheckSegment); err != nil {
			err = s.missing(ctx, address.String(), err)
			return
		}
		if !m.Digest.IsZero() && hls.Sum(got.body) != m.Digest {
			s.say(ruleDigest, address.String(), "the initialization section is not the one whose digest its playlist has")
		}
		one.read, _ = transcode.ReadSection(got.body) // what cannot be read is weighed
	})
	return one.read, err
}

// missing makes a finding of what cannot be had, unless we were stopped.
func (s *stream) missing(ctx context.Context, address string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var status *statusError
	if errors.As(err, &status) {
		s.say(ruleThere, address, "the server answers %d", status.code)
	} else {
		s.say(ruleThere, address, "it cannot be had: %s", err)
	}
	return nil
}

// kindOf is what a server should say that a file is.
func kindOf(path string) hls.Delivered {
	if strings.HasSuffix(path, ".vtt") || strings.HasSuffix(path, ".webvtt") {
		return hls.DeliveredText
	}
	return hls.DeliveredMedia
}
