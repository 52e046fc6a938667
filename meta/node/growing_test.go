package node_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/node"
	"github.com/stratos-mesh/stratos/receipt"
)

// state is a signed one of abc/film.
func state(sequence uint64, root, signer string, durable ...meta.EdgeID) meta.GrowingState {
	g := meta.GrowingState{
		Name: "abc/film", Upload: [16]byte{1}, Sequence: sequence, Root: cid(root), Manifest: cid("manifest of " + root), Size: 10, Objects: 1,
		Durable: durable, Time: time.Now(),
	}
	g.Sign(key(signer), chainID)
	return g
}

func TestABundleIsFoundWhileItGrowsAndUnderTheSameBindAfterwards(t *testing.T) {
	t.Parallel()
	n := open(t, config(t.TempDir()))
	admit(t, n, 5)
	grant, err := begin(t, n, meta.Upload{Name: "abc/film"})
	if err != nil {
		t.Fatal(err)
	}
	bind := meta.GrowingBind("abc/film", public("owner"))
	for sequence, root := range []string{"first", "second", "second"} {
		g := state(uint64(min(sequence, 1)+1), root, "owner", grant.Edges...)
		rec, err := n.Grow(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Root != cid(root) || rec.Growing != g.Sequence || rec.Units[0] != grant.Unit {
			t.Errorf("state %d is the record %+v", g.Sequence, rec)
		}
		for what, find := range map[string]func() (meta.Resolution, error){
			"path": func() (meta.Resolution, error) { return n.Resolve(t.Context(), "abc/film/v/low/playlist.m3u8") },
			"bind": func() (meta.Resolution, error) { return n.Locate(t.Context(), bind) },
		} {
			res, err := find()
			if err != nil || res.Record.Root != cid(root) || res.Growing == nil || res.Growing.Sequence != g.Sequence || len(res.Holders) != len(grant.Edges) {
				t.Errorf("by %s: %+v, %v", what, res, err)
			}
			if what == "path" && res.Rest != "v/low/playlist.m3u8" {
				t.Errorf("rest %q", res.Rest)
			}
		}
	}
	if _, err := n.Locate(t.Context(), cid("second").Digest); !errors.Is(err, meta.ErrNotFound) {
		t.Errorf("a state is found by its root: %v", err)
	}
	if _, err := n.Publish(t.Context(), publication("abc/film", cid("whole"), grant.Edges...)); err != nil {
		t.Fatal(err)
	}
	res, err := n.Locate(t.Context(), bind)
	if err != nil || res.Record.Root != cid("whole") || res.Record.Growing != 0 || res.Growing != nil || res.Record.Units[0] != grant.Unit {
		t.Errorf("after publishing: %+v, %v", res, err)
	}
	if _, err := n.Grow(t.Context(), state(3, "third", "owner", grant.Edges...)); !errors.Is(err, meta.ErrConflict) {
		t.Errorf("a state of a published name: %v, want ErrConflict", err)
	}
}

func TestStatesThatMustNotShow(t *testing.T) {
	t.Parallel()
	n := open(t, config(t.TempDir()))
	admit(t, n, 5)
	if _, err := n.Grow(t.Context(), state(2, "second", "owner", 1, 2, 3)); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Publish(t.Context(), publication("abc/other", cid("other"), 1, 2, 3)); err != nil {
		t.Fatal(err)
	}
	named := func(name meta.Name) meta.GrowingState {
		g := state(9, "x", "owner", 1, 2, 3)
		g.Name = name
		g.Sign(key("owner"), chainID)
		return g
	}
	forged := state(3, "third", "owner", 1, 2, 3)
	forged.Root = cid("changed")
	late := state(1, "late upload", "owner", 1, 2, 3)
	late.Upload, late.Time = [16]byte{2}, time.Now().Add(-time.Hour)
	late.Sign(key("owner"), chainID)
	for why, test := range map[string]struct {
		state meta.GrowingState
		want  error
	}{
		"an older one":                      {state(1, "first", "owner", 1, 2, 3), meta.ErrConflict},
		"another one of the same number":    {state(2, "twin", "owner", 1, 2, 3), meta.ErrConflict},
		"of an upload that began before":    {late, meta.ErrConflict},
		"of another owner":                  {state(3, "third", "stranger", 1, 2, 3), meta.ErrForbidden},
		"with a byte changed":               {forged, meta.ErrSignature},
		"durable on one edge only":          {state(3, "third", "owner", 1), meta.ErrNoEdges},
		"below a name that grows":           {named("abc/film/deeper"), meta.ErrConflict},
		"below a published name":            {named("abc/other/deeper"), meta.ErrConflict},
		"above a published name's namesake": {named("abc/other"), meta.ErrConflict},
	} {
		if _, err := n.Grow(t.Context(), test.state); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", why, err, test.want)
		}
	}
	res, err := n.Resolve(t.Context(), "abc/film")
	if err != nil || res.Record.Root != cid("second") {
		t.Errorf("the good state: %+v, %v", res, err)
	}
}

