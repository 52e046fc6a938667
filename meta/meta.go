// Package meta holds knowledge: what exists, where it is, who is alive, who was
// honest.
//
// A meta node belongs to one operator. What all meta nodes must agree on is a
// list of signed records, the journal; everything else is a view that can be
// deleted and is rebuilt from the journal and from what edges report. The
// interfaces below are what other rooms ask of a meta node: Node (package
// meta/node) answers them in process, Client (package meta/metahttp) over RPC.
//
// The words, one for each thing:
//
//	name        namespace/path, a pointer that its owner moves from root to root
//	unit        what is placed, counted and repaired as one
//	view        the live edges with weights, published once per epoch
//	placement   the edges that a unit belongs on: a pure function of key and view
//	holder      an edge that has a complete replica of a unit
//	grant       the meta node's leave to write slices of an upload to named edges
//	revocation  a signed order to stop serving a root or objects, at once
//	beat        an edge's heartbeat; the reply carries its work
package meta

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net/netip"
	"time"

	"github.com/stratos-mesh/stratos/receipt"
	"github.com/stratos-mesh/stratos/sds"
)

// Errors that cross the RPC unchanged; callers ask with errors.Is.
var (
	// ErrNotFound: there never was such a name, root, unit or edge (404).
	ErrNotFound = errors.New("not found")
	// ErrDeleted: the name was removed by its owner (410).
	ErrDeleted = errors.New("deleted")
	// ErrBanned: a ban or a revocation forbids it (451).
	ErrBanned = errors.New("banned")
	// ErrConflict: the name lies above or below another, belongs to another
	// key, or moved meanwhile (409).
	ErrConflict = errors.New("conflict")
	// ErrForbidden: the caller's key may not do this (403).
	ErrForbidden = errors.New("forbidden")
	// ErrInvalid: the request breaks a rule of its format (400).
	ErrInvalid = errors.New("invalid")
	// ErrNoEdges: too few edges are alive to place or to serve this (503).
	ErrNoEdges = errors.New("not enough live edges")
)

// EdgeID is an edge's registration number; it survives a change of keys.
type EdgeID uint32

// UnitKey is a unit's identity and the seed of its placement. It is drawn when
// a name is first published and stays with the name.
type UnitKey [32]byte

// Name is namespace/path, checked by ParseName.
type Name string

// Kind tells an object from a bundle.
type Kind uint8

const (
	Object Kind = 1
	Bundle Kind = 2
)

// Record is the newest state of a name.
type Record struct {
	Name Name
	Kind Kind
	// Root is the CID of the object or bundle, Manifest that of its manifest.
	Root, Manifest sds.CID
	// Size is the sum of the objects' bytes; Objects counts them.
	Size, Objects int64
	// Units in shard order: one, unless a bundle is larger than ShardSize.
	Units []UnitKey
	// Replicas wanted.
	Replicas int
	// Height is the journal's position at which the name last moved.
	Height uint64
	// Modified is when the meta node accepted the move.
	Modified time.Time
	// Growing is the sequence of the state that Root is, of a bundle that is
	// still being made; 0 of everything that was published.
	Growing uint64
}

// ShardSize is how many bytes of a bundle, in directory order, are one unit.
const ShardSize = 8 << 30

// Resolution is a name found for a path, the rest of the path inside its
// bundle, and who has it.
type Resolution struct {
	Record Record
	// Rest is the path inside the bundle, without leading slash; empty for an
	// object and for the bundle itself.
	Rest string
	// Holders have all of the first unit, live ones only, in no order.
	Holders []EdgeID
	// Shards are the holders of each further unit of a bundle that has several.
	Shards [][]EdgeID
	// Maybe are edges whose Bloom filter does not exclude a cached copy.
	Maybe []EdgeID
	// Growing is the newest state of a bundle that is still being made, as its
	// owner signed it; nil for everything that was published.
	Growing *GrowingState
}

// Index answers about names and roots.
type Index interface {
	// Resolve finds the one name that is path or a prefix of it at a slash.
	// ErrNotFound, ErrDeleted and ErrBanned tell the three kinds of absence.
	Resolve(ctx context.Context, path string) (Resolution, error)
	// Locate finds a live record by what a ticket binds: the digest of its root,
	// or the GrowingBind of a bundle, which is good for the states and for what
	// was published in the end. An edge asks when it does not know it.
	Locate(ctx context.Context, bind [32]byte) (Resolution, error)
	// List names below a prefix in byte order, at most limit (1 to 1,000; 0 is
	// 100) from after cursor. An empty Next ends the listing.
	List(ctx context.Context, prefix, cursor string, limit int) (Page, error)
}

// Page is part of a listing.
type Page struct {
	Records []Record
	Next    string
}

