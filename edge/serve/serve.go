// Package serve answers viewers: one HTTP contract for every door, written down
// row by row in docs/http-api/edge.md.
//
// The hot path is two look-ups and a few writes: the ticket's text finds the
// session, the rest of the path finds the object, whose header values lie ready
// as shared slices, and its bytes go out from the cache's memory.
package serve

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stratos-mesh/stratos/edge/catalog"
	"github.com/stratos-mesh/stratos/edge/fill"
	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/edge/session"
	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// Config of a Handler. All but Routers, Unticketed and Warn are required.
type Config struct {
	Sessions *session.Table
	Catalog  *catalog.Catalog
	Fill     *fill.Filler
	Peers    *peers.Table
	// Routers finds one that answers, for requests without a good ticket.
	Routers *Routers
	// Unticketed is what may be served while no router answers; may give nil.
	Unticketed func() *Budget
	// Held finds a root that this edge keeps a replica of by a path, for the
	// time when no router answers.
	Held func(path string) (digest [32]byte, ok bool)
	// Flying bounds the bytes that answers under way hold besides the cache.
	Flying int64
	// Wire finds a request's connection, nil where there is no say in it. It is
	// bare when no other handler looks at the header of the answer. May be nil.
	Wire func(w http.ResponseWriter, r *http.Request) (wire Wire, bare bool)
	// Warn is told of answers that broke off; may be nil.
	Warn func(message string, err error)
}

// Handler answers viewers.
type Handler struct {
	config Config
	flying *flying
	// cacheStatus by fill.Origin, see RFC 9211.
	cacheStatus [3][]string
	hitLines    [4]string // by kind of delivery
	underWay    atomic.Int64

	Counters Counters
}

// New makes a Handler.
func New(config Config) *Handler {
	h := &Handler{config: config, flying: newFlying(config.Flying)}
	h.cacheStatus = [3][]string{
		fill.Hit:       {"stratos; hit"},
		fill.Miss:      {"stratos; fwd=uri-miss; stored"},
		fill.Collapsed: {"stratos; fwd=uri-miss; collapsed"},
	}
	h.prepareLines()
	return h
}

// ServeHTTP answers GET, HEAD and OPTIONS for /t/{ticket}/{namespace}/{path}
// and /{namespace}/{path}?t={ticket}.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.underWay.Add(1)
	block, s, wire := h.quick(w, r)
	if s == nil {
		h.slow(w, r)
		return
	}
	// Written from here and not from further down: on HTTP/2 every answer has a
	// new goroutine, whose small stack would have to grow.
	var n int
	var err error
	if r.ProtoMajor == 2 {
		n, err = guarded(w, block)
	} else {
		n, err = held(w, wire, block)
	}
	s.Sent(int64(n))
	h.Counters.Sent(int64(n), fill.Hit)
	h.underWay.Add(-1)
	if err != nil {
		h.fail(w, r, &brokenOff{err})
	}
}

func (h *Handler) slow(w http.ResponseWriter, r *http.Request) {
	defer h.underWay.Add(-1)
	if err := h.serve(w, r); err != nil {
		h.fail(w, r, err)
	}
}

// quick is the shortest way to the most frequent answer: all of a small object
// that is in memory, for a session that is known. It sets the head and returns
// what is to be written and the wire that holds it, if any, or a nil session and
// leaves no trace.
func (h *Handler) quick(w http.ResponseWriter, r *http.Request) ([]byte, *session.Session, Wire) {
	if r.Method != http.MethodGet || r.URL.RawPath != "" || r.Header["Range"] != nil || proofs(r) ||
		conditional(r.Header) || r.Header["Service-Worker"] != nil {
		return nil, nil, nil
	}
	path, text, bundle := split(r)
	now := time.Now()
	s := h.config.Sessions.Known(text, now)
	if s == nil {
		return nil, nil, nil
	}
	root := s.Root()
	if root == nil || root.Revoked() != nil {
		return nil, nil, nil
	}
	object, err := root.Find(path)
	if err != nil || object.Size > smallBlock || object.CID.Codec != sds.Raw || object.Revoked() != nil {
		return nil, nil, nil
	}
	block, ok := h.config.Fill.Peek(object.CID)
	if !ok || int64(len(block)) != object.Size {
		return nil, nil, nil
	}
	s.Begin(now)
	h.Counters.Count(class(s.Class), http.StatusOK)
	d := delivery{handler: h, root: root, object: object, bundle: bundle}
	return block, s, d.quickHead(w, r)
}

// quickHead sets the head of a hit, and holds the wire where there is one.
func (d *delivery) quickHead(w http.ResponseWriter, r *http.Request) Wire {
	header := w.Header()
	var wire Wire
	bare := false
	if find := d.handler.config.Wire; find != nil && d.object.Size > headLeaves {
		wire, bare = find(w, r)
	}
	if wire != nil && bare && d.outright(header) {
		header["Content-Type"] = d.object.ContentType
		wire.Hold(d.lines())
	} else {
		d.bodyHead(header)
		d.served(header, fill.Hit)
		if wire != nil {
			wire.Hold(Lines{})
		}
	}
	header["Content-Length"] = d.object.Length
	return wire
}

