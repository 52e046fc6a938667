package place

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// ErrMalformed: bytes that are no view, or a view that cannot be encoded.
var ErrMalformed = errors.New("malformed view")

// Bounds of a view. All of them together still fit into one slice.
const (
	// MaxEdges in a view.
	MaxEdges = 50_000
	// MaxText is the bytes of a region's or operator's name.
	MaxText = 64
	// MaxWeight in steps; the least is 1.
	MaxWeight = 16
)

// View is the edges that placement knows in an epoch. Its encoding is a slice
// of its own, so one CID pins every placement made by it.
type View struct {
	Epoch uint64
	// Edges in the order of their numbers, each once.
	Edges []ViewEdge
}

// ViewEdge is what placement knows of an edge.
type ViewEdge struct {
	ID meta.EdgeID
	// Weight in steps, 1 to MaxWeight.
	Weight uint8
	// Region and Operator may be empty: not known.
	Region, Operator string
	// ASN is 0 when not known.
	ASN uint32
}

// Version is the format that Encode writes.
const Version = 1

// Encode writes a view; equal views are equal bytes. The layout, integers big
// endian:
//
//	"STVW", version (1 byte: 1), epoch (8)
//	regions: count (2), then each: length (1), UTF-8; ascending, none empty
//	operators: the same
//	edges: count (4), then each, ascending: number (4), weight (1),
//	  region (2), operator (2): 0 is none, else the place in the list from 1;
//	  network (4)
func (v *View) Encode() ([]byte, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	regions, operators := v.Regions(), v.names(func(e *ViewEdge) string { return e.Operator })
	out := append([]byte(magic), Version)
	out = binary.BigEndian.AppendUint64(out, v.Epoch)
	out = appendTable(out, regions)
	out = appendTable(out, operators)
	out = binary.BigEndian.AppendUint32(out, uint32(len(v.Edges)))
	for _, edge := range v.Edges {
		out = binary.BigEndian.AppendUint32(out, uint32(edge.ID))
		out = append(out, edge.Weight)
		out = binary.BigEndian.AppendUint16(out, index(regions, edge.Region))
		out = binary.BigEndian.AppendUint16(out, index(operators, edge.Operator))
		out = binary.BigEndian.AppendUint32(out, edge.ASN)
	}
	if len(out) > sds.SliceSize {
		return nil, fmt.Errorf("%w: %d bytes do not fit into a slice", ErrMalformed, len(out))
	}
	return out, nil
}

// CID names an encoded view: the raw block that it is.
func CID(encoded []byte) sds.CID { return sds.Sum(sds.Raw, encoded) }

const (
	magic    = "STVW"
	edgeSize = 4 + 1 + 2 + 2 + 4
)

// Decode reads what Encode writes and nothing else: a view has one encoding.
func Decode(encoded []byte) (*View, error) {
	if len(encoded) > sds.SliceSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, len(encoded), sds.SliceSize)
	}
	r := reader{rest: encoded}
	if string(r.take(len(magic))) != magic {
		return nil, fmt.Errorf("%w: does not begin with %s", ErrMalformed, magic)
	}
	if version := r.number(1); version != Version {
		return nil, fmt.Errorf("%w: version %d, want %d", ErrMalformed, version, Version)
	}
	v := &View{Epoch: r.number(8)}
	regions, operators := r.table(), r.table()
	count := int(r.number(4))
	if r.failed || count > MaxEdges || len(r.rest) != count*edgeSize {
		return nil, fmt.Errorf("%w: %d bytes left for %d edges", ErrMalformed, len(r.rest), count)
	}
	v.Edges = make([]ViewEdge, count)
	for i := range v.Edges {
		v.Edges[i] = ViewEdge{
			ID:     meta.EdgeID(r.number(4)),
			Weight: uint8(r.number(1)),
			Region: r.entry(regions), Operator: r.entry(operators),
			ASN: uint32(r.number(4)),
		}
	}
	if r.failed {
		return nil, fmt.Errorf("%w: an edge names a region or operator that is not listed", ErrMalformed)
	}
	// Unused and misordered names show in the second encoding.
	again, err := v.Encode()
	if err != nil {
		return nil, err
	}
	if string(again) != string(encoded) {
		return nil, fmt.Errorf("%w: not in canonical form", ErrMalformed)
	}
	return v, nil
}

