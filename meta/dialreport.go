package meta

import (
	"fmt"
	"time"
)

// DialReport is what one edge saw that dialled another from outside, where
// viewers are. Each part says what became of it; the endpoint is reached when
// viewers would be.
type DialReport struct {
	// Number of the work that it answers; an answer that nobody asked for is not
	// taken.
	Number uint64
	// Target was dialled, By the other one: the meta node fills By and Time in.
	Target, By EdgeID
	Time       time.Time
	// IPv4 and IPv6 are connections over TCP to the addresses of the announced
	// URLs; NotAnnounced where they have no such address.
	IPv4, IPv6 DialResult
	// Certificate is the TLS handshake; NotAnnounced without an https URL.
	Certificate DialResult
	// Key is the proof of the edge's node key over a nonce.
	Key DialResult
	// HTTP3 is the same question over QUIC; NotAnnounced without Alt-Svc.
	HTTP3 DialResult
}

// DialResult is what became of one part of a dial.
type DialResult struct {
	Outcome DialOutcome
	// Detail says in words what was seen, of what failed or was not tried.
	Detail string
}

// DialOutcome of a part of a dial.
type DialOutcome uint8

const (
	// NotAnnounced: there is nothing of the kind to dial.
	NotAnnounced DialOutcome = iota
	DialOK
	DialFailed
	// DialUntried: this dialler cannot tell, for want of the protocol or of what
	// comes before.
	DialUntried
)

// Bounds of what an edge may say of its dials.
const (
	MaxDialReports = 64
	MaxDialDetail  = 200
)

// Verdict tells whether viewers reach the endpoint; told is false where the
// dialler could not find out. One family of addresses is enough, for clients
// try the other (RFC 8305); a wrong certificate or another node behind any of
// them is not, for clients do not try again after that. HTTP/3 is an offer, and
// clients without it stay on TCP.
func (r *DialReport) Verdict() (reached, told bool) {
	switch {
	case r.Certificate.Outcome == DialFailed, r.Key.Outcome == DialFailed:
		return false, true
	case r.Key.Outcome == DialOK && (r.IPv4.Outcome == DialOK || r.IPv6.Outcome == DialOK):
		return true, true
	case r.IPv4.Outcome == DialUntried, r.IPv6.Outcome == DialUntried:
		return false, false
	}
	return false, r.IPv4.Outcome == DialFailed || r.IPv6.Outcome == DialFailed
}

// Parts are the results with the names that people know them by.
func (r *DialReport) Parts() [5]struct {
	Name   string
	Result DialResult
} {
	return [5]struct {
		Name   string
		Result DialResult
	}{{"IPv4", r.IPv4}, {"IPv6", r.IPv6}, {"certificate", r.Certificate}, {"key", r.Key}, {"HTTP/3", r.HTTP3}}
}

// Validate says what is wrong with a report as an edge sent it.
func (r *DialReport) Validate() error {
	for _, part := range r.Parts() {
		if part.Result.Outcome > DialUntried || len(part.Result.Detail) > MaxDialDetail {
			return fmt.Errorf("dial of edge %d: %w: %s has outcome %d and %d bytes of detail", r.Target, ErrInvalid, part.Name, part.Result.Outcome, len(part.Result.Detail))
		}
	}
	return nil
}
