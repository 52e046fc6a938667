package hls_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/internal/hls"
)

func base(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestPathwaysDoubleWhatEdgesServeAndLeaveTheRest(t *testing.T) {
	t.Parallel()
	p := parse(t, string(writeMultivariant(t, ladder())))
	before, err := multivariant(t, p).Integrity()
	if err != nil {
		t.Fatal(err)
	}
	ways := []hls.Pathway{
		{ID: "e1", Base: base(t, "https://one.example:8443/t/TICKET1/films/summer/master.m3u8")},
		{ID: "e2", Base: base(t, "https://two.example/t/TICKET2/films/summer/master.m3u8")},
	}
	if err := p.SetPathways("https://router.example/v1/steering/abc", ways); err != nil {
		t.Fatal(err)
	}
	golden(t, "golden/ladder-pathways.m3u8", p.Encode())
	m := multivariant(t, p)
	if after, err := m.Integrity(); err != nil || after != before {
		t.Errorf("Integrity gave %s, %v, want %s as before", after, err, before)
	}
	if len(m.Variants) != 6 || len(m.IFrames) != 2 || len(m.Renditions) != 7 {
		t.Errorf("got %d variants, %d I-frame variants, %d renditions, want 6, 2 and 3 × 2 + 1", len(m.Variants), len(m.IFrames), len(m.Renditions))
	}
	for _, v := range m.Variants {
		n := strings.TrimPrefix(v.PathwayID, "e")
		group := map[string]string{"1": "aud", "2": "aud-e2"}[n]
		if v.Audio != group || v.ClosedCaptions != "cc" || !strings.Contains(v.URI, "/t/TICKET"+n+"/films/summer/v") {
			t.Errorf("pathway %s has a variant %+v", v.PathwayID, v)
		}
		for _, r := range m.Renditions {
			if r.GroupID == v.Audio && r.Type == "AUDIO" && !strings.Contains(r.URI, "/t/TICKET"+n+"/films/summer/a/") {
				t.Errorf("pathway %s has the audio %s", v.PathwayID, r.URI)
			}
		}
	}
	// Again, as for the next session: the same as doing it once with those.
	again := parse(t, string(writeMultivariant(t, ladder())))
	if err := again.SetPathways("https://router.example/v1/steering/abc", ways); err != nil {
		t.Fatal(err)
	}
	if string(again.Encode()) != string(p.Encode()) {
		t.Error("the same edit gave other bytes")
	}
}

func TestPathwaysTakeThePlaceOfThoseThatWereThere(t *testing.T) {
	t.Parallel()
	p := file(t, "defined.m3u8")
	if err := p.SetPathways("https://router.example/s", []hls.Pathway{{ID: "x", Base: base(t, "https://e.example/t/T/f/m.m3u8")}}); err != nil {
		t.Fatal(err)
	}
	golden(t, "golden/defined-pathway.m3u8", p.Encode())
}

func TestGroupsNeverCollideAcrossPathways(t *testing.T) {
	t.Parallel()
	text := "#EXTM3U\n"
	for _, g := range []string{"aud", "aud-b", "aud-c"} {
		text += fmt.Sprintf("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=%q,NAME=\"n\",URI=\"%s.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=%q\nv.m3u8\n", g, g, g)
	}
	p := parse(t, text)
	b := base(t, "https://e.example/m.m3u8")
	if err := p.SetPathways("https://r.example/", []hls.Pathway{{ID: "a", Base: b}, {ID: "b", Base: b}, {ID: "b-c", Base: b}, {ID: "c", Base: b}}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, v := range multivariant(t, p).Variants {
		if way, ok := seen[v.Audio]; ok {
			t.Errorf("group %s is on pathways %s and %s", v.Audio, way, v.PathwayID)
		}
		seen[v.Audio] = v.PathwayID
	}
	if len(seen) != 12 {
		t.Errorf("got %d groups, want 3 on each of 4 pathways", len(seen))
	}
	for _, r := range multivariant(t, p).Renditions {
		if seen[r.GroupID] == "" {
			t.Errorf("group %s is of no variant", r.GroupID)
		}
	}
}

func TestPathwaysThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	b := base(t, "https://e.example/m.m3u8")
	many := make([]hls.Pathway, 17)
	for i := range many {
		many[i] = hls.Pathway{ID: fmt.Sprint(i), Base: b}
	}
	for name, c := range map[string]struct {
		server string
		ways   []hls.Pathway
	}{
		"none":                       {"/s", nil},
		"too many":                   {"/s", many},
		"an id twice":                {"/s", []hls.Pathway{{ID: "a", Base: b}, {ID: "a", Base: b}}},
		"an id with a quote":         {"/s", []hls.Pathway{{ID: `a"`, Base: b}}},
		"no id":                      {"/s", []hls.Pathway{{Base: b}}},
		"no base":                    {"/s", []hls.Pathway{{ID: "a"}}},
		"a base that is relative":    {"/s", []hls.Pathway{{ID: "a", Base: base(t, "/m.m3u8")}}},
		"no steering server":         {"", []hls.Pathway{{ID: "a", Base: b}}},
		"a steering server in lines": {"/s\n#EXT", []hls.Pathway{{ID: "a", Base: b}}},
	} {
		p := parse(t, string(writeMultivariant(t, ladder())))
		if err := p.SetPathways(c.server, c.ways); err == nil {
			t.Errorf("%s: SetPathways took it", name)
		}
	}
}

func TestGroupsNamedAgainstUsAreRefusedNotMixed(t *testing.T) {
	t.Parallel()
	text := "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nv.m3u8\n"
	for dashes := range 9 {
		text += "#EXT-X-MEDIA:TYPE=AUDIO,NAME=\"n\",GROUP-ID=\"a" + strings.Repeat("-", dashes) + strings.Repeat("b", min(dashes, 1)) + "\"\n"
	}
	b := base(t, "https://e.example/m.m3u8")
	err := parse(t, text).SetPathways("/s", []hls.Pathway{{ID: "a", Base: b}, {ID: "b", Base: b}})
	if err == nil || !strings.Contains(err.Error(), "rename the groups") {
		t.Errorf("SetPathways gave %v, want the groups refused", err)
	}
}

func TestAPlaylistThatWouldGrowTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	b := base(t, "https://e.example/"+strings.Repeat("x", 400)+"/m.m3u8")
	text := "#EXTM3U\n" + strings.Repeat("#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n", 20_000)
	err := parse(t, text).SetPathways("/s", []hls.Pathway{{ID: "a", Base: b}, {ID: "b", Base: b}})
	if err == nil || !strings.Contains(err.Error(), "the limit is 16777216: name fewer") {
		t.Errorf("SetPathways gave %v, want it refused", err)
	}
}

