package journal

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/layout"
)

// Record is an entry at its place in the list.
//
//	version 1 ‖ kind 1 ‖ authority 2 ‖ time 8 ‖ entry ‖ signature 64
type Record struct {
	// Height is given by the journal and not part of the encoding.
	Height uint64
	// Authority whose meta node accepted the entry, and when.
	Authority uint16
	Time      time.Time
	Entry     Entry
	Signature [64]byte
}

const recordVersion = 1

func (rec *Record) body() []byte {
	var w layout.Writer
	w.U8(recordVersion)
	w.U8(uint8(rec.Entry.kind()))
	w.U16(rec.Authority)
	w.Time(rec.Time)
	rec.Entry.write(&w)
	return w.Done()
}

// Encode is the record in bytes, signature included.
func (rec *Record) Encode() []byte { return append(rec.body(), rec.Signature[:]...) }

// Decode reads what Encode wrote. It does not check the signature.
func Decode(b []byte) (*Record, error) {
	r := layout.NewReader(b)
	rec := &Record{}
	if v := r.U8(); v != recordVersion {
		r.Fail("record version %d, want %d", v, recordVersion)
	}
	kind := Kind(r.U8())
	rec.Authority = r.U16()
	rec.Time = r.Time()
	entry, known := newEntry(kind)
	if !known {
		r.Fail("record of kind %d", kind)
		return nil, fmt.Errorf("journal record: %w", r.Done())
	}
	entry.read(r)
	rec.Entry = entry
	r.Fixed(rec.Signature[:])
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("journal record: %w", err)
	}
	return rec, nil
}

// Sign signs as the authority whose key it is.
func (rec *Record) Sign(key ed25519.PrivateKey, chainID string) {
	copy(rec.Signature[:], ed25519.Sign(key, meta.SignedMessage(meta.JournalType, chainID, rec.body())))
}

// Verify checks the signature.
func (rec *Record) Verify(key ed25519.PublicKey, chainID string) error {
	if len(key) != ed25519.PublicKeySize ||
		!ed25519.Verify(key, meta.SignedMessage(meta.JournalType, chainID, rec.body()), rec.Signature[:]) {
		return fmt.Errorf("journal record %d of authority %d: %w", rec.Height, rec.Authority, meta.ErrSignature)
	}
	return nil
}