// held writes a small answer, in one piece where there is a wire.
func held(w http.ResponseWriter, wire Wire, block []byte) (int, error) {
	n, err := w.Write(block)
	if wire != nil {
		if e := wire.Release(); e != nil && err == nil {
			n, err = 0, e
		}
	}
	return n, err
}

// UnderWay counts the answers that are being given.
func (h *Handler) UnderWay() int64 { return h.underWay.Load() }

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return h.otherMethod(w, r)
	}
	// A stranger's service worker would own every page of this host.
	if r.Header["Service-Worker"] != nil {
		return httperr.New(http.StatusForbidden, "service-worker", "service workers are not served from an edge")
	}
	if r.URL.RawPath != "" && strings.Contains(strings.ToLower(r.URL.RawPath), "%2f") {
		return httperr.New(http.StatusBadRequest, "malformed", "%2F is not allowed in a path")
	}
	path, text, bundle := split(r)
	if text == "" {
		return h.ticketless(w, r, path, session.ErrForged)
	}
	now := time.Now()
	s, err := h.config.Sessions.Find(text, now)
	if err != nil {
		return h.ticketless(w, r, path, err)
	}
	s.Begin(now)
	root, err := h.root(r.Context(), s)
	if err != nil {
		return h.unfound(err)
	}
	if err := root.Revoked(); err != nil {
		return err
	}
	if proofs(r) {
		return h.nodes(w, r, root, path, s)
	}
	object, err := root.Find(path)
	if err != nil {
		if object, err = h.find(r, root, path); errors.Is(err, sds.ErrNotFound) && root.Growing() {
			root, object, err = h.grown(r, s, path)
		}
		if err != nil {
			return h.unlisted(w, r, path, err)
		}
	}
	d := delivery{handler: h, root: root, object: object, meter: s, class: s.Class, bundle: bundle}
	return d.serve(w, r)
}

// root is what the ticket leads to. Of a bundle that is still growing that
// changes, so no session keeps it.
func (h *Handler) root(ctx context.Context, s *session.Session) (*catalog.Root, error) {
	if root := s.Root(); root != nil {
		return root, nil
	}
	if s.Ticket.Growing() {
		return h.config.Catalog.Growing(ctx, s.Bind, s.Sources)
	}
	root, err := h.config.Catalog.Root(ctx, s.Bind, s.Sources)
	if err == nil {
		s.SetRoot(root)
	}
	return root, err
}

// grown looks for a path in a newer state: another edge may have shown it.
func (h *Handler) grown(r *http.Request, s *session.Session, path string) (*catalog.Root, *catalog.Object, error) {
	root, err := h.config.Catalog.Grown(r.Context(), s.Bind, s.Sources)
	if err != nil {
		return nil, nil, err
	}
	object, err := h.find(r, root, path)
	return root, object, err
}

// split takes a URL apart: the path as namespace/path, the ticket's text, and
// whether the ticket stood in the path, as it does for bundles.
func split(r *http.Request) (path, text string, bundle bool) {
	path = r.URL.Path
	if rest, ok := strings.CutPrefix(path, "/t/"); ok {
		text, path, _ = strings.Cut(rest, "/")
		return path, text, true
	}
	return strings.TrimPrefix(path, "/"), parameter(r.URL.RawQuery, "t"), false
}

// parameter finds a query parameter whose value needs no decoding, which holds
// for tickets; others are then simply not good.
func parameter(query, name string) string {
	for query != "" {
		var one string
		one, query, _ = strings.Cut(query, "&")
		if key, value, ok := strings.Cut(one, "="); ok && key == name {
			return value
		}
	}
	return ""
}

// find is the slow way to an object: the path is checked, and a meta node asked
// where the name is not the root's own.
func (h *Handler) find(r *http.Request, root *catalog.Root, path string) (*catalog.Object, error) {
	name, err := checkPath(path)
	if err != nil {
		return nil, err
	}
	return h.config.Catalog.Resolve(r.Context(), root, name)
}

// checkPath refuses what no name can be: empty and dot components, control
// characters, reserved namespaces, paths that are too long. It returns the path
// in Unicode form NFC, as names are kept; a slash at the end stays.
func checkPath(path string) (string, error) {
	if namespace, _, _ := strings.Cut(path, "/"); meta.CheckNamespace(namespace) != nil {
		return "", httperr.New(http.StatusNotFound, "not-found", "a path begins with a namespace: 3 to 63 of a-z, 0-9 and -")
	}
	bare, slash := strings.CutSuffix(path, "/")
	if !strings.Contains(bare, "/") {
		return "", httperr.New(http.StatusNotFound, "not-found", "a path is a namespace and a name")
	}
	name, err := meta.ParseName(bare)
	if err != nil {
		return "", httperr.Wrap(err, http.StatusBadRequest, "malformed", "the path has an empty, dot or oversized component or a control character")
	}
	if slash {
		return string(name) + "/", nil
	}
	return string(name), nil
}