func TestEditsOfWhatCannotBeReadAreRefused(t *testing.T) {
	t.Parallel()
	b := base(t, "https://e.example/m.m3u8")
	edits := map[string]func(*hls.Playlist) error{
		"SetPathways":  func(p *hls.Playlist) error { return p.SetPathways("/s", []hls.Pathway{{ID: "a", Base: b}}) },
		"AbsoluteURIs": func(p *hls.Playlist) error { return p.AbsoluteURIs(b) },
		"AddStableIDs": (*hls.Playlist).AddStableIDs,
		"SetPlaylistDigests": func(p *hls.Playlist) error {
			return p.SetPlaylistDigests(func(string) (hls.Digest, error) { return hls.Digest{}, nil })
		},
		"SetSegmentDigests": func(p *hls.Playlist) error {
			return p.SetSegmentDigests(func(hls.Part) (hls.Digest, error) { return hls.Digest{}, nil })
		},
	}
	define := "#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n"
	for name, text := range map[string]string{
		"a variable twice":               define + "#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n",
		"a variable nobody defined":      define + "#EXT-X-STREAM-INF:BANDWIDTH=1\n{$c}\n",
		"one of them in an attribute":    define + "#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"{$c}\"\n",
		"one of them in a media segment": define + "#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{$c}\n",
	} {
		for edit, do := range edits {
			if edit == "SetSegmentDigests" != (name == "one of them in a media segment") {
				continue
			}
			if err := do(parse(t, text)); !errors.Is(err, hls.ErrMalformed) {
				t.Errorf("%s: %s gave %v, want ErrMalformed", name, edit, err)
			}
		}
	}
}

