package sds_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/spaolacci/murmur3"

	"github.com/ipfs/boxo/ipld/merkledag"
	mdtest "github.com/ipfs/boxo/ipld/merkledag/test"
	"github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	"github.com/ipfs/boxo/ipld/unixfs/importer/helpers"
	unixfsio "github.com/ipfs/boxo/ipld/unixfs/io"
	ipld "github.com/ipfs/go-ipld-format"

	chunk "github.com/ipfs/boxo/chunker"

	"github.com/stratos-mesh/stratos/sds"
)

// What follows encodes trees a second time, from the specifications of dag-pb
// and UnixFS and from IPIP-499, without a line of the libraries: fields of
// protobuf are appended by hand, and files are cut from the root down.

func varintField(b []byte, field int, v uint64) []byte {
	b = append(b, byte(field<<3))
	return binary.AppendUvarint(b, v)
}

func bytesField(b []byte, field int, v []byte) []byte {
	b = append(b, byte(field<<3|2))
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

type tree struct {
	cid     sds.CID
	content uint64 // bytes of the file
	weight  uint64 // bytes of all blocks
}

// encodeNode makes a dag-pb block: its links, then its data.
func encodeNode(names []string, children []tree, data []byte) tree {
	var block []byte
	out := tree{}
	for i, c := range children {
		var l []byte
		l = bytesField(l, 1, append([]byte{1, byte(c.cid.Codec), 0x12, 32}, c.cid.Digest[:]...))
		l = bytesField(l, 2, []byte(names[i]))
		l = varintField(l, 3, c.weight)
		block = bytesField(block, 2, l)
		out.weight += c.weight
	}
	block = bytesField(block, 1, data)
	out.weight += uint64(len(block))
	out.cid = sds.CID{Codec: sds.DagPB, Digest: sha256.Sum256(block)}
	return out
}

// encodeFile cuts size bytes of the pattern, from the root down: a node of depth
// d has children of at most 1024^(d-1) slices.
func encodeFile(t testing.TB, r io.Reader, size int64) tree {
	if size <= 1<<20 {
		slice := make([]byte, size)
		if _, err := io.ReadFull(r, slice); err != nil {
			t.Fatal(err)
		}
		return tree{cid: sds.CID{Codec: sds.Raw, Digest: sha256.Sum256(slice)}, content: uint64(size), weight: uint64(size)}
	}
	below := int64(1 << 20)
	for below*1024 < size {
		below *= 1024
	}
	var children []tree
	data := varintField(nil, 1, 2)
	data = varintField(data, 3, uint64(size))
	for rest := size; rest > 0; {
		// A child below the last of its level is as deep as its siblings even if
		// a shallower tree would do.
		c := encodeFullDepth(t, r, min(below, rest), below)
		children = append(children, c)
		data = varintField(data, 4, c.content)
		rest -= min(below, rest)
	}
	out := encodeNode(make([]string, len(children)), children, data)
	out.content = uint64(size)
	return out
}

// encodeFullDepth is encodeFile with the depth of a tree over capacity bytes.
func encodeFullDepth(t testing.TB, r io.Reader, size, capacity int64) tree {
	if capacity == 1<<20 {
		return encodeFile(t, r, size)
	}
	var children []tree
	data := varintField(nil, 1, 2)
	data = varintField(data, 3, uint64(size))
	for rest := size; rest > 0; {
		n := min(capacity/1024, rest)
		c := encodeFullDepth(t, r, n, capacity/1024)
		children = append(children, c)
		data = varintField(data, 4, c.content)
		rest -= n
	}
	out := encodeNode(make([]string, len(children)), children, data)
	out.content = uint64(size)
	return out
}

// encodeDir makes a directory of one node, or a HAMT when that would have more
// than 256 KiB.
func encodeDir(entries map[string]tree) tree {
	names := slices.Sorted(maps.Keys(entries))
	children := make([]tree, len(names))
	size := 4 // the data field
	for i, name := range names {
		children[i] = entries[name]
		var l []byte
		l = bytesField(l, 1, make([]byte, 36))
		l = bytesField(l, 2, []byte(name))
		l = varintField(l, 3, children[i].weight)
		size += len(bytesField(nil, 2, l))
	}
	if size > 256<<10 {
		return encodeShard(entries, names, 0)
	}
	return encodeNode(names, children, varintField(nil, 1, 1))
}

// encodeShard makes one node of a HAMT: level is the byte of the hash that
// tells the slot.
func encodeShard(entries map[string]tree, names []string, level int) tree {
	var slots [256][]string
	for _, name := range names {
		var hash [8]byte
		binary.BigEndian.PutUint64(hash[:], murmur3.Sum64([]byte(name)))
		slots[hash[level]] = append(slots[hash[level]], name)
	}
	var labels []string
	var children []tree
	var field [32]byte
	for slot, inside := range slots {
		switch len(inside) {
		case 0:
			continue
		case 1:
			labels = append(labels, fmt.Sprintf("%02X%s", slot, inside[0]))
			children = append(children, entries[inside[0]])
		default:
			labels = append(labels, fmt.Sprintf("%02X", slot))
			children = append(children, encodeShard(entries, inside, level+1))
		}
		field[31-slot/8] |= 1 << (slot % 8)
	}
	data := varintField(nil, 1, 5)
	data = bytesField(data, 2, []byte(strings.TrimLeft(string(field[:]), "\x00")))
	data = varintField(data, 5, 0x22)
	data = varintField(data, 6, 256)
	return encodeNode(labels, children, data)
}

// encodeBundle makes a folder of pattern files; a size below zero is an empty
// directory.
func encodeBundle(t testing.TB, files map[string]int64) tree {
	here := make(map[string]tree)
	below := make(map[string]map[string]int64)
	for path, size := range files {
		if dir, rest, nested := strings.Cut(path, "/"); nested {
			if below[dir] == nil {
				below[dir] = make(map[string]int64)
			}
			below[dir][rest] = size
			continue
		}
		if size < 0 {
			here[path] = encodeDir(nil)
		} else {
			here[path] = encodeFile(t, &pattern{size: size}, size)
		}
	}
	for dir, files := range below {
		here[dir] = encodeBundle(t, files)
	}
	return encodeDir(here)
}

// And a third time, with boxo's own importers in their ordinary order.

func boxoFile(t testing.TB, dags ipld.DAGService, size int64) ipld.Node {
	p := unixfsio.UnixFS_v1_2025
	params := helpers.DagBuilderParams{Dagserv: dags, Maxlinks: p.FileDAGWidth, RawLeaves: p.RawLeaves, CidBuilder: p.CidBuilder()}
	builder, err := params.New(chunk.NewSizeSplitter(&pattern{size: size}, p.ChunkSize))
	if err != nil {
		t.Fatal(err)
	}
	node, err := balanced.Layout(builder)
	if err != nil {
		t.Fatal(err)
	}
	return node
}

func boxoDir(t testing.TB, files map[string]int64) string {
	p := unixfsio.UnixFS_v1_2025
	dags := mdtest.Mock()
	dir, err := unixfsio.NewDirectory(dags, unixfsio.WithCidBuilder(p.CidBuilder()),
		unixfsio.WithMaxHAMTFanout(p.HAMTShardWidth), unixfsio.WithSizeEstimationMode(p.HAMTSizeEstimation))
	if err != nil {
		t.Fatal(err)
	}
	dir.SetHAMTShardingSize(p.HAMTShardingSize)
	for name, size := range files {
		if err := dir.AddChild(context.Background(), name, boxoFile(t, dags, size)); err != nil {
			t.Fatal(err)
		}
	}
	node, err := dir.GetNode()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := node.(*merkledag.ProtoNode); !ok {
		t.Fatalf("a directory came out as %T", node)
	}
	return node.Cid().String()
}

func TestFilesHaveTheRootsOfAnIndependentEncoder(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t).Files {
		if v.Size > 64<<20 {
			continue // TestTreesOfAnyDepth compares large trees without their content.
		}
		if got := encodeFile(t, &pattern{size: v.Size}, v.Size).cid.String(); got != v.Root {
			t.Errorf("%d bytes: the encoder of this test makes %s, want %s", v.Size, got, v.Root)
		}
	}
}

