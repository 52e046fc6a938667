package node_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

func TestTwoLostEdgesAreRepairedAround(t *testing.T) {
	t.Parallel()
	simulate(t, 5, nil, func(w *world) {
		for i := range 10 {
			w.publish(meta.Name(fmt.Sprint("acme/", i)), fmt.Sprint(i))
		}
		w.pass(5 * time.Second)
		w.edges[0].cut, w.edges[1].cut = true, true
		w.pass(4 * time.Second)
		if got := w.states(); got[1] != meta.Suspect || got[2] != meta.Suspect {
			w.Errorf("after missed beats: %v", got)
		}
		w.pass(time.Minute)
		for i := range 10 {
			res := w.resolves(fmt.Sprint("acme/", i), nil)
			live := slices.DeleteFunc(w.holders(cid(fmt.Sprint(i))), func(id meta.EdgeID) bool { return id <= 2 })
			if len(live) != 3 || slices.Contains(res.Holders, 1) || slices.Contains(res.Holders, 2) {
				w.Errorf("name %d: live holders %v, resolved %v", i, live, res.Holders)
			}
		}
		status, err := w.node.Status(w.Context())
		if err != nil || status.RecoveredUnits == 0 || status.Names != 10 || status.Units != 10 {
			w.Errorf("status %+v, %v", status, err)
		}
		// They come back with all they had, and surplus goes only by and by.
		w.edges[0].cut, w.edges[1].cut = false, false
		w.pass(10 * time.Second)
		if w.asked(meta.Drop) != 0 {
			w.Error("what returned was dropped at once")
		}
		w.pass(5 * time.Minute)
		for i := range 10 {
			if got := w.holders(cid(fmt.Sprint(i))); len(got) != 3 {
				w.Errorf("name %d is held by %v, want three", i, got)
			}
		}
	})
}

func TestACutOffMetaNodeCopiesNothing(t *testing.T) {
	t.Parallel()
	simulate(t, 5, nil, func(w *world) {
		w.publish("acme/a", "1")
		w.pass(5 * time.Second)
		for _, e := range w.edges {
			e.cut = true
		}
		w.pass(30 * time.Second)
		status, err := w.node.Status(w.Context())
		if err != nil || !status.RepairHalted || status.RepairReason == "" {
			w.Errorf("status %+v, %v; want a halt with a reason", status, err)
		}
		for _, e := range w.edges {
			e.cut = false
		}
		w.pass(5 * time.Minute)
		if w.asked(meta.Replicate) != 0 || w.asked(meta.Drop) != 0 {
			w.Errorf("%d replications and %d drops", w.asked(meta.Replicate), w.asked(meta.Drop))
		}
		if status, err := w.node.Status(w.Context()); err != nil || status.RepairHalted {
			w.Errorf("still halted: %+v, %v", status, err)
		}
	})
}

func TestADrainedEdgeHandsOver(t *testing.T) {
	t.Parallel()
	simulate(t, 5, nil, func(w *world) {
		w.publish("acme/a", "1")
		w.pass(5 * time.Second)
		leaving := w.holders(cid("1"))[0]
		if err := w.node.Drain(w.Context(), leaving, true); err != nil {
			w.Fatal(err)
		}
		w.pass(30 * time.Second)
		if got := w.states()[leaving]; got != meta.Draining {
			w.Errorf("state %v", got)
		}
		if staying := slices.DeleteFunc(w.holders(cid("1")), func(id meta.EdgeID) bool { return id == leaving }); len(staying) != 3 {
			w.Errorf("handed over to %v, want three edges that stay", staying)
		}
		w.stop()
		w.start()
		w.pass(3 * time.Second)
		if got := w.states()[leaving]; got != meta.Draining {
			w.Errorf("after a restart: state %v", got)
		}
		if err := w.node.Drain(w.Context(), leaving, false); err != nil {
			w.Fatal(err)
		}
		w.pass(3 * time.Second)
		if got := w.states()[leaving]; got != meta.Live {
			w.Errorf("taken back: state %v", got)
		}
		if err := w.node.Drain(w.Context(), 99, true); !errors.Is(err, meta.ErrNotFound) {
			w.Errorf("an edge that there is not: %v", err)
		}
	})
}