func TestLinesAreAddedAfterOneWithoutABreak(t *testing.T) {
	t.Parallel()
	p := parse(t, "#EXTM3U")
	if err := p.SetSteering(hls.Steering{ServerURI: "/s"}); err != nil {
		t.Fatal(err)
	}
	if got, want := string(p.Encode()), "#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"/s\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := p.SetSteering(hls.Steering{ServerURI: "/s", PathwayID: "a\"b"}); err == nil {
		t.Error("a quote in a pathway was taken")
	}
}

func TestAbsoluteURIsLeaveEverythingElse(t *testing.T) {
	t.Parallel()
	p := parse(t, "#EXTM3U\r\n# kept\r\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"s\"\r\n#EXT-X-SESSION-DATA:DATA-ID=\"d\",URI=\"d.json\", X=1\r\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"../a.m3u8\",GROUP-ID=\"g\",NAME=\"n\"\r\n#EXT-X-STREAM-INF:BANDWIDTH=1\r\nv.m3u8?x=1\r\n#EXT-X-STREAM-INF:BANDWIDTH=1\r\nhttps://other.example/v.m3u8")
	if err := p.AbsoluteURIs(base(t, "https://h.example/n/f/m.m3u8?t=1")); err != nil {
		t.Fatal(err)
	}
	want := "#EXTM3U\r\n# kept\r\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"https://h.example/n/f/s\"\r\n#EXT-X-SESSION-DATA:DATA-ID=\"d\",URI=\"https://h.example/n/f/d.json\", X=1\r\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"https://h.example/n/a.m3u8\",GROUP-ID=\"g\",NAME=\"n\"\r\n#EXT-X-STREAM-INF:BANDWIDTH=1\r\nhttps://h.example/n/f/v.m3u8?x=1\r\n#EXT-X-STREAM-INF:BANDWIDTH=1\r\nhttps://other.example/v.m3u8"
	if diff := cmp.Diff(want, string(p.Encode())); diff != "" {
		t.Errorf("Encode (-want +got):\n%s", diff)
	}
	if err := parse(t, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://[bad\n").AbsoluteURIs(base(t, "https://h.example/")); !errors.Is(err, hls.ErrMalformed) {
		t.Errorf("AbsoluteURIs gave %v, want line 3 refused", err)
	}
}

func TestSegmentDigestsStandBeforeTheirSegments(t *testing.T) {
	t.Parallel()
	p := file(t, "byterange-keys.m3u8")
	digest := func(part hls.Part) (hls.Digest, error) {
		return hls.Sum(fmt.Append(nil, part.URI, part.Range)), nil
	}
	if err := p.SetSegmentDigests(digest); err != nil {
		t.Fatal(err)
	}
	once := string(p.Encode())
	golden(t, "golden/byterange-digests.m3u8", []byte(once))
	m := media(t, p)
	for i, r := range []*hls.ByteRange{{Length: 1000, Offset: 720}, {Length: 2000, Offset: 1720}} {
		if want := hls.Sum(fmt.Append(nil, m.Segments[i].URI, r)); m.Segments[i].Digest != want {
			t.Errorf("segment %d has the digest %s, want that of %s %v", i, m.Segments[i].Digest, m.Segments[i].URI, r)
		}
	}
	if !m.Segments[2].Digest.IsZero() {
		t.Errorf("the segment that is missing has the digest %s, want none", m.Segments[2].Digest)
	}
	if want := hls.Sum(fmt.Append(nil, "all.mp4", &hls.ByteRange{Length: 720})); m.Segments[0].Map.Digest != want {
		t.Errorf("the initialization section has the digest %s, want %s", m.Segments[0].Map.Digest, want)
	}
	if err := p.SetSegmentDigests(digest); err != nil || string(p.Encode()) != once {
		t.Errorf("doing it twice (%v) gave\n%s", err, p.Encode())
	}
	unread := errors.New("no such file")
	err := p.SetSegmentDigests(func(part hls.Part) (hls.Digest, error) {
		if part.Range.Offset == 1720 {
			return hls.Digest{}, unread
		}
		return digest(part)
	})
	if !errors.Is(err, unread) || string(p.Encode()) != once {
		t.Errorf("a file that cannot be read: %v, want %v and the playlist as it was", err, unread)
	}
}

