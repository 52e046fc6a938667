package edge

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/stratos-mesh/stratos/edge/fill"
	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/slicehttp"
)

// sliceDoor answers other nodes at /slices/{cid}: reads of edges, writes of
// origins and edges, all signed with node keys.
type sliceDoor struct {
	node     *node
	verifier *nodeauth.Verifier
	handler  http.Handler
	// sent and sentBytes count the blocks that other nodes read here.
	sent, sentBytes atomic.Int64

	mu     sync.Mutex // guards following
	limits map[string]*rate.Limiter
}

// maxLimits bounds the peers that are remembered; there are not more edges and
// origins than this that ask one edge within one configuration's life.
const maxLimits = 16_384

func newSlices(n *node) *sliceDoor {
	s := &sliceDoor{node: n, limits: make(map[string]*rate.Limiter)}
	s.verifier = &nodeauth.Verifier{Known: func(key ed25519.PublicKey) bool { return n.peers.Now().Known(key) }}
	s.handler = slicehttp.Handler(slicehttp.Config{
		Store: parent{n, s}, Put: http.HandlerFunc(s.put),
		Error: func(w http.ResponseWriter, r *http.Request, err error) { httperr.Write(w, r, sliceError(err)) },
	})
	return s
}

func (s *sliceDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, err := s.verifier.Verify(r)
	if err != nil {
		httperr.Write(w, r, err)
		return
	}
	if r.Method == http.MethodGet {
		if wait := s.over(key); wait > 0 {
			problem := httperr.New(http.StatusTooManyRequests, "rate", "this node asks for more than its share")
			httperr.Write(w, r, problem.WithRetry(wait))
			return
		}
		if want, ok := fill.ReadWant(r.Header); ok {
			r = r.WithContext(context.WithValue(r.Context(), wantKey{}, want))
		}
	}
	s.handler.ServeHTTP(w, r)
}

// over takes a slice from a peer's rate, or says how long it must wait. A peer
// may save up four seconds' worth.
func (s *sliceDoor) over(key ed25519.PublicKey) time.Duration {
	perSecond := s.node.app.Load().Edge.withDefaults().PeerRate
	s.mu.Lock()
	l := s.limits[string(key)]
	if l == nil || l.Limit() != rate.Limit(perSecond) {
		if len(s.limits) >= maxLimits {
			clear(s.limits)
		}
		l = rate.NewLimiter(rate.Limit(perSecond), int(max(4*perSecond, 4*sds.SliceSize)))
		s.limits[string(key)] = l
	}
	s.mu.Unlock()
	reservation := l.ReserveN(time.Now(), sds.SliceSize)
	wait := reservation.Delay()
	if wait > 0 {
		reservation.Cancel()
	}
	return wait
}

func (s *sliceDoor) put(w http.ResponseWriter, r *http.Request) {
	cid, err := sds.Parse(strings.TrimPrefix(r.URL.Path, slicehttp.Prefix))
	if err == nil {
		err = s.node.writes.Put(w, r, cid)
	}
	if err != nil {
		httperr.Write(w, r, sliceError(err))
	}
}

// sliceError keeps the statuses that the other end of slicehttp understands.
func sliceError(err error) error {
	if errors.Is(err, sds.ErrCorrupt) {
		return httperr.Wrap(err, http.StatusUnprocessableEntity, "digest-mismatch", "the bytes do not hash to the name they were sent under")
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return httperr.Wrap(err, http.StatusMethodNotAllowed, "method", "slices are answered to GET, HEAD and PUT")
	}
	return err
}

type wantKey struct{}

// parent is what other edges read: what is here, and for the edges of a region
// whose parent this edge is, what it fetches for them.
type parent struct {
	node *node
	door *sliceDoor
}

func (p parent) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	block, err := p.read(ctx, cid)
	if err == nil {
		p.door.sent.Add(1)
		p.door.sentBytes.Add(int64(len(block)))
	}
	return block, err
}

func (p parent) read(ctx context.Context, cid sds.CID) ([]byte, error) {
	if err := p.node.revocations.Object(cid); err != nil {
		return nil, err
	}
	want, ok := ctx.Value(wantKey{}).(peers.Want)
	if !ok {
		block, err := p.node.fill.Local().Get(ctx, cid)
		if errors.Is(err, sds.ErrCorrupt) {
			err = sds.ErrNotFound // it is put aside, and another holder is asked
		}
		return block, err
	}
	block, _, err := p.node.fill.Get(ctx, cid, want)
	if errors.Is(err, fill.ErrUnavailable) {
		err = errors.Join(sds.ErrNotFound, err)
	}
	return block, err
}

func (p parent) Has(ctx context.Context, cid sds.CID) (bool, error) {
	return p.node.fill.Local().Has(ctx, cid)
}

func (p parent) Size(ctx context.Context, cid sds.CID) (int64, error) {
	return p.node.fill.Memory().Size(ctx, cid)
}

// Put and Delete are never called: the handler reads, and writes take another way.
func (p parent) Put(context.Context, sds.CID, []byte, sds.Class) error { return errors.ErrUnsupported }
func (p parent) Delete(context.Context, sds.CID) error                 { return errors.ErrUnsupported }

var _ sds.Store = parent{}