// Publisher changes names. Every change is signed by the key that owns the
// namespace, journalled and synced before it is acknowledged; repeating one
// that took effect succeeds and changes nothing.
type Publisher interface {
	// Begin opens or renews an upload: a unit for the name, edges to write to,
	// and leave to do so until the grant ends. Dead lists edges that a caller
	// could not reach; they are left out and replaced.
	Begin(ctx context.Context, u Upload) (Grant, error)
	// Grow shows a state of a bundle that is still being made, under a name that
	// has no published version. It is not journalled and lives for GrowingLease;
	// telling it again renews that. A state below the newest is ErrConflict.
	// Publishing the name ends it.
	Grow(ctx context.Context, g GrowingState) (Record, error)
	// Publish moves a name to a new root whose slices are durable.
	Publish(ctx context.Context, p Publication) (Record, error)
	// Rename moves a name without touching content.
	Rename(ctx context.Context, r Rename) (Record, error)
	// Remove takes a name away; its root rests for the grace and then goes. Now
	// also revokes the root on every edge.
	Remove(ctx context.Context, r Removal) error
}

// Upload is a request for a grant.
type Upload struct {
	// ID is 16 random bytes of the caller's, the same in every renewal.
	ID [16]byte
	// Name that will be published.
	Name Name
	Kind Kind
	// MaxBytes that the grant covers, manifest and nodes included.
	MaxBytes int64
	// Replicas wanted; 0 is the network's default.
	Replicas int
	// Dead are edges that the caller could not write to.
	Dead []EdgeID
}

// Publication is a name's move to a root. Signature is by the namespace's
// owner over SignedBytes (publication.go).
type Publication struct {
	Name           Name
	Kind           Kind
	Root, Manifest sds.CID
	Size, Objects  int64
	Replicas       int
	// Upload is the one under whose grant the slices were written.
	Upload [16]byte
	// Durable lists the edges that acknowledged every block.
	Durable   []EdgeID
	Owner     ed25519.PublicKey
	Time      time.Time
	Signature []byte
}

// Rename gives a record another name, in a namespace of the same owner.
type Rename struct {
	From, To  Name
	Owner     ed25519.PublicKey
	Time      time.Time
	Signature []byte
}

// Removal takes a name away.
type Removal struct {
	Name Name
	// Now revokes the root as well: in force on every edge within 15 s.
	Now       bool
	Owner     ed25519.PublicKey
	Time      time.Time
	Signature []byte
}

// Edge is one edge as others need to know it.
type Edge struct {
	ID  EdgeID
	Key ed25519.PublicKey
	// URL and TLSURL are where viewers and other nodes reach it. One of them
	// may be empty; http is for development networks alone.
	URL, TLSURL string
	Region      string
	Operator    string
	// ASN is the autonomous system of its address, 0 when unknown.
	ASN      uint32
	Lat, Lon float64
	// Capacity is what it can send, in bits per second; 0 when unmeasured. What
	// an edge says in its beats counts before what it was admitted with.
	Capacity int64
	// Weight in placement, 1 to 16 steps.
	Weight uint8
	State  EdgeState
	// Load is from the last beat.
	Load Load
}

// EdgeState is the meta node's judgement of an edge.
type EdgeState uint8

const (
	// Joining: admitted, never heard of or not yet dialled from outside.
	Joining EdgeState = iota
	// Live edges are routed to and placed on.
	Live
	// Suspect edges missed beats or were reported by viewers: not routed to.
	Suspect
	// Draining edges take no new sessions; their replicas are handed over.
	Draining
	// Down edges are repaired around.
	Down
)

// Load is what an edge says of itself in a beat.
type Load struct {
	// Sending is the mean of the last 10 s, in bits per second.
	Sending int64
	// Sessions and Requests under way.
	Sessions, Requests int64
	// Failures per mille of the last minute's requests.
	Failures int64
	// PinnedFree and CachedFree are bytes left in the budgets.
	PinnedFree, CachedFree int64
	// HitRate per mille of the last minute's bytes.
	HitRate int64
	// Capacity that the edge is configured with, in bits per second; 0 leaves
	// it at what it was admitted with.
	Capacity int64
}

// Network is what routers and edges must know of each other. Version grows with
// every change.
type Network struct {
	Version uint64
	ChainID string
	Epoch   uint64
	Edges   []Edge
	// Authorities are the keys under which tickets, grants and revocations are
	// good, by authority index.
	Authorities map[uint16]ed25519.PublicKey
	// AuthorityOperators are the names of who runs them, as edges name theirs; an
	// authority that tells none has no entry. No ticket names an edge of its
	// signer's operator: who hands out viewers must not hand them to himself.
	AuthorityOperators map[uint16]string
	// Origins are the node keys that may write under a grant.
	Origins []ed25519.PublicKey
	// Routers and Metas are base URLs.
	Routers, Metas []string
	// View that placement uses now: its CID, and the epoch that published it.
	View      sds.CID
	ViewEpoch uint64
	// Development networks allow plain http and trust X-Forwarded-For from
	// loopback.
	Development bool
}