func TestTheNetworkIsWaitedFor(t *testing.T) {
	t.Parallel()
	simulate(t, 2, nil, func(w *world) {
		first, err := w.node.Network(w.Context(), 0, time.Hour)
		if err != nil || len(first.Edges) != 2 || first.ChainID != chainID || !first.View.Defined() || !first.Authorities[1].Equal(public("authority")) {
			w.Fatalf("network %+v, %v", first, err)
		}
		began := time.Now()
		same, err := w.node.Network(w.Context(), first.Version, 100*time.Millisecond)
		if err != nil || time.Since(began) > time.Second {
			w.Errorf("waited %s, %v", time.Since(began), err)
		}
		// A change ends the wait at once.
		got := make(chan *meta.Network)
		go func() {
			network, err := w.node.Network(context.Background(), same.Version, time.Minute)
			if err != nil {
				w.Error(err)
			}
			got <- network
		}()
		synctest.Wait()
		began = time.Now()
		w.join(3)
		if network := <-got; len(network.Edges) != 3 || time.Since(began) > time.Second {
			w.Errorf("%d edges after %s", len(network.Edges), time.Since(began))
		}
		ctx, cancel := context.WithCancel(w.Context())
		cancel()
		newest, err := w.node.Network(w.Context(), 0, 0)
		if err != nil {
			w.Fatal(err)
		}
		if _, err := w.node.Network(ctx, newest.Version, time.Minute); !errors.Is(err, context.Canceled) {
			w.Errorf("with a context that ended: %v", err)
		}
		// Loads alone make at most one version a second.
		before := newest.Version
		for range 5 {
			for range 20 {
				w.beat(w.edges[0])
				time.Sleep(50 * time.Millisecond)
			}
			w.beat(w.edges[1])
			w.beat(w.edges[2])
		}
		newest, err = w.node.Network(w.Context(), 0, 0)
		if err != nil || newest.Version-before > 8 {
			w.Errorf("%d versions in five seconds, %v", newest.Version-before, err)
		}
		w.stop()
		w.start()
		again, err := w.node.Network(w.Context(), newest.Version, time.Minute)
		if err != nil || again.Version <= newest.Version {
			w.Errorf("version %d after a restart, %d before: %v", again.Version, newest.Version, err)
		}
	})
}

func TestInvitationsAdmitOneNodeEach(t *testing.T) {
	t.Parallel()
	simulate(t, 0, nil, func(w *world) {
		invite := func(number byte, signer string) string {
			v := meta.Invitation{Kind: meta.EdgeNode, Number: [16]byte{number}, Until: time.Now().Add(time.Hour)}
			v.Sign(key(signer), chainID)
			return v.Text()
		}
		admit := func(token, name string) (meta.EdgeID, error) {
			return w.node.Admit(w.Context(), meta.Admission{Kind: meta.EdgeNode, Key: public(name), Token: token, Edge: meta.Edge{URL: "http://" + name + ".example"}})
		}
		token := invite(1, "operator")
		for range 2 {
			if id, err := admit(token, "one"); id != 1 || err != nil {
				w.Errorf("admitted as %d, %v", id, err)
			}
		}
		for why, token := range map[string]string{"used by another": token, "signed by a stranger": invite(2, "stranger")} {
			if _, err := admit(token, "two"); !errors.Is(err, meta.ErrForbidden) {
				w.Errorf("%s: %v", why, err)
			}
		}
		if _, err := admit("nonsense", "two"); !errors.Is(err, meta.ErrInvalid) {
			w.Errorf("nonsense: %v", err)
		}
		time.Sleep(2 * time.Hour)
		if _, err := admit(token, "three"); !errors.Is(err, meta.ErrForbidden) {
			w.Errorf("when it is over: %v", err)
		}
		// The operator gives edge 1 another key: the old one is nobody's.
		id, err := w.node.Admit(w.Context(), meta.Admission{Kind: meta.EdgeNode, Key: public("one again"), Edge: meta.Edge{ID: 1, URL: "http://one.example"}})
		if id != 1 || err != nil {
			w.Errorf("new key: %d, %v", id, err)
		}
		if _, _, known := w.node.WhoIs(public("one")); known {
			w.Error("the old key is still known")
		}
		if kind, id, known := w.node.WhoIs(public("one again")); kind != meta.EdgeNode || id != 1 || !known {
			w.Errorf("the new key is %v, %d, %v", kind, id, known)
		}
	})
}

