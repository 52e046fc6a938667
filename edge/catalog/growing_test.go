package catalog

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/mem"
)

// film is a meta node that knows one growing bundle.
type film struct {
	mu    sync.Mutex
	found meta.Resolution
	err   error
	asked int
	// hangs: no question is answered.
	hangs bool
}

func (f *film) Locate(ctx context.Context, _ [32]byte) (meta.Resolution, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.hangs {
		<-ctx.Done()
		return meta.Resolution{}, ctx.Err()
	}
	return f.found, f.err
}

func (f *film) Resolve(context.Context, string) (meta.Resolution, error) {
	return meta.Resolution{}, meta.ErrNotFound
}

func (f *film) tell(r meta.Resolution, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.found, f.err = r, err
}

func owner(seed string) ed25519.PrivateKey {
	h := sha256.Sum256([]byte(seed))
	return ed25519.NewKeyFromSeed(h[:])
}

// filming runs a test in a bubble of time with an empty catalog.
func filming(t *testing.T, test func(t *testing.T, c *Catalog, f *film, state func(sequence uint64, files int) meta.Resolution)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store, f := mem.New(), &film{}
		c, err := New(Config{
			Index: f, Getter: func(peers.Want) sds.Getter { return store },
			Assigned: func([32]byte) []meta.Record { return nil }, Revoked: func(sds.CID) error { return nil },
			RootRevoked: func(sds.CID) error { return nil },
			ChainID:     func() string { return "test-1" },
		})
		if err != nil {
			t.Fatal(err)
		}
		all := &index{records: make(map[[32]byte]meta.Record)}
		test(t, c, f, func(sequence uint64, files int) meta.Resolution {
			r := folder(t, store, all, "abc/film", files)
			g := &meta.GrowingState{
				Name: "abc/film", Upload: [16]byte{1}, Sequence: sequence, Root: r.Root, Manifest: r.Manifest, Durable: []meta.EdgeID{1}, Time: time.Now(),
			}
			g.Sign(owner("owner"), "test-1")
			r.Growing = sequence
			return meta.Resolution{Record: r, Holders: g.Durable, Growing: g}
		})
	})
}

func bindOf(seed string) [32]byte {
	return meta.GrowingBind("abc/film", owner(seed).Public().(ed25519.PublicKey))
}

func TestAGrowingBundleShowsItsNewestStateAndThenWhatWasPublished(t *testing.T) {
	t.Parallel()
	filming(t, func(t *testing.T, c *Catalog, f *film, state func(uint64, int) meta.Resolution) {
		bind := bindOf("owner")
		has := func(path string, find func(context.Context, [32]byte, []meta.EdgeID) (*Root, error)) bool {
			t.Helper()
			root, err := find(t.Context(), bind, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = root.Find("abc/film/" + path)
			return err == nil
		}
		f.tell(state(1, 1), nil)
		if !has("d/0.txt", c.Growing) || has("d/1.txt", c.Growing) {
			t.Error("the first state has not its one file")
		}
		f.tell(state(2, 2), nil)
		if has("d/1.txt", c.Growing) || f.asked != 1 {
			t.Errorf("asked %d times within a second", f.asked)
		}
		time.Sleep(growingRetry)
		if !has("d/1.txt", c.Grown) {
			t.Error("a file that was looked for is not found in the newer state")
		}
		// The meta node goes away: what was shown stays.
		f.tell(meta.Resolution{}, io.ErrUnexpectedEOF)
		time.Sleep(time.Minute)
		if !has("d/1.txt", c.Growing) {
			t.Error("nothing is served while the meta node is away")
		}
		whole := state(3, 3)
		whole.Growing, whole.Record.Growing = nil, 0
		f.tell(whole, nil)
		time.Sleep(growingFresh)
		root, err := c.Growing(t.Context(), bind, nil)
		if err != nil || root.Growing() || root.Record.Root != whole.Record.Root {
			t.Fatalf("after publishing: %+v, %v", root, err)
		}
		asked := f.asked
		time.Sleep(wholeFresh - time.Millisecond)
		if has("d/2.txt", c.Growing); f.asked != asked {
			t.Errorf("a published root was asked for %d times more", f.asked-asked)
		}
	})
}

// Sessions that began while a bundle grew go on with what was published of it,
// as those of its root do, until the name, which was removed, grows once more.
func TestANameThatGrowsOnceMoreAfterItWasRemoved(t *testing.T) {
	t.Parallel()
	filming(t, func(t *testing.T, c *Catalog, f *film, state func(uint64, int) meta.Resolution) {
		expect := func(when string, want sds.CID) {
			t.Helper()
			time.Sleep(wholeFresh)
			root, err := c.Growing(t.Context(), bindOf("owner"), nil)
			if err != nil || root.Record.Root != want {
				t.Fatalf("%s: got %+v, %v; want %s", when, root, err, want)
			}
		}
		published := func(files int) meta.Resolution {
			r := state(9, files)
			r.Growing, r.Record.Growing = nil, 0
			return r
		}
		first, other := published(3), published(4)
		f.tell(first, nil)
		expect("published", first.Record.Root)
		f.tell(other, nil)
		expect("another version", first.Record.Root)
		f.tell(meta.Resolution{}, meta.ErrDeleted)
		expect("removed", first.Record.Root)
		again := state(1, 1)
		again.Growing.Upload = [16]byte{2}
		again.Growing.Sign(owner("owner"), "test-1")
		f.tell(again, nil)
		expect("growing once more", again.Record.Root)
	})
}

// A meta node that was started anew knows no states until origins tell them.
func TestAMetaNodeThatWasStartedAnewStopsNobody(t *testing.T) {
	t.Parallel()
	filming(t, func(t *testing.T, c *Catalog, f *film, state func(uint64, int) meta.Resolution) {
		f.tell(state(1, 1), nil)
		good, err := c.Growing(t.Context(), bindOf("owner"), nil)
		if err != nil {
			t.Fatal(err)
		}
		f.tell(meta.Resolution{}, meta.ErrNotFound)
		time.Sleep(growingGrace / 2)
		if now, err := c.Growing(t.Context(), bindOf("owner"), nil); now != good || err != nil {
			t.Errorf("got %+v, %v; want the state before", now, err)
		}
		f.tell(meta.Resolution{}, meta.ErrDeleted)
		time.Sleep(growingFresh)
		if _, err := c.Growing(t.Context(), bindOf("owner"), nil); !errors.Is(err, meta.ErrDeleted) {
			t.Errorf("got %v, want ErrDeleted", err)
		}
	})
}

func TestAMetaNodeThatHangsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	filming(t, func(t *testing.T, c *Catalog, f *film, state func(uint64, int) meta.Resolution) {
		f.tell(state(1, 1), nil)
		if _, err := c.Growing(t.Context(), bindOf("owner"), nil); err != nil {
			t.Fatal(err)
		}
		f.hangs = true
		for range 40 { // longer than one question may take
			time.Sleep(growingFresh)
			began := time.Now()
			if _, err := c.Growing(t.Context(), bindOf("owner"), nil); err != nil || time.Since(began) > growingPatience {
				t.Fatalf("got %v after %v, want the state at hand within %v", err, time.Since(began), growingPatience)
			}
		}
		time.Sleep(loadTimeout)
	})
}

