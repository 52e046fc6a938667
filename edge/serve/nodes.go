package serve

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/edge/catalog"
	"github.com/stratos-mesh/stratos/edge/fill"
	"github.com/stratos-mesh/stratos/edge/session"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/car"
)

// proofs tells whether a request asks for the nodes of a tree (`format=nodes`)
// and not for content.
func proofs(r *http.Request) bool {
	return r.URL.RawQuery != "" && parameter(r.URL.RawQuery, "format") == "nodes"
}

// nodes answers with the nodes on the way from the ticket's root to a path and
// all those below it, as an archive. They name every slice there, so who knows
// the root can list what is under it, and check each slice that any edge sends.
// Slices themselves are not in it.
func (h *Handler) nodes(w http.ResponseWriter, r *http.Request, root *catalog.Root, path string, s *session.Session) error {
	ctx := r.Context()
	// Under another name of the same root, how much of the path is the name is
	// not known: all nodes of the root prove as much.
	rest := ""
	if inside, ok := strings.CutPrefix(path, string(root.Record.Name)+"/"); ok {
		rest = strings.TrimSuffix(inside, "/")
	}
	a := &nodeArchive{from: h.config.Fill.Getter(root.Want), seen: make(map[sds.CID]bool)}
	target, leaf, err := a.resolve(ctx, root.Record.Root, rest)
	if errors.Is(err, sds.ErrNotFound) || errors.Is(err, sds.ErrMalformed) {
		return h.unlisted(w, r, path, sds.ErrNotFound)
	}
	if err != nil {
		return unread(err)
	}
	header := w.Header()
	openHeader(header)
	header.Set("Content-Type", car.MediaType)
	header.Set("Content-Disposition", `attachment; filename="nodes.car"`)
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	h.Counters.Count(class(s.Class), http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	out := &timedWriter{w: w, controller: http.NewResponseController(w)}
	defer func() {
		if r.ProtoMajor == 1 { // the connection goes on
			_ = out.controller.SetWriteDeadline(time.Time{})
		}
		s.Sent(out.n)
		h.Counters.Sent(out.n, fill.Hit)
	}()
	buffer := bufio.NewWriterSize(out, 64<<10)
	if a.out, err = car.NewWriter(buffer, root.Record.Root); err != nil {
		return &brokenOff{err}
	}
	// The way once more, now into the archive; its nodes are in memory.
	if _, _, err = a.resolve(ctx, root.Record.Root, rest); err == nil && !leaf {
		err = sds.Walk(ctx, a, target, func(sds.CID, int64) error { return root.Revoked() })
	}
	if err == nil {
		err = buffer.Flush()
	}
	if err != nil {
		return &brokenOff{err}
	}
	return nil
}

// nodeArchive is a Getter of nodes that writes each into an archive the first
// time that it is asked for.
type nodeArchive struct {
	from sds.Getter
	seen map[sds.CID]bool
	out  *car.Writer // nil at first: nothing is written
}

// errLeaf ends a way at a slice, which is content and in no archive.
var errLeaf = errors.New("a slice, not a node")

// Get reads a node.
func (a *nodeArchive) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	if cid.Codec == sds.Raw {
		return nil, errLeaf
	}
	block, err := a.from.Get(ctx, cid)
	if err != nil || a.out == nil || a.seen[cid] {
		return block, err
	}
	a.seen[cid] = true
	return block, a.out.Block(cid, block)
}

// resolve finds what a path leads to: a node, or a leaf.
func (a *nodeArchive) resolve(ctx context.Context, root sds.CID, path string) (at sds.CID, leaf bool, err error) {
	entry, err := sds.Resolve(ctx, a, root, path)
	if errors.Is(err, errLeaf) {
		return sds.CID{}, true, nil
	}
	return entry.CID, false, err
}

// timedWriter gives each write the time that a slice has.
type timedWriter struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	n          int64
}

func (t *timedWriter) Write(p []byte) (int, error) {
	_ = t.controller.SetWriteDeadline(time.Now().Add(SliceDeadline))
	n, err := t.w.Write(p)
	t.n += int64(n)
	return n, err
}
