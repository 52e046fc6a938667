package sds

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/boxo/ipld/unixfs/hamt"
	"github.com/multiformats/go-multihash"
	"google.golang.org/protobuf/encoding/protowire"
)

// Bounds on trees that others made. A block is at most MaxBlockSize, which
// bounds the links of one node.
const (
	// maxLinks of a node. A directory of one node has less than 7,000 by the
	// profile, a HAMT at most maxFanout, a file 1,024; other tools go to 8,192. A
	// block has room for 30 times as many that are no links of ours, and each
	// takes some 300 bytes of memory when decoded.
	maxLinks = 16 << 10
	// maxFileDepth is more than a tree of width 2 over 2^51 slices needs.
	maxFileDepth = 48
	// maxFanout is the widest HAMT that boxo takes.
	maxFanout = 1024
	// maxHAMTDepth is how often a 64-bit hash yields the bits of a level of the
	// narrowest HAMT, fan-out 8.
	maxHAMTDepth = 64 / 3
	// maxDirDepth is how many components a path of MaxPath bytes has at most.
	maxDirDepth = MaxPath/2 + 1
	// maxFileSize bounds the content of one file, so that sums cannot overflow.
	maxFileSize = 1 << 50
)

type nodeKind uint8

const (
	fileNode nodeKind = iota
	dirNode
	hamtNode
)

// A node is the inside of a dag-pb block, checked as far as it can be without
// the blocks below it.
type node struct {
	kind  nodeKind
	size  int64 // of content, for files
	links []link
	// prefix is how many characters of a HAMT's link names are its slot.
	prefix int
	// shard is what boxo's HAMT wants to see; nil for all others.
	shard *merkledag.ProtoNode
}

// A link leads from a node down.
type link struct {
	name string // in directories; HAMTs: slot and name, or only the slot of a shard
	cid  CID
	size int64 // files: content below; directories: what the parent says of the whole tree
}

// decodeNode reads a dag-pb block of UnixFS. Whatever does not belong into a
// tree of raw slices (content inside nodes, links, other hashes) is
// ErrMalformed.
func decodeNode(block []byte) (*node, error) {
	if len(block) > MaxBlockSize {
		return nil, fmt.Errorf("node of %d bytes: %w", len(block), ErrTooLarge)
	}
	n, err := parseNode(block)
	if err != nil {
		return nil, fmt.Errorf("node of %d bytes: %w: %w", len(block), ErrMalformed, err)
	}
	return n, nil
}

func parseNode(block []byte) (*node, error) {
	if err := countLinks(block); err != nil {
		return nil, err
	}
	dag, err := merkledag.DecodeProtobuf(block)
	if err != nil {
		return nil, err
	}
	inside, err := unixfs.FSNodeFromBytes(dag.Data())
	if err != nil {
		return nil, err
	}
	n := &node{}
	links := dag.Links()
	n.links = make([]link, len(links))
	for i, l := range links {
		cid, err := fromLibrary(l.Cid)
		if err != nil {
			return nil, fmt.Errorf("link %d: %w", i, err)
		}
		if l.Size > maxFileSize*2 {
			return nil, fmt.Errorf("link %d: %d bytes", i, l.Size)
		}
		n.links[i] = link{name: l.Name, cid: cid, size: int64(l.Size)}
	}
	switch inside.Type() {
	case unixfs.TFile, unixfs.TRaw:
		return n, n.checkFile(inside)
	case unixfs.TDirectory:
		n.kind = dirNode
		return n, n.checkNames()
	case unixfs.THAMTShard:
		n.kind, n.shard = hamtNode, dag
		return n, n.checkHAMT(inside)
	default:
		return nil, fmt.Errorf("neither file nor directory but %s", inside.Type())
	}
}

