package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/car"
)

// plan is what a download has to fetch, proved from the root down.
type plan struct {
	edges *edges
	// target is the CID of what was asked for, under the root.
	target sds.CID
	folder bool
	files  []wanted
	dirs   []string // empty ones
	bytes  int64    // as far as known: folders may lie about files of one slice
}

// wanted is one file. Its slices are found in the nodes when it is its turn.
type wanted struct {
	path string // where it goes, below the target folder
	url  string // path below the name
	cid  sds.CID
	size int64
	from sds.Getter
}

// spans are its slices in order; whole blocks, from the first to the last.
func (w *wanted) spans(ctx context.Context) ([]sds.Span, error) {
	if w.cid.Codec == sds.Raw {
		return []sds.Span{{CID: w.cid, To: int(w.size)}}, nil
	}
	f, err := sds.OpenFile(ctx, w.from, w.cid)
	if err != nil {
		return nil, err
	}
	return f.Spans(ctx, 0, f.Size())
}

// decision is the part of /v1/route that get believes, unless a root is pinned.
type decision struct {
	Name, Root, Kind, Rest string
	Candidates             []struct{ URL string }
}

// plan asks the router what the root is, and an edge for the nodes that lead
// from it to what was asked for.
func (c *cli) plan(ctx context.Context, t *target, name string, pinned sds.CID) (*plan, error) {
	clean, err := sds.CleanPath(name)
	if err != nil {
		return nil, usage("%q is no name: %v", name, err)
	}
	var found decision
	if err := t.callJSON(ctx, http.MethodGet, t.router+"/v1/route/"+escape(clean), nil, nil, &found); err != nil {
		return nil, err
	}
	root, err := sds.Parse(found.Root)
	if err != nil {
		return nil, fmt.Errorf("router's answer: %w", err)
	}
	if pinned.Defined() && root != pinned {
		return nil, fail(exitCorrupt, "it moved to another version, or somebody lies: ask its owner",
			fmt.Errorf("%s has the root %s, not %s as --root says", found.Name, root, pinned))
	}
	if clean != strings.TrimSuffix(found.Name+"/"+found.Rest, "/") {
		return nil, fmt.Errorf("router's answer is about %q and %q, not %q", found.Name, found.Rest, clean)
	}
	e := &edges{c: c, t: t, name: found.Name, bundle: found.Kind == "bundle", bad: map[string]bool{}, sent: map[string]bool{}}
	proved := found.Rest
	if pinned.Defined() {
		proved = "" // all nodes: where the name ends is the router's word, see alone
	}
	p := &plan{edges: e}
	err = e.each(ctx, func(s source) error {
		nodes, err := e.nodes(ctx, s, proved, root)
		if err != nil {
			return err
		}
		if pinned.Defined() {
			if err := alone(ctx, nodes, root, clean, found.Rest); err != nil {
				return err
			}
		}
		return p.fill(ctx, nodes, root, found.Rest)
	})
	return p, err
}

// errLeaf ends a way at a slice: it is what the way was for, and no node.
var errLeaf = errors.New("a slice")

// nodeSet are blocks that were checked against their names.
type nodeSet map[sds.CID][]byte

// Get finds a node. One that is missing should have been there: somebody sent
// the nodes of something else.
func (n nodeSet) Get(_ context.Context, cid sds.CID) ([]byte, error) {
	if block, ok := n[cid]; ok {
		return block, nil
	}
	if cid.Codec == sds.Raw {
		return nil, errLeaf
	}
	return nil, &lie{fmt.Errorf("node %s is not among what it sent", cid)}
}

// find follows a path from the root: a file of one slice, or a node.
func (n nodeSet) find(ctx context.Context, root sds.CID, rest string) (sds.CID, bool, error) {
	cid, err := sds.Lookup(ctx, n, root, rest)
	if err != nil || cid.Codec == sds.Raw {
		return cid, false, err
	}
	entry, err := sds.Resolve(ctx, n, cid, "")
	return cid, entry.Dir, err
}

// alone sees to it that no other end of the name leads to something under a
// pinned root: the router could have chosen which.
func alone(ctx context.Context, nodes nodeSet, root sds.CID, name, rest string) error {
	for end := name; end != ""; _, end, _ = strings.Cut(end, "/") {
		if end == rest {
			continue
		}
		switch _, _, err := nodes.find(ctx, root, end); {
		case err == nil:
			return fail(exitRefused, "fetch the whole folder", fmt.Errorf("the root has both %q and %q, and nobody but the router says which is meant", end, rest))
		case !errors.Is(err, sds.ErrNotFound):
			return err
		}
	}
	return nil
}

// fill lists what is to be fetched.
func (p *plan) fill(ctx context.Context, nodes nodeSet, root sds.CID, rest string) error {
	at, dir, err := nodes.find(ctx, root, rest)
	if errors.Is(err, sds.ErrNotFound) {
		return fail(exitNotFound, "", err) // proved: the directory that would have it was seen
	}
	if err != nil {
		return proofError(err)
	}
	p.target, p.folder, p.files, p.dirs, p.bytes = at, dir, nil, nil, 0
	if !dir {
		w := wanted{url: rest, cid: at, from: nodes}
		if at.Codec != sds.Raw {
			f, err := sds.OpenFile(ctx, nodes, at)
			if err != nil {
				return proofError(err)
			}
			w.size = f.Size()
		}
		p.files, p.bytes = []wanted{w}, w.size
		return nil
	}
	outline, err := sds.Outline(ctx, nodes, at)
	if err != nil {
		return proofError(err)
	}
	p.dirs, p.bytes = outline.Dirs, outline.Size()
	for _, o := range outline.Objects {
		p.files = append(p.files, wanted{path: o.Path, url: strings.TrimPrefix(rest+"/"+o.Path, "/"), cid: o.CID, size: o.Size, from: nodes})
	}
	return nil
}

// proofError tells a tree that breaks the rules, which no edge can mend, from an
// edge that sent something else.
func proofError(err error) error {
	var l *lie
	if errors.As(err, &l) {
		return l
	}
	return fail(exitRefused, "its owner published something that cannot be kept as files", err)
}

// maxNodes bounds the nodes of a download: a TiB of content has 100 MB of them.
const maxNodes = 512 << 20

// nodes asks an edge for the nodes from the root to a path and below it.
func (e *edges) nodes(ctx context.Context, s source, rest string, root sds.CID) (nodeSet, error) {
	if root.Codec == sds.Raw {
		return nodeSet{}, nil
	}
	u := s.url(rest)
	query := u.Query()
	query.Set("format", "nodes")
	u.RawQuery = query.Encode()
	body, err := e.open(ctx, s, u.String(), 0)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	r, err := car.NewReader(io.LimitReader(body, maxNodes))
	var set nodeSet
	if err == nil {
		set, err = r.All()
	}
	if errors.Is(err, sds.ErrCorrupt) || errors.Is(err, sds.ErrMalformed) || errors.Is(err, sds.ErrTooLarge) {
		err = &lie{err}
	}
	return set, err
}
