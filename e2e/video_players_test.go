package e2e

import (
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/internal/devnet"
	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/receipt"
)

func everySrcPlays(v *scene) {
	ticketed := v.ticketed(film+"/poster.jpg", "127.0.0.1")
	u, err := url.Parse(ticketed)
	if err != nil {
		v.t.Fatal(err)
	}
	edge := "http://" + u.Host
	text, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/t/"), "/")
	for name, src := range map[string]string{
		"an edge without a ticket":                  v.Edges[0].URL + "/" + film,
		"a playlist at an edge without a ticket":    v.Edges[1].URL + "/" + film + "/master.m3u8",
		"a ticket that is good":                     edge + "/t/" + text + "/" + film + "/master.m3u8",
		"a ticket that has expired":                 edge + "/t/" + v.expired(text) + "/" + film,
		"a playlist with a ticket that has expired": edge + "/t/" + v.expired(text) + "/" + film + "/master.m3u8",
		"the multivariant playlist at the router":   v.Router + "/" + film + "/master.m3u8",
	} {
		v.t.Run(name, v.studio.run(func(v *scene) {
			v.showPlayer(src, "", 4)
			v.jumpsToTheEnd()
			if sessions := v.happened("stratos-session"); len(sessions) != 1 {
				v.t.Errorf("%d sessions were opened", len(sessions))
			}
		}))
	}
}

// jumpsToTheEnd sees a bit of the beginning and of the end.
func (v *scene) jumpsToTheEnd() {
	v.t.Helper()
	v.until("m.currentTime > 1 || m.error")
	v.do(fmt.Sprintf("m.currentTime = %d", filmSeconds-4))
	v.until("m.ended || m.error")
	v.playsWithoutFault()
}

// expired is a ticket as it looks a minute after its end.
func (n *network) expired(text string) string {
	n.t.Helper()
	authority, err := nodeauth.LoadOrCreate(filepath.Join(n.role("meta-1").Dir, "node.key"))
	if err != nil {
		n.t.Fatal(err)
	}
	ticket, err := receipt.ParseTicket(text)
	if err != nil {
		n.t.Fatal(err)
	}
	ticket.ID = receipt.NewTicketID(time.Now().Add(-time.Minute), ticket.ID.Authority(), ticket.ID.Sequence())
	ticket.Sign(authority, devnet.ChainID)
	return ticket.Text()
}

// showHLSJS is hls.js as its README shows it, with 8 s buffered at most.
func (v *scene) showHLSJS(speed float64) {
	v.t.Helper()
	v.show(fmt.Sprintf(`<video muted></video><script src="/hls.js"></script><script>
		const hls = new Hls({ maxBufferLength: 4, maxMaxBufferLength: 4 });
		hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) console.log("fatal", data.details) });
		hls.loadSource(%q);
		hls.attachMedia(m);
		m.defaultPlaybackRate = m.playbackRate = %g;
		m.play();
	</script>`, v.Router+"/"+film+"/master.m3u8", speed))
}

func hlsjsIsSteered(v *scene) {
	v.showHLSJS(2)
	v.goesOnAfter(func(role, _ string) { v.killed(role) })
	if waits := v.happened("waiting"); len(waits) > 1 || len(waits) == 1 && waits[0].At > 0.1 {
		v.t.Errorf("playback waited: %+v", waits)
	}
	steered := 0
	for _, r := range v.page.Requests() {
		if strings.HasPrefix(r.URL, v.Router+"/v1/steering/") && r.Status == 200 {
			steered++
		}
	}
	if steered == 0 {
		v.t.Error("the steering manifest was not asked")
	}
}

func shakaPlays(v *scene) {
	v.show(fmt.Sprintf(`<video muted></video><script src="/shaka.js"></script><script>
		shaka.polyfill.installAll();
		(async () => {
			const player = new shaka.Player();
			player.addEventListener("error", (e) => console.log("shaka", e.detail.code, JSON.stringify(e.detail.data)));
			await player.attach(m);
			await player.load(%q);
			await m.play();
		})().catch((e) => console.log("shaka", e.code, JSON.stringify(e.data), String(e)));
	</script>`, v.Router+"/"+film+"/master.m3u8"))
	v.jumpsToTheEnd()
}

func nativePlays(v *scene) {
	v.show(fmt.Sprintf(`<video muted autoplay src=%q></video>`, v.Router+"/"+film+"/master.m3u8"))
	if v.number(`m.canPlayType("application/vnd.apple.mpegurl") === "" ? 0 : 1`) == 0 {
		v.t.Fatal("this Chromium says that it does not play HLS itself")
	}
	v.jumpsToTheEnd()
}

// ffmpegReads decodes all as ffplay would, which needs a screen.
func ffmpegReads(v *scene) {
	for _, stream := range []struct {
		name  string
		count int
	}{{"v:0", filmFrames}, {"a:0", filmSeconds * 48000 / 1024}} {
		v.t.Run(stream.name, func(t *testing.T) {
			probe := exec.CommandContext(v.context(), "ffprobe", "-v", "error", "-select_streams", stream.name, "-count_frames",
				"-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", v.Router+"/"+film+"/master.m3u8")
			var errs strings.Builder
			probe.Stderr = &errs
			out, err := probe.Output()
			var got int
			if _, scan := fmt.Sscan(strings.TrimSpace(string(out)), &got); err != nil || scan != nil || got < stream.count || got > stream.count+2 {
				t.Errorf("%v: %s %s; want %d frames", err, out, &errs, stream.count)
			}
			for line := range strings.Lines(errs.String()) {
				// It opens all pathways, and says so of each host that is another one.
				if !strings.Contains(line, "Cannot reuse HTTP connection for different host") {
					t.Errorf("ffprobe says: %s", line)
				}
			}
		})
	}
}
