package receipt

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// NewTicketID puts an id together. The sequence is the encrypted one
// (SequenceCipher).
func NewTicketID(notAfter time.Time, authority uint16, sequence [6]byte) TicketID {
	var id TicketID
	binary.BigEndian.PutUint64(id[:8], uint64(max(0, notAfter.Unix())))
	binary.BigEndian.PutUint16(id[8:10], authority)
	copy(id[10:], sequence[:])
	return id
}

// NotAfter is the second after which the session is over.
func (id TicketID) NotAfter() time.Time {
	return time.Unix(int64(binary.BigEndian.Uint64(id[:8])), 0)
}

// Authority is the index of the meta node that signed the ticket.
func (id TicketID) Authority() uint16 { return binary.BigEndian.Uint16(id[8:10]) }

// Sequence is the encrypted sequence number.
func (id TicketID) Sequence() [6]byte { return [6]byte(id[10:]) }

// String is the id in hex, as logs and URLs show it.
func (id TicketID) String() string { return hex.EncodeToString(id[:]) }

// ParseTicketID reads what String wrote: 32 small hex digits.
func ParseTicketID(text string) (TicketID, error) {
	var id TicketID
	if len(text) == 2*len(id) {
		if _, err := hex.Decode(id[:], []byte(text)); err == nil && id.String() == text {
			return id, nil
		}
	}
	return TicketID{}, fmt.Errorf("ticket id %.40q: %w: want 32 small hex digits", text, ErrMalformed)
}
