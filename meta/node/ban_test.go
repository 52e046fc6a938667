package node_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

func (w *world) ban(root string, objects ...string) meta.Revocation {
	w.Helper()
	r := meta.RevokeRequest{Root: cid(root), Ban: true, Reason: "about " + root}
	for _, object := range objects {
		r.Objects = append(r.Objects, cid(object))
	}
	v, err := w.node.Revoke(w.Context(), r)
	if err != nil {
		w.Fatal(err)
	}
	return v
}

// refused lists which of some roots get no ticket.
func (w *world) refused(roots ...string) (out []string) {
	w.Helper()
	for _, root := range roots {
		issued, err := w.node.Issue(w.Context(), []meta.TicketRequest{ticketRequest(root)})
		if err != nil || issued[0].Err != nil && !errors.Is(issued[0].Err, meta.ErrBanned) {
			w.Fatalf("a ticket for %s: %+v, %v", root, issued, err)
		}
		if issued[0].Err != nil {
			out = append(out, root)
		}
	}
	return out
}

func TestABanTakenBackLeavesWhatOthersRefuse(t *testing.T) {
	t.Parallel()
	simulate(t, 3, nil, func(w *world) {
		all := []string{"a", "b", "film", "song", "gone", "free"}
		for _, root := range all[1:] {
			w.publish(meta.Name("acme/"+root), root)
		}
		w.publish("acme/a", "a")
		w.remove("acme/gone", true)
		w.ban("a", "film", "song", "gone")
		w.ban("b", "film", "a")
		if got := w.refused(all...); !slices.Equal(got, []string{"a", "b", "film", "song", "gone"}) {
			t.Errorf("refused are %v", got)
		}
		for range 2 { // and so after a restart with nothing but the journal
			bans, err := w.node.Bans(w.Context(), 0)
			if err != nil || len(bans) != 2 || bans[0].Root != cid("a") || bans[0].Name != "acme/a" || bans[0].Objects != 3 ||
				bans[0].Reason != "about a" || bans[0].Time.IsZero() || bans[1].Root != cid("b") {
				t.Errorf("bans are %+v, %v", bans, err)
			}
			w.stop()
			for _, view := range []string{"store", "views", "tickets"} {
				if err := os.RemoveAll(filepath.Join(w.cfg.Dir, view)); err != nil {
					t.Fatal(err)
				}
			}
			w.start()
		}
		w.pass(2 * time.Second)
		if _, err := w.node.Unban(w.Context(), cid("a")); err != nil {
			t.Fatal(err)
		}
		// The other ban names a and film, the owner removed gone.
		if got := w.refused(all...); !slices.Equal(got, []string{"a", "b", "film", "gone"}) {
			t.Errorf("after one ban was taken back, refused are %v", got)
		}
		if bans, err := w.node.Bans(w.Context(), 0); err != nil || len(bans) != 1 || bans[0].Root != cid("b") {
			t.Errorf("bans are %+v, %v", bans, err)
		}
		if _, err := w.node.Unban(w.Context(), cid("b")); err != nil {
			t.Fatal(err)
		}
		if got := w.refused(all...); !slices.Equal(got, []string{"gone"}) {
			t.Errorf("after both were taken back, refused are %v", got)
		}
		w.resolves("acme/a", nil)
		// Every edge comes to the same by the orders alone.
		w.pass(5 * time.Second)
		for _, e := range w.edges {
			inForce := make(map[sds.CID]meta.RevocationKind)
			for _, v := range e.revoked {
				for _, c := range append(v.Objects, v.Root) {
					switch {
					case v.Kind == meta.Unbanned && inForce[c] == meta.ByNetwork:
						delete(inForce, c)
					case v.Kind != meta.Unbanned && inForce[c] != meta.ByNetwork:
						inForce[c] = v.Kind
					}
				}
			}
			if len(inForce) != 1 || inForce[cid("gone")] != meta.ByOwner {
				t.Errorf("edge %d has %v in force", e.id, inForce)
			}
		}
	})
}

func TestWhatIsNotBannedCannotBeTakenBack(t *testing.T) {
	t.Parallel()
	simulate(t, 3, nil, func(w *world) {
		w.publish("acme/a", "a")
		w.publish("acme/gone", "gone")
		w.remove("acme/gone", true)
		w.ban("a", "film")
		for _, root := range []string{"film", "gone", "never"} {
			if _, err := w.node.Unban(w.Context(), cid(root)); !errors.Is(err, meta.ErrNotFound) {
				t.Errorf("%s: got %v, want %v", root, err, meta.ErrNotFound)
			}
		}
		if _, err := w.node.Unban(w.Context(), cid("a")); err != nil {
			t.Error(err)
		}
		if _, err := w.node.Unban(w.Context(), cid("a")); !errors.Is(err, meta.ErrNotFound) {
			t.Errorf("twice: got %v, want %v", err, meta.ErrNotFound)
		}
	})
}

func TestALargeBanIsSeveralOrdersAndTakenBackWhole(t *testing.T) {
	t.Parallel()
	simulate(t, 3, nil, func(w *world) {
		w.publish("acme/a", "a")
		const objects = meta.MaxRevokedObjects + 10
		list := make([]string, objects)
		for i := range list {
			list[i] = fmt.Sprint("object ", i)
		}
		w.ban("a", list[:meta.MaxRevokedObjects]...)
		w.ban("a", list[meta.MaxRevokedObjects:]...)
		bans, err := w.node.Bans(w.Context(), 0)
		if err != nil || len(bans) != 1 || bans[0].Number != 1 || bans[0].Objects != objects {
			t.Errorf("bans are %+v, %v", bans, err)
		}
		if more, err := w.node.Bans(w.Context(), 1); err != nil || len(more) != 0 {
			t.Errorf("after the last: %+v, %v", more, err)
		}
		v, err := w.node.Unban(w.Context(), cid("a"))
		if err != nil || v.Number != 4 {
			t.Errorf("unban: revocation %d, %v", v.Number, err)
		}
		if got := w.refused("a", list[0], list[objects-1]); got != nil {
			t.Errorf("refused are %v", got)
		}
	})
}