func TestFoldersHaveTheRootsOfIndependentEncoders(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t).Folders {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			files := v.files()
			if got := encodeBundle(t, files).cid.String(); got != v.Root {
				t.Errorf("the encoder of this test makes %s, want %s", got, v.Root)
			}
			if v.Count > 0 {
				if got := boxoDir(t, files); got != v.Root {
					t.Errorf("boxo makes %s, want %s", got, v.Root)
				}
			}
			folder := sds.NewFolder()
			for path, size := range files {
				if size < 0 {
					if err := folder.AddDir(path); err != nil {
						t.Fatal(err)
					}
					continue
				}
				built, err := sds.Import(t.Context(), &pattern{size: size}, discard)
				if err != nil {
					t.Fatal(err)
				}
				if err := folder.Add(sds.Object{
					Path: path, CID: built.Root, Size: built.Size, SHA256: built.SHA256, First: built.First,
				}); err != nil {
					t.Fatal(err)
				}
			}
			m, err := folder.Build(t.Context(), discard)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Root.String(); got != v.Root {
				t.Errorf("got root %s, want %s", got, v.Root)
			}
		})
	}
}

func TestADirectoryBecomesAHAMTWhereTheProfileSays(t *testing.T) {
	t.Parallel()
	nodes := make(map[bool]int)
	// After 885 long names the last one decides, byte by byte.
	for last := 110; last < 150; last++ {
		entries := make(map[string]tree)
		folder := sds.NewFolder()
		for i := range 886 {
			name := fmt.Sprintf("%03d%s", i, strings.Repeat("n", 247))
			if i == 885 {
				name = strings.Repeat("z", last)
			}
			slice := []byte{byte(i), byte(i >> 8)}
			entries[name] = encodeFile(t, strings.NewReader(string(slice)), 2)
			if err := folder.Add(sds.Object{Path: name, CID: sds.Sum(sds.Raw, slice), Size: 2}); err != nil {
				t.Fatal(err)
			}
		}
		blocks := 0
		m, err := folder.Build(t.Context(), func(context.Context, sds.CID, []byte) error { blocks++; return nil })
		if err != nil {
			t.Fatal(err)
		}
		if want := encodeDir(entries).cid; m.Root != want {
			t.Errorf("last name of %d bytes: got root %s in %d nodes, want %s", last, m.Root, blocks, want)
		}
		nodes[blocks > 1]++
	}
	if nodes[true] == 0 || nodes[false] == 0 {
		t.Errorf("got %d HAMTs and %d plain directories, want some of both", nodes[true], nodes[false])
	}
}