// Directory hands out the network.
type Directory interface {
	// Network returns at once when since is not the newest version, else when a
	// change comes or wait is over (then the same version again).
	Network(ctx context.Context, since uint64, wait time.Duration) (*Network, error)
}

// An Issuer signs tickets. It owns network key, sequence, seed and epoch key;
// routers hold none of them and call it in batches.
type Issuer interface {
	// Issue answers in the order of the requests; one that fails has its error
	// there and does not fail the others.
	Issue(ctx context.Context, requests []TicketRequest) ([]Issued, error)
}

// TicketRequest is a router's decision that wants a ticket.
type TicketRequest struct {
	Class receipt.Class
	// ViewerAlg and ViewerKey are zero in class B.
	ViewerAlg receipt.ViewerAlg
	ViewerKey [33]byte
	// Root the ticket binds; banned roots are refused here.
	Root sds.CID
	// Bind is what a ticket with the class flag receipt.Growing binds instead;
	// see GrowingBind.
	Bind [32]byte
	Unit UnitKey
	// Working is the working set, whose order the issuer draws; Rest follows in
	// the order given, up to four edges in all.
	Working, Rest []EdgeID
	// Sources are up to three holders, nearest first.
	Sources []EdgeID
	// Client is the viewer's address; only its network goes into the ticket,
	// sealed or as an HMAC.
	Client netip.Addr
	// Region (index into the view's regions) and ASN for the sealed fields.
	Region uint16
	ASN    uint32
	// MaxBytes of the first instalment and the session's length.
	MaxBytes    uint64
	MaxRateKbps uint32
	Lifetime    time.Duration
}

// Issued is a signed ticket, or why there is none.
type Issued struct {
	Ticket *receipt.Ticket
	// Text is the ticket in base64url, as it stands in URLs.
	Text string
	Err  error
}

// Nodes is what an edge calls.
type Nodes interface {
	// Beat reports life, load and changes of inventory, and fetches work.
	Beat(ctx context.Context, edge EdgeID, b Beat) (BeatReply, error)
	// Digest compares an inventory in 256 buckets: it returns the buckets that
	// differ from what the meta node believes.
	Digest(ctx context.Context, edge EdgeID, buckets [256]uint64) ([]uint8, error)
	// Report replaces what the meta node believes of the given buckets.
	Report(ctx context.Context, edge EdgeID, buckets []uint8, units []Holding) error
}

// Holding is how much of a unit an edge has.
type Holding struct {
	Unit UnitKey
	// Root tells which version of the unit's name is held.
	Root  sds.CID
	State HoldingState
	// Share per mille of a partial replica's bytes.
	Share uint16
}

// HoldingState says what a holding is worth.
type HoldingState uint8

const (
	// Gone: dropped since the last report.
	Gone HoldingState = iota
	// Partial: pinned, not complete yet.
	Partial
	// Complete: every block pinned and verified.
	Complete
	// CachedUnit: some of it in the cache; only ever in the Bloom filter.
	CachedUnit
)

// Beat is an edge's heartbeat.
type Beat struct {
	// Sequence grows by one a beat; a gap tells of lost ones.
	Sequence uint64
	// Boot is drawn at each start: a new one asks for a full digest.
	Boot     [8]byte
	Version  string
	Load     Load
	Draining bool
	Changes  []Holding
	// Cached is a Bloom filter over cached units' keys (bits-and-blooms binary
	// form), sent when it changed; nil keeps the last one.
	Cached []byte
	// Done are numbers of work finished since the last beat; Failed those that
	// could not be, with the reason.
	Done   []uint64
	Failed map[uint64]string
	// Revocation is the highest number in force here.
	Revocation uint64
	// Accepted are ids of tickets accepted since the last beat.
	Accepted []receipt.TicketID
	// Dials are what was seen of edges that this one was asked to dial; the work
	// itself is Done whatever it was.
	Dials []DialReport
}

// BeatReply answers a beat.
type BeatReply struct {
	// Interval to the next beat.
	Interval time.Duration
	Work     []Work
	// Revocations after the beat's number, in order.
	Revocations []Revocation
	// Continuations of running sessions.
	Continuations []Continuation
	// WantDigest asks for a Digest now.
	WantDigest bool
	// Network is the newest version, to be fetched when it is another.
	Network uint64
}

// WorkKind says what an edge is asked to do.
type WorkKind uint8

