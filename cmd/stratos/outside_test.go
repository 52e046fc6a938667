package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
)

func ok() meta.DialResult { return meta.DialResult{Outcome: meta.DialOK} }

func bad(why string) meta.DialResult { return meta.DialResult{Outcome: meta.DialFailed, Detail: why} }

func blind(why string) meta.DialResult {
	return meta.DialResult{Outcome: meta.DialUntried, Detail: why}
}

// dialledBy gives reports of edges 1, 2, ... in turn.
func dialledBy(state meta.EdgeState, reports ...meta.DialReport) *meta.EdgeStatus {
	for i := range reports {
		reports[i].By = meta.EdgeID(i + 1)
	}
	return &meta.EdgeStatus{Edge: meta.Edge{ID: 9, State: state}, LastBeat: time.Unix(1, 0), Dials: reports}
}

func TestWhatOthersSawIsSaidInASentence(t *testing.T) {
	t.Parallel()
	well := meta.DialReport{IPv4: ok(), Certificate: ok(), Key: ok(), HTTP3: ok()}
	deaf := well
	deaf.HTTP3 = bad("UDP port 443 does not answer")
	closed := meta.DialReport{IPv4: bad("TCP port 443 refuses connections"), Certificate: blind("nothing answers"), Key: blind("nothing answers")}
	expired := meta.DialReport{IPv4: ok(), IPv6: blind("the dialling edge has no IPv6"), Certificate: bad("expired"), Key: blind("x")}
	stranger := well
	stranger.Key = bad("somebody else answers there")
	for name, c := range map[string]struct {
		seen              *meta.EdgeStatus
		says, result, fix string
	}{
		"nobody yet":               {dialledBy(meta.Joining), "not dialled yet", "warn", "running"},
		"the only edge":            {dialledBy(meta.Live), "not dialled yet", "ok", ""},
		"all is well":              {dialledBy(meta.Live, well, well), "IPv4 ok, IPv6 not announced, HTTP/3 ok", "ok", ""},
		"UDP is closed":            {dialledBy(meta.Live, deaf, deaf), "IPv4 ok, IPv6 not announced, HTTP/3: UDP port 443 does not answer from edges 1 and 2", "warn", "UDP"},
		"UDP is closed from one":   {dialledBy(meta.Live, deaf, well, deaf), "IPv4 ok, IPv6 not announced, HTTP/3: UDP port 443 does not answer from edges 1 and 3, ok from others", "warn", "UDP"},
		"TCP is closed":            {dialledBy(meta.Joining, closed, closed), "IPv4: TCP port 443 refuses connections from edges 1 and 2, IPv6 not announced, HTTP/3 not announced", "fail", "TCP port"},
		"one says closed":          {dialledBy(meta.Live, well, closed), "IPv4: TCP port 443 refuses connections from edge 2, ok from others, IPv6 not announced, HTTP/3 ok", "warn", "TCP port"},
		"a certificate that ended": {dialledBy(meta.Suspect, expired), "IPv4 ok, IPv6 not tried (the dialling edge has no IPv6), certificate: expired from edge 1, HTTP/3 not announced", "fail", "ACME"},
		"another machine":          {dialledBy(meta.Suspect, stranger, stranger), "IPv4 ok, IPv6 not announced, key: somebody else answers there from edges 1 and 2, HTTP/3 ok", "fail", "AAAA"},
	} {
		result, fix := judgeOutside(c.seen)
		if got := fromOutside(c.seen); got != c.says || result != c.result || !strings.Contains(fix, c.fix) || (fix == "") != (c.fix == "") {
			t.Errorf("%s: %s (%s, %s)", name, got, result, fix)
		}
	}
	text := describeStatus(&meta.Status{Edges: []meta.EdgeStatus{*dialledBy(meta.Live, deaf, deaf)}})
	if !strings.Contains(text, "edge 9 from outside: IPv4 ok") || !strings.Contains(text, "OUTSIDE") {
		t.Errorf("status does not say it:\n%s", text)
	}
}

func TestJoiningWaitsForTheOutside(t *testing.T) {
	t.Parallel()
	closed := meta.DialReport{IPv4: bad("TCP port 443 does not answer")}
	well := meta.DialReport{IPv4: ok(), Certificate: ok(), Key: ok()}
	unheard := &meta.EdgeStatus{Edge: meta.Edge{ID: 9}}
	for name, c := range map[string]struct {
		seen []*meta.EdgeStatus // one each ten polls, the last for ever; nil is a failure
		code int
		says []string
	}{
		"until it is routed to": {
			[]*meta.EdgeStatus{unheard, dialledBy(meta.Joining), dialledBy(meta.Joining, closed), dialledBy(meta.Live, well, well)},
			exitOK,
			[]string{"stratos run --config C", "is heard", "does not answer from edge 1", "; open that TCP port"},
		},
		"no longer than five minutes, and names the port": {
			[]*meta.EdgeStatus{dialledBy(meta.Joining, closed, closed)}, exitFailed, []string{"is joining; from outside: IPv4: TCP port 443 does not answer from edges 1 and 2"},
		},
		"for one that nobody started": {[]*meta.EdgeStatus{unheard}, exitFailed, []string{"was never heard"}},
		"for one that nobody dials":   {[]*meta.EdgeStatus{dialledBy(meta.Joining)}, exitFailed, []string{"no other edge has dialled it"}},
		"for a meta node that fails":  {[]*meta.EdgeStatus{nil}, exitUnreachable, []string{"no meta node tells: down"}},
		"over a failure that passes":  {[]*meta.EdgeStatus{nil, dialledBy(meta.Live, well)}, exitOK, []string{"no meta node tells"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var said []string
				polls := 0
				status := func(context.Context) (*meta.Status, error) {
					polls++
					seen := c.seen[min((polls-1)/10, len(c.seen)-1)]
					if seen == nil {
						return nil, errors.New("down")
					}
					return &meta.Status{Edges: []meta.EdgeStatus{*seen}}, nil
				}
				began := time.Now()
				_, err := awaitDial(t.Context(), status, 9, "C", func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) })
				code := exitOK
				var told *failure
				if errors.As(err, &told) {
					code = told.code
				}
				all := strings.Join(said, "\n") + fmt.Sprint(err)
				for _, want := range c.says {
					if !strings.Contains(all, want) {
						t.Errorf("says\n%s\nwant %q", all, want)
					}
				}
				if code != c.code || time.Since(began) > joinWait || len(said) > len(c.seen) {
					t.Errorf("code %d (%v) after %s, want %d; said %d things", code, err, time.Since(began), c.code, len(said))
				}
			})
		})
	}
}

func TestDoctorFindsWhoAnEdgeIs(t *testing.T) {
	t.Parallel()
	j := joining{metas: []string{"https://a.example", "https://b.example"}, url: "https://edge.example", acme: "https://acme.example/dir", ca: "/etc/ca.pem"}
	text, err := j.caddyfile("/var/lib/stratos", &endpoint{host: "edge.example"})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var k configured
	if err := k.readConfig(path); err != nil {
		t.Fatal(err)
	}
	want := []edgeConfig{{dir: "/var/lib/stratos", ca: "/etc/ca.pem", metas: j.metas}}
	if diff := cmp.Diff(want, k.edges, cmp.AllowUnexported(edgeConfig{})); diff != "" {
		t.Error(diff)
	}
}