// nullTree is encodeFullDepth over slices that are all the same, so that trees
// of a million slices cost a few nodes.
func nullTree(slice tree, leaves int64) tree {
	depth, capacity := 0, int64(1)
	for capacity < leaves {
		capacity *= 1024
		depth++
	}
	full := []tree{slice} // by depth
	var make1024 func(depth int, leaves int64) tree
	node := func(children []tree) tree {
		var size uint64
		for _, c := range children {
			size += c.content
		}
		data := varintField(nil, 1, 2)
		data = varintField(data, 3, size)
		for _, c := range children {
			data = varintField(data, 4, c.content)
		}
		out := encodeNode(make([]string, len(children)), children, data)
		out.content = size
		return out
	}
	for range depth {
		full = append(full, node(slices.Repeat([]tree{full[len(full)-1]}, 1024)))
	}
	make1024 = func(depth int, leaves int64) tree {
		capacity := int64(math.Pow(1024, float64(depth)))
		if leaves == capacity {
			return full[depth]
		}
		children := slices.Repeat([]tree{full[depth-1]}, int(leaves/(capacity/1024)))
		if rest := leaves % (capacity / 1024); rest > 0 {
			children = append(children, make1024(depth-1, rest))
		}
		return node(children)
	}
	return make1024(depth, leaves)
}

func TestTreesOfAnyDepth(t *testing.T) {
	t.Parallel()
	slice := make([]byte, sds.SliceSize)
	leaf := tree{cid: sds.Sum(sds.Raw, slice), content: sds.SliceSize, weight: sds.SliceSize}
	for _, leaves := range []int64{2, 1023, 1024, 1025, 2047, 2048, 2049, 1024*3 + 5, 1024 * 1024, 1024*1024 + 1} {
		want := nullTree(leaf, leaves)
		got, err := sds.BuildTree(t.Context(), slices.Repeat([]sds.CID{leaf.cid}, int(leaves)), leaves*sds.SliceSize, discard)
		if err != nil {
			t.Fatal(err)
		}
		if got != want.cid {
			t.Errorf("%d slices: got root %s, want %s", leaves, got, want.cid)
		}
	}
}