const (
	// Replicate: fetch all of a unit from the sources, pin it, report complete.
	Replicate WorkKind = 1
	// Drop: forget a unit's pins that no other assigned root needs.
	Drop WorkKind = 2
	// Check: verify that a unit is complete, fetch what is missing, report.
	Check WorkKind = 3
	// Dial: connect to another edge from outside and say what was seen, in a
	// DialReport of a beat.
	Dial WorkKind = 4
)

// Work is one task for an edge. Numbers are never used twice.
type Work struct {
	Number uint64
	Kind   WorkKind
	Unit   UnitKey
	// Shard is the unit's place among the record's units.
	Shard  int
	Record Record
	// Sources have the unit, best first.
	Sources []EdgeID
	// Rate limit in bytes per second; 0 is none.
	Rate int64
	// Target of a Dial.
	Target EdgeID
}

// Continuation extends a ticket into an epoch.
type Continuation struct {
	Ticket   receipt.TicketID
	Epoch    uint64
	MaxBytes uint64
}

// Operator admits nodes and looks after the network; called with the
// operator's key.
type Operator interface {
	// Admit registers a node or changes what is registered under its key, and
	// returns its number.
	Admit(ctx context.Context, a Admission) (EdgeID, error)
	// Drain asks an edge to hand its replicas over and stop.
	Drain(ctx context.Context, edge EdgeID, draining bool) error
	// Revoke stops roots or objects everywhere.
	Revoke(ctx context.Context, r RevokeRequest) (Revocation, error)
	// Unban takes back all that was revoked as Root by operators, and returns the
	// last order that this took. What other bans hold, and what its owner
	// removed, stays refused. ErrNotFound when the root is not banned.
	Unban(ctx context.Context, root sds.CID) (Revocation, error)
	// Bans lists what operators revoked and did not take back, in the order of
	// the numbers, up to 1,000 above after. None is the end of the list.
	Bans(ctx context.Context, after uint64) ([]Ban, error)
	// Status describes the meta node's knowledge for people. An edge that asks
	// over RPC is told of itself alone.
	Status(ctx context.Context) (*Status, error)
}

// NodeKind is what a node is admitted as.
type NodeKind uint8

const (
	EdgeNode   NodeKind = 1
	OriginNode NodeKind = 2
	RouterNode NodeKind = 3
)

// Admission is a node's registration.
type Admission struct {
	Kind NodeKind
	Key  ed25519.PublicKey
	// Token is an invitation that the operator signed, for a node that
	// registers itself; empty when the operator's own key made the call.
	Token string
	// Edge carries endpoints, region, operator, location, capacity and weight
	// of an edge; only its URL is used for the other kinds.
	Edge Edge
}

// RevokeRequest names what must no longer be served.
type RevokeRequest struct {
	Root sds.CID
	// Ban extends it to every object above 64 KiB under the root, whatever
	// bundle it is wrapped in.
	Ban bool
	// Objects are what a Ban extends to. A meta node has no content, so whoever
	// calls reads them from the root's manifest.
	Objects []sds.CID
	Reason  string
}

// Ban is a root that operators revoked.
type Ban struct {
	// Number of the first of its revocations.
	Number uint64
	Root   sds.CID
	// Name that last pointed to the root; empty when that is forgotten.
	Name Name
	// Objects that it extends to.
	Objects int64
	// Reason, Time and Authority of the first.
	Reason    string
	Time      time.Time
	Authority uint16
}

// Status of a meta node.
type Status struct {
	ChainID        string
	Authority      uint16
	Epoch          uint64
	JournalHeight  uint64
	Names, Roots   int64
	Units          int64
	Edges          []EdgeStatus
	RepairHalted   bool
	RepairReason   string
	Repairs        []RepairStatus
	Degraded       []UnitStatus
	Revocations    uint64
	StoreKind      string
	UptimeSeconds  int64
	RecoveredUnits int64
}

// EdgeStatus is an edge with what the meta node counts of it.
type EdgeStatus struct {
	Edge
	LastBeat time.Time
	Units    int64
	Bytes    int64
	// Revocation is the highest number it has in force.
	Revocation uint64
	Version    string
	// Dials are the newest looks at it from outside, the newest first, one of
	// each dialler and at most MaxDialsShown.
	Dials []DialReport
}

// MaxDialsShown of an edge.
const MaxDialsShown = 4

// RepairStatus is a repair under way or waiting.
type RepairStatus struct {
	Unit     UnitKey
	Name     Name
	Live     int
	Wanted   int
	Target   EdgeID
	Started  time.Time
	Expected time.Duration
}

// UnitStatus is a unit whose placement falls short of a preference.
type UnitStatus struct {
	Unit UnitKey
	Name Name
	Live int
	// Shortfall says which preferences were given up.
	Shortfall string
}

// Meta is all of a meta node.
type Meta interface {
	Index
	Publisher
	Directory
	Issuer
	Nodes
	Operator
}
