package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// Root is an object or a bundle, ready to serve.
type Root struct {
	Record meta.Record
	// Want leads to others that have it.
	Want peers.Want

	prefix  string // the record's name and a slash
	weight  uint32
	growing bool
	revoked atomic.Pointer[error]
	// table is nil once the budget dropped it: who still has the root asks the
	// catalog again.
	table atomic.Pointer[table]
	// aliases are other names of the same root: a meta node confirmed each of
	// them, or gave this edge a replica under it.
	aliases atomic.Pointer[[]string]
}

type table struct {
	entries map[string]*entry // by path inside the root; "" for an object
	dirs    map[string]bool
	// wants lead to the holders of each shard; one, for almost all roots.
	wants   []peers.Want
	revoked func(sds.CID) error
}

// entry is an object of the manifest; its header values are made when it is
// first asked for, as of a large folder most files never are.
type entry struct {
	sds.Object
	shard int
	ready atomic.Pointer[Object]
}

func (t *table) object(e *entry) *Object {
	if o := e.ready.Load(); o != nil {
		return o
	}
	o := newObject(e.Object, t.wants[e.shard])
	if !e.ready.CompareAndSwap(nil, o) {
		return e.ready.Load()
	}
	// After it can be found: a revocation that comes now finds it, or is found.
	o.revoked.Store(reason(t.revoked(o.CID)))
	return o
}

func newRoot(record meta.Record, want peers.Want, manifest *sds.Manifest, revoked func(sds.CID) error) *Root {
	r := &Root{Record: record, Want: want, prefix: string(record.Name) + "/"}
	t := &table{entries: make(map[string]*entry, len(manifest.Objects)), dirs: make(map[string]bool), wants: []peers.Want{want}, revoked: revoked}
	weight := 1024
	for _, o := range manifest.Objects {
		if record.Kind == meta.Object {
			o.Path = ""
		}
		t.entries[o.Path] = &entry{Object: o}
		weight += entryWeight + 2*len(o.Path)
		for dir := parent(o.Path); dir != "" && !t.dirs[dir]; dir = parent(dir) {
			t.dirs[dir] = true
			weight += 64 + len(dir)
		}
	}
	t.dirs[""] = record.Kind == meta.Bundle
	r.weight = uint32(min(weight, 1<<31))
	r.table.Store(t)
	return r
}

func parent(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return ""
}

// Growing tells that this is a state of a bundle that is still being made.
func (r *Root) Growing() bool { return r.growing }

// Dropped tells that the table is gone and the catalog must be asked again.
func (r *Root) Dropped() bool { return r.table.Load() == nil }

// Revoked says why the root must not be served, nil when it may.
func (r *Root) Revoked() error {
	if err := r.revoked.Load(); err != nil {
		return *err
	}
	return nil
}

// ErrDirectory tells that a path names a directory, which needs a slash.
var ErrDirectory = errors.New("a directory")

// Find looks a path of a URL up, namespace/path without leading slash. It is
// the hot path: no allocation where the record's own name was used. Outcomes:
//
//  1. the object, nil
//  2. nil, ErrDirectory: the path names a directory with an index, but lacks
//     the slash at its end
//  3. nil, sds.ErrNotFound: no such path in this root
//  4. nil, errForeign: not under a name that is known to be the root's; only a
//     meta node can say, see Resolve
func (r *Root) Find(path string) (*Object, error) {
	t := r.table.Load()
	if t == nil {
		return nil, errDropped
	}
	if r.Record.Kind == meta.Object {
		if path == string(r.Record.Name) || r.isAlias(path) {
			return t.object(t.entries[""]), nil
		}
		return nil, errForeign
	}
	if rest, ok := strings.CutPrefix(path, r.prefix); ok {
		return t.find(rest)
	}
	if path == string(r.Record.Name) {
		return t.bare()
	}
	return r.findAlias(t, path)
}

// bare is the bundle's own name without a slash.
func (t *table) bare() (*Object, error) {
	if _, ok := t.entries["index.html"]; ok {
		return nil, ErrDirectory
	}
	return nil, sds.ErrNotFound
}

var (
	errForeign = errors.New("name not known for this root")
	errDropped = errors.New("table dropped")
)

// find looks a path inside a bundle up; a slash at the end asks for the index.
func (t *table) find(rest string) (*Object, error) {
	if e, ok := t.entries[rest]; ok {
		return t.object(e), nil
	}
	dir, slash := strings.CutSuffix(rest, "/")
	if slash || rest == "" {
		if e, ok := t.entries[strings.TrimPrefix(dir+"/index.html", "/")]; ok {
			return t.object(e), nil
		}
		return nil, sds.ErrNotFound
	}
	if _, ok := t.entries[rest+"/index.html"]; ok && t.dirs[rest] {
		return nil, ErrDirectory
	}
	return nil, sds.ErrNotFound
}

// findAlias tries a path under the root's other names. A name that is not among
// them is not tried: who holds a ticket could give any content any name.
func (r *Root) findAlias(t *table, path string) (*Object, error) {
	if names := r.aliases.Load(); names != nil {
		for _, name := range *names {
			rest, ok := strings.CutPrefix(path, name)
			switch {
			case ok && rest == "":
				return t.bare()
			case ok && rest[0] == '/':
				return t.find(rest[1:])
			}
		}
	}
	return nil, errForeign
}

func (r *Root) isAlias(path string) bool {
	names := r.aliases.Load()
	if names == nil {
		return false
	}
	for _, name := range *names {
		if name == path {
			return true
		}
	}
	return false
}

// ErrBusy: names that no root here carries are asked for so often that meta
// nodes must be spared.
var ErrBusy = errors.New("too many unknown names")

// Questions to meta nodes about names that a ticket's root does not carry: who
// has one good ticket can ask for any number of them.
const asksPerSecond, asksAtOnce = 100, 200

// maxAliases bounds what is remembered for one root.
const maxAliases = 64

// Resolve is Find with the meta node's help for names that are not known to be
// the root's: of a copy, or one that nobody gave it. A name is asked for once
// and remembered as long as the root's table is.
func (c *Catalog) Resolve(ctx context.Context, r *Root, path string) (*Object, error) {
	o, err := r.Find(path)
	if !errors.Is(err, errForeign) {
		return o, err
	}
	// All who wait for the same answer share one question.
	asked := c.once.DoChan(string(r.Record.Root.Digest[:])+path, func() (any, error) {
		if !c.asking.Allow() {
			return nil, ErrBusy
		}
		found, err := c.config.Index.Resolve(context.WithoutCancel(ctx), path)
		if err != nil {
			return nil, err
		}
		if found.Record.Root != r.Record.Root {
			return nil, fmt.Errorf("it has another root: %w", sds.ErrNotFound)
		}
		r.addAlias(string(found.Record.Name))
		return nil, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-asked:
		if result.Err != nil {
			return nil, fmt.Errorf("resolve %q: %w", path, result.Err)
		}
		return r.Find(path)
	}
}

func (r *Root) addAlias(name string) {
	for {
		old := r.aliases.Load()
		var names []string
		if old != nil {
			names = append(names, *old...)
		}
		if len(names) >= maxAliases {
			names = names[1:]
		}
		names = append(names, name)
		if r.aliases.CompareAndSwap(old, &names) {
			return
		}
	}
}