func TestPlaylistDigestsAndStableIDsMakeAForeignLadderWhole(t *testing.T) {
	t.Parallel()
	p := file(t, "bipbop-multivariant.m3u8")
	if _, err := multivariant(t, p).Integrity(); !errors.Is(err, hls.ErrMalformed) {
		t.Errorf("Integrity gave %v before anything was added, want ErrMalformed", err)
	}
	for range 2 {
		if err := p.AddStableIDs(); err != nil {
			t.Fatal(err)
		}
		if err := p.SetPlaylistDigests(func(uri string) (hls.Digest, error) { return hls.Sum([]byte(uri)), nil }); err != nil {
			t.Fatal(err)
		}
		golden(t, "golden/bipbop-digests.m3u8", p.Encode())
	}
	if _, err := multivariant(t, p).Integrity(); err != nil {
		t.Error(err)
	}
	odd := parse(t, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\né.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1,STABLE-VARIANT-ID=\"mine\"\nb.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\né.m3u8\n")
	if err := odd.AddStableIDs(); err != nil {
		t.Fatal(err)
	}
	m := multivariant(t, odd)
	if a, b := m.Variants[0].StableID, m.Variants[2].StableID; len(a) != 32 || a != b || m.Variants[1].StableID != "mine" {
		t.Errorf("got the ids %q, %q, %q, want a hash for both copies and the one that was there", a, m.Variants[1].StableID, b)
	}
	unread := errors.New("no such file")
	if err := p.SetPlaylistDigests(func(string) (hls.Digest, error) { return hls.Digest{}, unread }); !errors.Is(err, unread) {
		t.Errorf("a playlist that cannot be read: %v, want %v", err, unread)
	}
}

func TestLocalFindsFilesOfTheBundleAndNoOthers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ playlist, uri, want string }{
		{"master.m3u8", "v1/index.m3u8", "v1/index.m3u8"},
		{"v1/index.m3u8", "s1.m4s", "v1/s1.m4s"},
		{"v1/index.m3u8", "../a/s1.m4s", "a/s1.m4s"},
		{"v1/index.m3u8", "./s1.m4s?x=1#y", "v1/s1.m4s"},
		{"v1/index.m3u8", "a%20b.m4s", "v1/a b.m4s"},
		{"v1/index.m3u8", "../../etc/passwd", ""},
		{"master.m3u8", "../other/master.m3u8", ""},
		{"master.m3u8", "..", ""},
		{"master.m3u8", "%2e%2e/other/master.m3u8", ""},
		{"master.m3u8", "..%2fother/master.m3u8", ""},
		{"master.m3u8", "/etc/passwd", ""},
		{"master.m3u8", "//other.example/v.m3u8", ""},
		{"master.m3u8", "https://other.example/v.m3u8", ""},
		{"master.m3u8", "file:///etc/passwd", ""},
		{"master.m3u8", "data:text/plain,x", ""},
		{"master.m3u8", "", ""},
		{"master.m3u8", "?x=1", ""},
		{"master.m3u8", ".", ""},
		{"master.m3u8", "a\x00b", ""},
		{"master.m3u8", "a%00b", ""},
		{"master.m3u8", "a%zz", ""},
		{"master.m3u8", "a%2Fb", ""},
		{"master.m3u8", "a//b", ""},
	} {
		got, err := hls.Local(c.playlist, c.uri)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("Local(%q, %q) gave %q, %v, want %q", c.playlist, c.uri, got, err, c.want)
		}
	}
}
