package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// listed returns what `stratos ls` and the content of one file say, to compare
// knowledge before and after a loss.
func (n *network) knows(namespace string) string {
	n.t.Helper()
	return n.stratos("ls", namespace, "--json")
}

func TestTheViewsAreRebuiltFromTheJournal(t *testing.T) {
	n := start(t, "--edges", "3")
	want := content(50, 2<<20)
	n.stratos("put", folder(t, map[string][]byte{"a.bin": want}), "views/folder")
	n.stratos("put", folderFile(t, "b.txt", []byte("b")), "views/b.txt")
	before := n.knows("views")
	n.kill("meta-1")
	views := filepath.Join(n.role("meta-1").Dir, "meta", "views")
	if _, err := os.Stat(views); err != nil {
		t.Fatalf("the views are not where they should be: %v", err)
	}
	if err := os.RemoveAll(views); err != nil {
		t.Fatal(err)
	}
	n.up()
	if after := n.knows("views"); after != before {
		t.Errorf("names after the loss:\n%swant\n%s", after, before)
	}
	if got := n.fetch("views/folder/a.bin", 15*time.Second); !bytes.Equal(got, want) {
		t.Error("a.bin reads back with other bytes")
	}
	n.replicated(20*time.Second, 3)
}

func TestARedisThatLosesEverythingIsFilledAgain(t *testing.T) {
	port := freePort(t)
	dir := t.TempDir()
	redis := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir)
	if err := redis.Start(); err != nil {
		t.Fatalf("redis-server: %s (`make setup` installs it)", err)
	}
	t.Cleanup(func() { redis.Process.Signal(syscall.SIGTERM); redis.Wait() })
	eventually(t, 10*time.Second, "Redis answers", func() error {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err
	})
	n := start(t, "--edges", "3", "--redis", "redis://127.0.0.1:"+port+"/0")
	want := content(51, 2<<20)
	n.stratos("put", folderFile(t, "a.bin", want), "redis/a.bin")
	before := n.knows("redis")
	n.replicated(20*time.Second, 3)
	if out, err := exec.Command("redis-cli", "-p", port, "FLUSHALL").CombinedOutput(); err != nil || !strings.Contains(string(out), "OK") {
		t.Fatalf("FLUSHALL: %v %s", err, out)
	}
	eventually(t, 30*time.Second, "the names are back", func() error {
		out, errOut, err := n.try("ls", "redis", "--json")
		if err != nil || out != before {
			return fmt.Errorf("%w %s%s", err, out, errOut)
		}
		return nil
	})
	if got := n.fetch("redis/a.bin", 15*time.Second); !bytes.Equal(got, want) {
		t.Error("a.bin reads back with other bytes")
	}
	n.replicated(30*time.Second, 3)
}

func TestAFlippedBitIsNeverServed(t *testing.T) {
	n := start(t, "--edges", "3")
	want := content(52, 3<<20)
	n.stratos("put", folderFile(t, "film.bin", want), "bits/film.bin")
	n.replicated(20*time.Second, 3)
	whole := n.edge(0).Pinned
	// On every edge but one, one bit of every slice file turns.
	for _, e := range n.Edges[:2] {
		if flipped := flipSlices(t, e.Dir); flipped < 3 {
			t.Fatalf("found %d slice files of edge %d, want 3", flipped, e.ID)
		}
	}
	n.kill("edge-1", "edge-2") // memory caches hold good copies: they must not help
	n.up()
	for i, from := range []string{"198.18.0.9", "198.18.1.9", "198.18.2.9"} {
		if got := n.fetchFrom("bits/film.bin", from, 20*time.Second); !bytes.Equal(got, want) {
			t.Errorf("client %d got other bytes: %x, want %x", i, sha256.Sum256(got), sha256.Sum256(want))
		}
	}
	for i := range 2 {
		eventually(t, 30*time.Second, "the bad copies are replaced", func() error {
			if got := n.edge(i).Pinned; got != whole {
				return fmt.Errorf("edge %d has pinned %+v, want %+v", i+1, got, whole)
			}
			return nil
		})
	}
}

// flipSlices turns one bit in the middle of every file that is as large as a
// slice.
func flipSlices(t *testing.T, dir string) (flipped int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		if info, err := entry.Info(); err != nil || info.Size() != 1<<20 {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text[len(text)/2] ^= 1
		flipped++
		// Through a new file: a store may keep its files read-only.
		if err := os.WriteFile(path+".flip", text, 0o600); err != nil {
			return err
		}
		return os.Rename(path+".flip", path)
	})
	if err != nil {
		t.Fatal(err)
	}
	return flipped
}

// folderFile writes one file and returns its path.
func folderFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	return filepath.Join(folder(t, map[string][]byte{name: data}), name)
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