func TestStatesThatAreNotBelieved(t *testing.T) {
	t.Parallel()
	for why, spoil := range map[string]func(*meta.Resolution){
		"signed by another key": func(r *meta.Resolution) { r.Growing.Sign(owner("stranger"), "test-1") },
		"signed for another network": func(r *meta.Resolution) {
			r.Growing.Sign(owner("owner"), "other-1")
		},
		"of another name": func(r *meta.Resolution) {
			r.Growing.Name = "abc/other"
			r.Growing.Sign(owner("owner"), "test-1")
		},
		"with another root than its record": func(r *meta.Resolution) { r.Record.Root = sds.Sum(sds.Raw, []byte("x")) },
		"with a changed number":             func(r *meta.Resolution) { r.Growing.Sequence = 9 },
		"older than one that was shown": func(r *meta.Resolution) {
			r.Growing.Sequence = 1
			r.Growing.Sign(owner("owner"), "test-1")
		},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			filming(t, func(t *testing.T, c *Catalog, f *film, state func(uint64, int) meta.Resolution) {
				f.tell(state(2, 1), nil)
				good, err := c.Growing(t.Context(), bindOf("owner"), nil)
				if err != nil {
					t.Fatal(err)
				}
				bad := state(3, 2)
				spoil(&bad)
				f.tell(bad, nil)
				time.Sleep(growingFresh)
				if now, err := c.Growing(t.Context(), bindOf("owner"), nil); now != good || err != nil {
					t.Errorf("got %+v, %v; want the state before", now, err)
				}
				if c.Refused.Load() != 1 {
					t.Errorf("%d refused, want 1", c.Refused.Load())
				}
			})
		})
	}
}

func TestABundleThatGrowsNoMoreAndWasNotPublishedIsGone(t *testing.T) {
	t.Parallel()
	filming(t, func(t *testing.T, c *Catalog, f *film, state func(uint64, int) meta.Resolution) {
		f.tell(state(1, 1), nil)
		if _, err := c.Growing(t.Context(), bindOf("owner"), nil); err != nil {
			t.Fatal(err)
		}
		f.tell(meta.Resolution{}, meta.ErrNotFound)
		time.Sleep(growingGrace)
		asked := f.asked
		defer func() {
			if _, err := c.Growing(t.Context(), bindOf("owner"), nil); !errors.Is(err, meta.ErrNotFound) || f.asked != asked+1 {
				t.Errorf("right afterwards: got %v, asked %d times more", err, f.asked-asked)
			}
		}()
		if _, err := c.Growing(t.Context(), bindOf("owner"), nil); !errors.Is(err, meta.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	})
}
