package sds_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/mem"
)

// liar answers for any name with what it was told, so that trees can have
// cycles, which no hash allows.
type liar map[sds.CID][]byte

func (l liar) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	block, ok := l[cid]
	if !ok {
		return nil, fmt.Errorf("%s: %w", cid, sds.ErrNotFound)
	}
	return block, nil
}

func named(codec sds.Codec, name string) sds.CID { return sds.Sum(codec, []byte(name)) }

type hang struct {
	name  string
	cid   sds.CID
	tsize uint64
}

// dagPB encodes a node by hand.
func dagPB(data []byte, links ...hang) []byte {
	var block []byte
	for _, h := range links {
		l := bytesField(nil, 1, h.cid.Bytes())
		l = bytesField(l, 2, []byte(h.name))
		l = varintField(l, 3, h.tsize)
		block = bytesField(block, 2, l)
	}
	return bytesField(block, 1, data)
}

func fileData(size uint64, sizes ...uint64) []byte {
	data := varintField(varintField(nil, 1, 2), 3, size)
	for _, s := range sizes {
		data = varintField(data, 4, s)
	}
	return data
}

func dirData() []byte { return varintField(nil, 1, 1) }

func shardData(field []byte, hash, fanout uint64) []byte {
	data := bytesField(varintField(nil, 1, 5), 2, field)
	return varintField(varintField(data, 5, hash), 6, fanout)
}

// manyHangs are n entries in order.
func manyHangs(n int, cid sds.CID) []hang {
	out := make([]hang, n)
	for i := range out {
		out[i] = hang{name: fmt.Sprintf("%06d", i), cid: cid}
	}
	return out
}

// everyReader runs all that reads trees over one root, and wants each to fail
// with one of the errors, soon.
func everyReader(t *testing.T, g sds.Getter, root sds.CID, want ...error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	check := func(what string, err error) {
		t.Helper()
		for _, w := range want {
			if errors.Is(err, w) {
				return
			}
		}
		t.Errorf("%s: got %v, want one of %v", what, err, want)
	}
	_, err := sds.DeriveManifest(ctx, g, root)
	check("derive", err)
	f, err := sds.OpenFile(ctx, g, root)
	if err == nil {
		_, err = f.Copy(ctx, io.Discard, 0, f.Size())
	}
	check("read", err)
	_, err = sds.LoadManifest(ctx, g, root, root)
	check("load as a manifest", err)
}