func TestAGrowingBundleThatNobodyTellsOfAnyMoreIsGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		n, err := node.Open(config(dir))
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		admit(t, n, 3)
		if _, err := n.Grow(t.Context(), state(1, "first", "owner", 1, 2, 3)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(meta.GrowingLease - time.Second)
		if _, err := n.Resolve(t.Context(), "abc/film"); err != nil {
			t.Errorf("before the lease ends: %v", err)
		}
		time.Sleep(2 * time.Second)
		if _, err := n.Resolve(t.Context(), "abc/film"); !errors.Is(err, meta.ErrNotFound) {
			t.Errorf("after the lease: %v, want ErrNotFound", err)
		}
		if _, err := n.Locate(t.Context(), meta.GrowingBind("abc/film", public("owner"))); !errors.Is(err, meta.ErrNotFound) {
			t.Errorf("by its bind, after the lease: %v, want ErrNotFound", err)
		}
	})
}

func TestTicketsForAGrowingBundleBindNameAndOwner(t *testing.T) {
	t.Parallel()
	n := open(t, config(t.TempDir()))
	admit(t, n, 3)
	bind := meta.GrowingBind("abc/film", public("owner"))
	good, bare, odd := ticketRequest("root"), ticketRequest("root"), ticketRequest("root")
	good.Class, good.Bind = receipt.ClassB|receipt.Growing, bind
	bare.Class = receipt.ClassB | receipt.Growing
	odd.Bind = bind
	issued, err := n.Issue(t.Context(), []meta.TicketRequest{good, bare, odd})
	if err != nil {
		t.Fatal(err)
	}
	if issued[0].Err != nil || issued[0].Ticket.Bind != bind || !issued[0].Ticket.Growing() {
		t.Errorf("got %+v", issued[0])
	}
	if !errors.Is(issued[1].Err, meta.ErrInvalid) || !errors.Is(issued[2].Err, meta.ErrInvalid) {
		t.Errorf("without a bind: %v; without the class: %v; want ErrInvalid", issued[1].Err, issued[2].Err)
	}
}

func TestAGrowingBundleThatItsOwnerRemovesIsGone(t *testing.T) {
	t.Parallel()
	n := open(t, config(t.TempDir()))
	admit(t, n, 3)
	if _, err := n.Grow(t.Context(), state(1, "first", "owner", 1, 2, 3)); err != nil {
		t.Fatal(err)
	}
	remove := func(signer string) error {
		m := meta.Removal{Name: "abc/film", Time: time.Now()}
		m.Sign(key(signer), chainID)
		return n.Remove(t.Context(), m)
	}
	if err := remove("stranger"); err == nil {
		t.Error("a stranger removed it")
	}
	if _, err := n.Resolve(t.Context(), "abc/film"); err != nil {
		t.Errorf("after a stranger's try: %v", err)
	}
	if err := remove("owner"); err != nil {
		t.Errorf("its owner: %v", err)
	}
	if _, err := n.Resolve(t.Context(), "abc/film"); !errors.Is(err, meta.ErrNotFound) {
		t.Errorf("by path: %v, want ErrNotFound", err)
	}
	if _, err := n.Locate(t.Context(), meta.GrowingBind("abc/film", public("owner"))); !errors.Is(err, meta.ErrNotFound) {
		t.Errorf("by its bind: %v, want ErrNotFound", err)
	}
}
