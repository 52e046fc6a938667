package revoke

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

type memory struct {
	list []meta.Revocation
	err  error
}

func (m *memory) PutRevocations(list []meta.Revocation) error {
	if m.err == nil {
		m.list = append(m.list, list...)
	}
	return m.err
}

func (m *memory) Revocations() ([]meta.Revocation, error) { return m.list, nil }

func cid(text string) sds.CID { return sds.Sum(sds.Raw, []byte(text)) }

func TestRevocations(t *testing.T) {
	t.Parallel()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	table := peers.NewTable(nil)
	table.Set(&meta.Network{ChainID: "c", Authorities: map[uint16]ed25519.PublicKey{1: public}})
	number := uint64(0)
	revocation := func(kind meta.RevocationKind, root sds.CID, objects ...sds.CID) meta.Revocation {
		number++
		r := meta.Revocation{Number: number, Authority: 1, Kind: kind, Root: root, Objects: objects, Time: time.Unix(1, 0)}
		r.Sign(key, "c")
		return r
	}
	stored := &memory{}
	list, err := Open(stored)
	if err != nil {
		t.Fatal(err)
	}
	owner, ban := revocation(meta.ByOwner, cid("a")), revocation(meta.ByNetwork, cid("b"), cid("object"))
	if err := list.Add([]meta.Revocation{owner, ban}, table.Now()); err != nil {
		t.Fatal(err)
	}
	check := func(l *List, name string, want error) {
		t.Helper()
		if got := l.Root(cid(name)); !errors.Is(got, want) || want == nil && got != nil {
			t.Errorf("root %s: %v, want %v", name, got, want)
		}
	}
	object := func(l *List, name string, want error) {
		t.Helper()
		if got := l.Object(cid(name)); !errors.Is(got, want) || want == nil && got != nil {
			t.Errorf("object %s: %v, want %v", name, got, want)
		}
	}
	object(list, "a", nil) // it may be in a folder of somebody else
	object(list, "b", nil)
	object(list, "object", meta.ErrBanned)
	check(list, "a", meta.ErrDeleted)
	check(list, "b", meta.ErrBanned)
	check(list, "object", meta.ErrBanned)
	check(list, "c", nil)

	lifted := []meta.Revocation{revocation(meta.Lifted, cid("a")), revocation(meta.Lifted, cid("b"))}
	if err := list.Add(lifted, table.Now()); err != nil {
		t.Fatal(err)
	}
	check(list, "a", nil)
	check(list, "b", meta.ErrBanned) // nobody lifts a ban this way

	unbanned := []meta.Revocation{
		revocation(meta.ByNetwork, cid("f"), cid("g"), cid("h")), revocation(meta.ByOwner, cid("i")),
		revocation(meta.Unbanned, cid("f"), cid("g")), revocation(meta.Unbanned, cid("i")),
	}
	if err := list.Add(unbanned, table.Now()); err != nil {
		t.Fatal(err)
	}
	check(list, "f", nil)
	object(list, "g", nil)
	object(list, "h", meta.ErrBanned) // the order to take it back did not name it
	check(list, "i", meta.ErrDeleted) // no operator undoes what its owner removed

	forged := revocation(meta.ByNetwork, cid("c"))
	forged.Root = cid("d")
	good := revocation(meta.ByNetwork, cid("e"))
	if err := list.Add([]meta.Revocation{forged, good}, table.Now()); err == nil {
		t.Error("a forged revocation was taken")
	}
	check(list, "d", nil)
	check(list, "e", nil) // in order, or not at all
	if list.Number() != 8 {
		t.Errorf("number %d, want 8", list.Number())
	}
	again, err := Open(&memory{list: slices.Clone(stored.list)})
	if err != nil {
		t.Fatal(err)
	}
	check(again, "a", nil)
	object(again, "object", meta.ErrBanned)
	object(again, "g", nil)
	if again.Number() != 8 {
		t.Errorf("after a restart number %d, want 8", again.Number())
	}

	stored.err = errors.New("disk full")
	forged.Root = cid("c")
	if err := list.Add([]meta.Revocation{forged}, table.Now()); err == nil {
		t.Error("a revocation that could not be kept is no error")
	}
	check(list, "c", meta.ErrBanned) // in force all the same
}
