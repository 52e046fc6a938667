package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/internal/devnet"
)

func TestAnEdgeThatIsStoppedFinishesItsTransfersAndTellsSo(t *testing.T) {
	n := start(t, "--edges", "3")
	want := content(180, 24<<20)
	n.stratos("put", folderFile(t, "film.bin", want), "drain/film.bin")
	n.replicated(20*time.Second, 3)
	film, err := url.Parse(n.ticketed("drain/film.bin", "198.18.0.9"))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(n.Edges, func(e devnet.Edge) bool { return strings.HasSuffix(e.URL, film.Host) })
	r := n.role(fmt.Sprintf("edge-%d", n.Edges[i].ID))

	resp, err := http.Get(film.String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got := make([]byte, 1<<20)
	if _, err := io.ReadFull(resp.Body, got); err != nil {
		t.Fatal(err)
	}
	pid, asked := r.PID(), time.Now()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, 3*time.Second, "the edge is not routed to, while it still sends", func() error {
		for range 8 {
			if strings.Contains(n.ticketed("drain/film.bin", "198.18.0.9"), film.Host) {
				return fmt.Errorf("a viewer is sent to %s", film.Host)
			}
		}
		return nil
	})
	if _, err := http.Get("http://" + film.Host + "/healthz"); err == nil {
		t.Error("a new connection is accepted")
	}
	if r.PID() != pid {
		t.Fatal("the process is gone before its transfer is over")
	}
	// The rest at 4 MiB a second, well within the 10 s that the network's edges give.
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	piece := make([]byte, 1<<20)
	for {
		k, err := io.ReadFull(resp.Body, piece)
		got = append(got, piece[:k]...)
		if err != nil {
			break
		}
		<-tick.C
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the transfer ended after %d bytes of %d, or others", len(got), len(want))
	}
	eventually(t, 12*time.Second, "the process ends", func() error {
		if r.PID() == pid {
			return fmt.Errorf("pid %d still runs", pid)
		}
		return nil
	})
	t.Logf("gone %s after SIGTERM", time.Since(asked).Round(100*time.Millisecond))
	if log := r.LogTail(10); !strings.Contains(log, `"exit_code":0`) {
		t.Errorf("no exit code 0 in the log:\n%s", log)
	}
}