// countLinks goes over the fields of a dag-pb block before anything is made of
// them.
func countLinks(block []byte) error {
	links := 0
	for rest := block; len(rest) > 0; {
		number, _, length := protowire.ConsumeField(rest)
		if length < 0 {
			return protowire.ParseError(length)
		}
		rest = rest[length:]
		if number != linksField {
			continue
		}
		if links++; links > maxLinks {
			return fmt.Errorf("more than %d links", maxLinks)
		}
	}
	return nil
}

// linksField is the number of PBNode.Links.
const linksField = 2

// checkFile sees to it that the sizes of the children are above zero and add up
// to the size of the file. So a tree that lies about sizes cannot make more
// slices than its size allows.
func (n *node) checkFile(inside *unixfs.FSNode) error {
	if len(inside.Data()) > 0 {
		return fmt.Errorf("%d bytes of content inside a node; the profile wants raw slices", len(inside.Data()))
	}
	if len(n.links) == 0 {
		return errors.New("no slices; the profile has the empty slice for an empty file")
	}
	if inside.NumChildren() != len(n.links) {
		return fmt.Errorf("%d sizes for %d links", inside.NumChildren(), len(n.links))
	}
	for i := range n.links {
		size := inside.BlockSize(i)
		if size == 0 || size > maxFileSize || n.links[i].cid.Codec == Raw && size > MaxBlockSize {
			return fmt.Errorf("child %d of %d bytes", i, size)
		}
		n.links[i].size = int64(size)
		n.size += int64(size)
		if n.size > maxFileSize {
			return fmt.Errorf("more than %d bytes", int64(maxFileSize))
		}
	}
	if inside.FileSize() != uint64(n.size) {
		return fmt.Errorf("size %d, but its children have %d", inside.FileSize(), n.size)
	}
	return nil
}

// checkNames wants the names of a directory in order, so none comes twice.
func (n *node) checkNames() error {
	for i, l := range n.links {
		if err := checkComponent(l.name); err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		if i > 0 && l.name <= n.links[i-1].name {
			return fmt.Errorf("entry %d, %.80q, after %.80q", i, l.name, n.links[i-1].name)
		}
	}
	return nil
}

// checkHAMT compares the bit field of a shard with the slots of its links.
// Boxo's reader trusts them and panics.
func (n *node) checkHAMT(inside *unixfs.FSNode) error {
	fanout := inside.Fanout()
	if fanout < 8 || fanout > maxFanout || bits.OnesCount64(fanout) != 1 {
		return fmt.Errorf("fan-out %d", fanout)
	}
	if inside.HashType() != hamt.HashMurmur3 {
		return fmt.Errorf("hash function %#x, want %s", inside.HashType(), multihash.Codes[hamt.HashMurmur3])
	}
	field := inside.Data()
	if len(field) > int(fanout)/8 {
		return fmt.Errorf("bit field of %d bytes for fan-out %d", len(field), fanout)
	}
	n.prefix = len(fmt.Sprintf("%X", fanout-1))
	slot := 0
	// The field is one big-endian number, without leading zeros.
	for i := range len(field) * 8 {
		if field[len(field)-1-i/8]>>(i%8)&1 == 0 {
			continue
		}
		if slot == len(n.links) {
			return fmt.Errorf("more slots than %d links", len(n.links))
		}
		want := fmt.Sprintf("%0*X", n.prefix, i)
		name, found := strings.CutPrefix(n.links[slot].name, want)
		if !found {
			return fmt.Errorf("link %d, %.80q, in slot %s", slot, n.links[slot].name, want)
		}
		if name == "" && n.links[slot].cid.Codec != DagPB {
			return fmt.Errorf("shard in slot %s is a raw block", want)
		}
		if name != "" {
			if err := checkComponent(name); err != nil {
				return fmt.Errorf("slot %s: %w", want, err)
			}
		}
		slot++
	}
	if slot != len(n.links) {
		return fmt.Errorf("%d links in %d slots", len(n.links), slot)
	}
	return nil
}