func TestAdmissionsOutOfBoundsAreRefused(t *testing.T) {
	t.Parallel()
	simulate(t, 0, nil, func(w *world) {
		for why, a := range map[string]meta.Admission{
			"no kind":              {Key: public("x"), Edge: meta.Edge{URL: "http://x"}},
			"no key":               {Kind: meta.EdgeNode, Edge: meta.Edge{URL: "http://x"}},
			"an edge without URL":  {Kind: meta.EdgeNode, Key: public("x")},
			"another scheme":       {Kind: meta.EdgeNode, Key: public("x"), Edge: meta.Edge{URL: "ftp://x"}},
			"no host":              {Kind: meta.EdgeNode, Key: public("x"), Edge: meta.Edge{TLSURL: "https://"}},
			"beyond the pole":      {Kind: meta.EdgeNode, Key: public("x"), Edge: meta.Edge{URL: "http://x", Lat: 91}},
			"a negative capacity":  {Kind: meta.EdgeNode, Key: public("x"), Edge: meta.Edge{URL: "http://x", Capacity: -1}},
			"a novel for a region": {Kind: meta.EdgeNode, Key: public("x"), Edge: meta.Edge{URL: "http://x", Region: string(make([]byte, 65))}},
		} {
			if _, err := w.node.Admit(w.Context(), a); !errors.Is(err, meta.ErrInvalid) {
				w.Errorf("%s: %v", why, err)
			}
		}
		if _, err := w.node.Beat(w.Context(), 1, meta.Beat{}); !errors.Is(err, meta.ErrForbidden) {
			w.Errorf("a beat of nobody: %v", err)
		}
		if _, err := w.node.Digest(w.Context(), 1, [256]uint64{}); !errors.Is(err, meta.ErrForbidden) {
			w.Errorf("a digest of nobody: %v", err)
		}
		if err := w.node.Report(w.Context(), 1, nil, nil); !errors.Is(err, meta.ErrForbidden) {
			w.Errorf("a report of nobody: %v", err)
		}
	})
}

func TestWhatAnEdgeSaysOfItsCapacityCountsWhileItSaysSo(t *testing.T) {
	t.Parallel()
	simulate(t, 2, nil, func(w *world) {
		w.pass(2 * time.Second)
		id := w.edges[0].id
		capacity := func() int64 {
			status, err := w.node.Status(w.Context())
			if err != nil {
				w.Fatal(err)
			}
			for _, e := range status.Edges {
				if e.ID == id {
					return e.Capacity
				}
			}
			return -1
		}
		admitted := capacity()
		for _, c := range []struct{ said, want int64 }{{3e9, 3e9}, {1 << 62, 1e15}, {-5, admitted}, {0, admitted}} {
			if _, err := w.node.Beat(w.Context(), id, meta.Beat{Boot: [8]byte{w.edges[0].boot}, Load: meta.Load{Capacity: c.said}}); err != nil {
				w.Fatal(err)
			}
			if got := capacity(); got != c.want {
				w.Errorf("it says %d: %d, want %d", c.said, got, c.want)
			}
		}
	})
}