func (v *View) check() error {
	if len(v.Edges) > MaxEdges {
		return fmt.Errorf("%w: %d edges, at most %d", ErrMalformed, len(v.Edges), MaxEdges)
	}
	for i, edge := range v.Edges {
		switch {
		case i > 0 && v.Edges[i-1].ID >= edge.ID:
			return fmt.Errorf("%w: edge %d does not come after %d", ErrMalformed, edge.ID, v.Edges[i-1].ID)
		case edge.Weight < 1 || edge.Weight > MaxWeight:
			return fmt.Errorf("%w: edge %d has weight %d, want 1 to %d", ErrMalformed, edge.ID, edge.Weight, MaxWeight)
		case len(edge.Region) > MaxText || len(edge.Operator) > MaxText:
			return fmt.Errorf("%w: edge %d has a name longer than %d bytes", ErrMalformed, edge.ID, MaxText)
		case !utf8.ValidString(edge.Region) || !utf8.ValidString(edge.Operator):
			return fmt.Errorf("%w: edge %d has a name that is not UTF-8", ErrMalformed, edge.ID)
		}
	}
	return nil
}

// Regions lists the view's regions in byte order. A ticket names a region by
// its place in this list, counted from 1; 0 is an unknown one.
func (v *View) Regions() []string { return v.names(func(e *ViewEdge) string { return e.Region }) }

// RegionIndex is a region's number in tickets: 0 when the view lacks it.
func (v *View) RegionIndex(region string) uint16 {
	i, found := slices.BinarySearch(v.Regions(), region)
	if !found {
		return 0
	}
	return uint16(i + 1)
}

// NewView makes a view of edges in any order; weights are brought into bounds.
func NewView(epoch uint64, edges []meta.Edge) *View {
	v := &View{Epoch: epoch, Edges: make([]ViewEdge, 0, len(edges))}
	for _, edge := range edges {
		v.Edges = append(v.Edges, ViewEdge{
			ID: edge.ID, Weight: min(max(edge.Weight, 1), MaxWeight),
			Region: edge.Region, Operator: edge.Operator, ASN: edge.ASN,
		})
	}
	slices.SortFunc(v.Edges, func(a, b ViewEdge) int { return int(int64(a.ID) - int64(b.ID)) })
	return v
}

// Keep returns a view of those edges that keep lets pass, in the same epoch.
func (v *View) Keep(keep func(meta.EdgeID) bool) *View {
	out := &View{Epoch: v.Epoch}
	for _, edge := range v.Edges {
		if keep(edge.ID) {
			out.Edges = append(out.Edges, edge)
		}
	}
	return out
}

func (v *View) find(id meta.EdgeID) (int, bool) {
	return slices.BinarySearchFunc(v.Edges, id, func(e ViewEdge, id meta.EdgeID) int { return int(int64(e.ID) - int64(id)) })
}

func (v *View) names(of func(*ViewEdge) string) []string {
	set := make(map[string]bool)
	for i := range v.Edges {
		if name := of(&v.Edges[i]); name != "" {
			set[name] = true
		}
	}
	return slices.SortedFunc(maps.Keys(set), strings.Compare)
}

func index(table []string, name string) uint16 {
	if name == "" {
		return 0
	}
	i, _ := slices.BinarySearch(table, name)
	return uint16(i + 1)
}

func appendTable(out []byte, names []string) []byte {
	out = binary.BigEndian.AppendUint16(out, uint16(len(names)))
	for _, name := range names {
		out = append(append(out, byte(len(name))), name...)
	}
	return out
}

// reader takes bytes off the front; once they run out it gives zeros and has
// failed.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.failed, r.rest = true, nil
		return nil
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

func (r *reader) number(bytes int) (n uint64) {
	for _, b := range r.take(bytes) {
		n = n<<8 | uint64(b)
	}
	return n
}

func (r *reader) table() (names []string) {
	for range r.number(2) {
		if r.failed {
			return nil
		}
		names = append(names, string(r.take(int(r.number(1)))))
	}
	return names
}

func (r *reader) entry(table []string) string {
	i := int(r.number(2))
	if i == 0 {
		return ""
	}
	if i > len(table) {
		r.failed = true
		return ""
	}
	return table[i-1]
}