func TestMalformedTreesAreRefused(t *testing.T) {
	t.Parallel()
	slice := named(sds.Raw, "slice")
	node := named(sds.DagPB, "node")
	root := named(sds.DagPB, "root")
	for name, c := range map[string]struct {
		root []byte
		more liar
	}{
		"no protobuf":                   {root: []byte("hello")},
		"nothing":                       {root: []byte{}},
		"a block that is too large":     {root: make([]byte, sds.MaxBlockSize+1)},
		"no UnixFS inside":              {root: dagPB([]byte{0xff, 0xff})},
		"a symbolic link":               {root: dagPB(bytesField(varintField(nil, 1, 4), 2, []byte("/etc/passwd")))},
		"an unknown type":               {root: dagPB(varintField(nil, 1, 9))},
		"content inside a node":         {root: dagPB(bytesField(varintField(nil, 1, 2), 2, []byte("hello")))},
		"a file without slices":         {root: dagPB(fileData(0))},
		"sizes without links":           {root: dagPB(fileData(5, 5))},
		"links without sizes":           {root: dagPB(fileData(5), hang{cid: slice})},
		"a child of no bytes":           {root: dagPB(fileData(0, 0), hang{cid: slice})},
		"sizes that do not add up":      {root: dagPB(fileData(6, 5), hang{cid: slice})},
		"sizes that overflow":           {root: dagPB(fileData(4, 1<<63, 1<<63+4), hang{cid: node}, hang{cid: node})},
		"a slice larger than any block": {root: dagPB(fileData(3<<20, 3<<20), hang{cid: slice})},
		"a child that lies about its size": {
			root: dagPB(fileData(7, 7), hang{cid: node}),
			more: liar{node: dagPB(fileData(5, 5), hang{cid: slice})},
		},
		"a slice that is shorter than said": {root: dagPB(fileData(70, 70), hang{cid: slice})},
		"a directory inside a file":         {root: dagPB(fileData(7, 7), hang{cid: node}), more: liar{node: dagPB(dirData())}},
		"a file that is its own only child": {root: dagPB(fileData(7, 7), hang{cid: root})},
		"a chain of nodes without end": {
			root: dagPB(fileData(7, 7), hang{cid: node}),
			more: liar{node: dagPB(fileData(7, 7), hang{cid: node})},
		},
		"a directory inside itself":             {root: dagPB(dirData(), hang{name: "a", cid: root})},
		"a directory inside itself, many times": {root: dagPB(dirData(), hang{name: "a", cid: root}, hang{name: "b", cid: root})},
		"names out of order":                    {root: dagPB(dirData(), hang{name: "b", cid: slice}, hang{name: "a", cid: slice})},
		"a name twice":                          {root: dagPB(dirData(), hang{name: "a", cid: slice}, hang{name: "a", cid: slice})},
		"an empty name":                         {root: dagPB(dirData(), hang{name: "", cid: slice})},
		"a name that climbs":                    {root: dagPB(dirData(), hang{name: "..", cid: slice})},
		"a name with a slash":                   {root: dagPB(dirData(), hang{name: "a/b", cid: slice})},
		"a name with a control character":       {root: dagPB(dirData(), hang{name: "a\x00b", cid: slice})},
		"a name not in normal form":             {root: dagPB(dirData(), hang{name: "u\u0308", cid: slice})},
		"a name that is not UTF-8":              {root: dagPB(dirData(), hang{name: "a\xff", cid: slice})},
		"a name that is too long":               {root: dagPB(dirData(), hang{name: strings.Repeat("a", 256), cid: slice})},
		"a weight beyond all bounds":            {root: dagPB(dirData(), hang{name: "a", cid: slice, tsize: 1 << 60})},
		"a HAMT of fan-out 0":                   {root: dagPB(shardData(nil, 0x22, 0))},
		"a HAMT of fan-out 3":                   {root: dagPB(shardData(nil, 0x22, 3))},
		"a HAMT of an absurd fan-out":           {root: dagPB(shardData(nil, 0x22, 1<<40))},
		"a HAMT with another hash":              {root: dagPB(shardData(nil, 0x12, 256))},
		"a HAMT with a bit field too long":      {root: dagPB(shardData(make([]byte, 33), 0x22, 256))},
		"a HAMT with more bits than links":      {root: dagPB(shardData([]byte{3}, 0x22, 256), hang{name: "00a", cid: slice})},
		"a HAMT with more links than bits":      {root: dagPB(shardData([]byte{1}, 0x22, 256), hang{name: "00a", cid: slice}, hang{name: "01b", cid: slice})},
		"a HAMT with a link in another slot":    {root: dagPB(shardData([]byte{1}, 0x22, 256), hang{name: "07a", cid: slice})},
		"a HAMT with a link without slot":       {root: dagPB(shardData([]byte{1}, 0x22, 256), hang{name: "0", cid: slice})},
		"a HAMT with a slice as shard":          {root: dagPB(shardData([]byte{1}, 0x22, 256), hang{name: "00", cid: slice})},
		"a HAMT inside itself":                  {root: dagPB(shardData([]byte{1}, 0x22, 256), hang{name: "00", cid: root})},
		"a HAMT inside itself, twice":           {root: dagPB(shardData([]byte{3}, 0x22, 256), hang{name: "00", cid: root}, hang{name: "01", cid: root})},
		"a directory as shard":                  {root: dagPB(shardData([]byte{1}, 0x22, 256), hang{name: "00", cid: node}), more: liar{node: dagPB(dirData())}},
		"a shard of another fan-out": {
			root: dagPB(shardData([]byte{1}, 0x22, 256), hang{name: "00", cid: node}),
			more: liar{node: dagPB(shardData([]byte{1}, 0x22, 8), hang{name: "0a", cid: slice})},
		},
		"more links than there can be":       {root: dagPB(dirData(), manyHangs(16<<10+1, slice)...)},
		"very many links to next to nothing": {root: append(bytes.Repeat([]byte("\x12\x06\x0a\x04\x01\x55\x00\x00"), 200_000), dagPB(dirData())...)},
		"a name in two slots":                {root: dagPB(shardData([]byte{3}, 0x22, 256), hang{name: "00a", cid: slice}, hang{name: "01a", cid: slice})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := liar{slice: []byte("hello")}
			for cid, block := range c.more {
				g[cid] = block
			}
			g[root] = c.root
			everyReader(t, g, root, sds.ErrMalformed, sds.ErrTooLarge)
			if _, err := sds.Outline(t.Context(), g, root); err != nil && !errors.Is(err, sds.ErrMalformed) && !errors.Is(err, sds.ErrTooLarge) {
				t.Errorf("outline: got %v", err)
			}
			// Walk meets every block once, so a cycle is no danger to it. Nor is
			// what only a path or the slices show.
			if err := sds.Walk(t.Context(), g, root, func(sds.CID, int64) error { return nil }); err != nil &&
				!errors.Is(err, sds.ErrMalformed) && !errors.Is(err, sds.ErrTooLarge) {
				t.Errorf("walk: got %v", err)
			}
			for _, path := range []string{"a", "b", "a/b/a/b/a/b"} {
				if _, err := sds.Resolve(t.Context(), g, root, path); err != nil &&
					!errors.Is(err, sds.ErrMalformed) && !errors.Is(err, sds.ErrTooLarge) && !errors.Is(err, sds.ErrNotFound) {
					t.Errorf("resolve %q: got %v", path, err)
				}
			}
		})
	}
}

