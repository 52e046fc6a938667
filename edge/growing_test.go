package edge

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
)

// grow shows a state of a film that belongs to acme, signed by whom is said, and
// returns the beginning of its URLs.
func (s *stage) grow(sequence uint64, files map[string][]byte, signer string) string {
	s.t.Helper()
	key := func(seed string) ed25519.PrivateKey {
		h := sha256.Sum256([]byte(seed))
		return ed25519.NewKeyFromSeed(h[:])
	}
	name := fmt.Sprintf("acme/growing-%p", s)
	bind := meta.GrowingBind(meta.Name(name), key("acme").Public().(ed25519.PublicKey))
	p := s.publish(name, files, s.e)
	state := &meta.GrowingState{
		Name: meta.Name(name), Upload: [16]byte{1}, Sequence: sequence, Root: p.record.Root, Manifest: p.record.Manifest,
		Durable: p.holders, Time: time.Now(),
	}
	state.Sign(key(signer), testChain)
	p.record.Growing = sequence
	s.meta.mu.Lock()
	s.meta.records[bind] = meta.Resolution{Record: p.record, Holders: p.holders, Growing: state}
	s.meta.mu.Unlock()
	ticket := s.world.ticket(p, func(t *receipt.Ticket) { t.Class, t.Bind = receipt.ClassB|receipt.Growing, bind }, s.e)
	return "/t/" + ticket + "/" + name + "/"
}
