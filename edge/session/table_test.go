package session

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
)

const chain = "stratos-test-1"

var now = time.Unix(1_800_000_000, 0)

type issuer struct {
	key  ed25519.PrivateKey
	next uint32
}

func (i *issuer) ticket(end time.Time) string {
	i.next++
	var sequence [6]byte
	binary.BigEndian.PutUint32(sequence[:], i.next)
	t := &receipt.Ticket{ID: receipt.NewTicketID(end, 1, sequence), Class: receipt.ClassB, Bind: [32]byte{1}, Edges: []uint32{5}, MaxBytes: 1, MaxRateKbps: 1}
	t.Sign(i.key, chain)
	return t.Text()
}

func newTable(t testing.TB, config Config) (*Table, *issuer) {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	config.Peers = peers.NewTable(public)
	config.Peers.Set(&meta.Network{
		Version: 1, ChainID: chain, Edges: []meta.Edge{{ID: 5, Key: public}},
		Authorities: map[uint16]ed25519.PublicKey{1: public},
	})
	return NewTable(config), &issuer{key: key}
}

func TestATicketIsVerifiedOnceAndFoundAfterThat(t *testing.T) {
	t.Parallel()
	table, issuer := newTable(t, Config{})
	text := issuer.ticket(now.Add(time.Hour))
	if table.Known(text, now) != nil {
		t.Fatal("known before it was seen")
	}
	var wg sync.WaitGroup
	found := make([]*Session, 16)
	for i := range found {
		wg.Go(func() {
			s, err := table.Find(strings.Clone(text), now)
			if err != nil {
				t.Error(err)
			}
			found[i] = s
		})
	}
	wg.Wait()
	for _, s := range found {
		if s != found[0] || s != table.Known(text, now) {
			t.Fatal("two sessions for one ticket")
		}
	}
	if n := len(table.Accepted()); n != 1 || table.Len() != 1 {
		t.Errorf("%d accepted, %d sessions, want 1 and 1", n, table.Len())
	}
	if _, err := table.Find(text, now.Add(time.Hour)); !errors.Is(err, ErrExpired) {
		t.Errorf("after its end: %v", err)
	}
}

func TestSessionsAreBoundedAndForgottenAfterTheirEnd(t *testing.T) {
	t.Parallel()
	table, issuer := newTable(t, Config{Max: 10})
	for range 10 {
		if _, err := table.Find(issuer.ticket(now.Add(time.Minute)), now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := table.Find(issuer.ticket(now.Add(time.Hour)), now); !errors.Is(err, ErrBusy) {
		t.Errorf("one too many: %v", err)
	}
	later := now.Add(2 * time.Minute)
	if _, err := table.Find(issuer.ticket(now.Add(time.Hour)), later); err != nil {
		t.Errorf("after the others' end: %v", err)
	}
	if table.Len() != 1 {
		t.Errorf("%d sessions, want 1", table.Len())
	}
}

func TestADrainingTableKnowsItsSessionsAndOpensNone(t *testing.T) {
	t.Parallel()
	draining := false
	table, issuer := newTable(t, Config{Draining: func() bool { return draining }})
	old := issuer.ticket(now.Add(time.Hour))
	if _, err := table.Find(old, now); err != nil {
		t.Fatal(err)
	}
	draining = true
	if _, err := table.Find(old, now); err != nil {
		t.Errorf("a running session: %v", err)
	}
	if _, err := table.Find(issuer.ticket(now.Add(time.Hour)), now); !errors.Is(err, ErrDraining) {
		t.Errorf("a new session: %v", err)
	}
}

func FuzzFind(f *testing.F) {
	table, issuer := newTable(f, Config{})
	f.Add(issuer.ticket(now.Add(time.Hour)))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := table.Find(text, now); err == nil && s.Ticket.Text() != text {
			t.Fatalf("%q is a ticket, and %q too", text, s.Ticket.Text())
		}
	})
}

func BenchmarkKnown(b *testing.B) {
	table, issuer := newTable(b, Config{})
	text := issuer.ticket(now.Add(time.Hour))
	if _, err := table.Find(text, now); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if table.Known(text, now) == nil {
			b.Fatal("not known")
		}
	}
}