// A tree may share nodes honestly. One of forty blocks then has 2^40 paths.
func TestATreeThatMultipliesIsBounded(t *testing.T) {
	t.Parallel()
	store := mem.New()
	keep := func(block []byte) sds.CID {
		cid := sds.Sum(sds.DagPB, block)
		if _, err := sds.Receive(t.Context(), store, cid, bytes.NewReader(block), sds.Cached); err != nil {
			t.Fatal(err)
		}
		return cid
	}
	at := keep(dagPB(dirData()))
	for range 40 {
		at = keep(dagPB(dirData(), hang{name: "a", cid: at}, hang{name: "b", cid: at}))
	}
	if _, err := sds.DeriveManifest(t.Context(), store, at); !errors.Is(err, sds.ErrTooLarge) {
		t.Errorf("derive: got %v, want ErrTooLarge", err)
	}
	blocks := 0
	if err := sds.Walk(t.Context(), store, at, func(sds.CID, int64) error { blocks++; return nil }); err != nil || blocks != 41 {
		t.Errorf("walk: got %d blocks, %v, want 41", blocks, err)
	}
	if _, err := sds.Resolve(t.Context(), store, at, strings.TrimSuffix(strings.Repeat("a/b/", 20), "/")); err != nil {
		t.Errorf("resolve: %v", err)
	}
}

func TestResolveTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	store := mem.New()
	m := bundle(t, store, demo())
	for path, want := range map[string]error{
		"nothing/here":                          sds.ErrNotFound,
		"a/b":                                   sds.ErrNotFound, // below a file
		"video/1080/seg0.m4s/x":                 sds.ErrNotFound, // below a file of several slices
		"video/1080":                            nil,
		"":                                      nil,
		"video/":                                sds.ErrMalformed,
		"/video":                                sds.ErrMalformed,
		"video/../a":                            sds.ErrMalformed,
		"gru\u0308\u00dfe/datei":                nil, // the same name, decomposed
		strings.Repeat("a/", 10_000) + "a":      sds.ErrMalformed,
		strings.Repeat("x", sds.MaxComponent):   sds.ErrNotFound,
		strings.Repeat("x", sds.MaxComponent+1): sds.ErrMalformed,
	} {
		entry, err := sds.Resolve(t.Context(), store, m.Root, path)
		if !errors.Is(err, want) {
			t.Errorf("%.40q: got %v, want %v", path, err, want)
		}
		if found, err := sds.Lookup(t.Context(), store, m.Root, path); !errors.Is(err, want) || err == nil && found != entry.CID {
			t.Errorf("%.40q looked up: got %s, %v, want %s, %v", path, found, err, entry.CID, want)
		}
	}
	if _, err := sds.Resolve(t.Context(), store, sds.Sum(sds.Raw, []byte("?")), ""); !errors.Is(err, sds.ErrNotFound) {
		t.Errorf("a missing root: got %v, want ErrNotFound", err)
	}
}

func TestABlockOfManyLinksTakesLittleMemory(t *testing.T) {
	block := append(bytes.Repeat([]byte("\x12\x06\x0a\x04\x01\x55\x00\x00"), 250_000), dagPB(dirData())...)
	root := named(sds.DagPB, "root")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := sds.OpenFile(t.Context(), liar{root: block}, root); !errors.Is(err, sds.ErrMalformed) {
		t.Errorf("got %v, want ErrMalformed", err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("allocated %d bytes for it", got)
	}
}
