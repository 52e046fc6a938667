package e2e

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// link is a TCP proxy that can be cut and joined again.
type link struct {
	listener net.Listener
	to       string
	mu       sync.Mutex // guards the rest
	cut      bool
	open     map[net.Conn]bool
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{listener: listener, to: to, open: map[net.Conn]bool{}}
	go l.serve()
	t.Cleanup(func() { listener.Close(); l.set(true) })
	return l
}

func (l *link) serve() {
	for {
		in, err := l.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			out, err := net.Dial("tcp", l.to)
			if err != nil || !l.take(in, out) {
				return
			}
			defer out.Close()
			go func() { io.Copy(out, in); out.Close() }()
			io.Copy(in, out)
		}()
	}
}

func (l *link) take(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		for _, c := range conns {
			c.Close()
		}
		return false
	}
	for _, c := range conns {
		l.open[c] = true
	}
	return true
}

// set cuts the link, ending what runs over it, or joins it.
func (l *link) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	for c := range l.open {
		c.Close()
	}
	clear(l.open)
}

// relink makes every edge reach the meta node through a link, by a reload as an
// operator would do it.
func (n *network) relink() *link {
	n.t.Helper()
	meta, err := url.Parse(n.Meta[0])
	if err != nil {
		n.t.Fatal(err)
	}
	l := newLink(n.t, meta.Host)
	for _, e := range n.Edges {
		text, err := os.ReadFile(filepath.Join(e.Dir, "Caddyfile"))
		if err != nil {
			n.t.Fatal(err)
		}
		linked := strings.ReplaceAll(string(text), n.Meta[0], "http://"+l.listener.Addr().String())
		path := filepath.Join(e.Dir, "linked.Caddyfile")
		if err := os.WriteFile(path, []byte(linked), 0o644); err != nil {
			n.t.Fatal(err)
		}
		reload := exec.Command(program, "reload", "--config", "linked.Caddyfile", "--adapter", "caddyfile", "--address", "unix/admin.sock")
		reload.Dir = e.Dir
		if out, err := reload.CombinedOutput(); err != nil {
			n.t.Fatalf("reload edge %d: %v\n%s", e.ID, err, out)
		}
	}
	return l
}

func TestEdgesCutOffFromTheMetaNodeCopyNothing(t *testing.T) {
	n := start(t, "--edges", "5")
	n.stratos("put", folder(t, map[string][]byte{"a.bin": content(40, 5<<20)}), "cut/folder")
	n.replicated(20*time.Second, 3)
	l := n.relink()
	allLive := func() error {
		for _, e := range n.status().Edges {
			if e.State != "live" {
				return fmt.Errorf("edge %d is %s", e.ID, e.State)
			}
		}
		return nil
	}
	eventually(t, 20*time.Second, "all edges beat through the link", allLive)
	before := n.pinnedBlocks()
	l.set(true)
	cut := time.Now()
	eventually(t, 20*time.Second, "repair halts", func() error {
		if s := n.status(); !s.RepairHalted {
			return fmt.Errorf("not halted: %+v", s.Edges)
		}
		return nil
	})
	<-time.After(time.Until(cut.Add(30 * time.Second))) // the outage lasts as long as it lasts
	if got := n.fetch("cut/folder/a.bin", 10*time.Second); len(got) != 5<<20 {
		t.Errorf("%d bytes served in the outage, want all", len(got))
	}
	l.set(false)
	eventually(t, 30*time.Second, "all edges are back", allLive)
	eventually(t, 20*time.Second, "repair goes on", func() error {
		if n.status().RepairHalted {
			return fmt.Errorf("still halted")
		}
		return nil
	})
	if after := n.pinnedBlocks(); after != before {
		t.Errorf("pinned slices before the cut %v, after it %v: something was copied", before, after)
	}
}
