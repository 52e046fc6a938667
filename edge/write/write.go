// Package write takes slices under a meta node's grant: it stores them pinned
// and forwards them, at the same time, to the next edge of the upload.
//
//	PUT /slices/{cid}
//	Stratos-Grant: base64url(grant)
//	Stratos-Hops: 3,5            edges that come after this one
//
// The answer lists the edges on which the slice is durable:
// {"durable":[2,3]}. That a later edge could not be reached is no error; the
// caller sees who is missing.
package write

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/slicehttp"
)

// The header fields of a write.
const (
	GrantField = "Stratos-Grant"
	HopsField  = "Stratos-Hops"
)

// Config of a Handler. All but Now are required.
type Config struct {
	Store  sds.Store
	Leases *Leases
	Peers  *peers.Table
	HTTP   *http.Client
	Sign   func(*http.Request) error
	// Banned says why a CID must not be stored, nil when it may.
	Banned func(cid sds.CID) error
	// AtOnce bounds the writes under way, each of a block in memory twice; 0 is 16.
	AtOnce int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Handler answers PUT /slices/{cid} of nodes whose signature was checked.
type Handler struct {
	config Config
	room   chan struct{}
}

// New makes a Handler.
func New(config Config) *Handler {
	if config.AtOnce == 0 {
		config.AtOnce = 16
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Handler{config: config, room: make(chan struct{}, config.AtOnce)}
}

// Answer is the body of a 200.
type Answer struct {
	Durable []meta.EdgeID `json:"durable"`
}

// Put stores the body under cid and forwards it. The request's signature must
// have been verified.
func (h *Handler) Put(w http.ResponseWriter, r *http.Request, cid sds.CID) error {
	grant, err := h.grant(r)
	if err != nil {
		return err
	}
	if r.ContentLength > sds.MaxBlockSize {
		return fmt.Errorf("slice of %d bytes, limit %d: %w", r.ContentLength, sds.MaxBlockSize, sds.ErrTooLarge)
	}
	if err := h.config.Banned(cid); err != nil {
		return err
	}
	hops, err := parseHops(r.Header.Get(HopsField), grant)
	if err != nil {
		return err
	}
	select {
	case h.room <- struct{}{}:
		defer func() { <-h.room }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	// Origins give up after a minute; a body that trickles holds a place here.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))

	// A slice that is here already costs nothing again: writes are repeated.
	had, err := h.config.Store.Has(r.Context(), cid)
	if err != nil {
		return err
	}
	bytes := claimed(r.ContentLength)
	if had {
		bytes = 0
	}
	release, err := h.config.Leases.Reserve(grant, cid, bytes)
	if err != nil {
		return err
	}
	durable, stored, err := h.store(r, cid, grant, hops)
	if had {
		stored = 0
	}
	release(stored)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(Answer{Durable: durable})
}

const bodyTimeout = time.Minute

// claimed is what a write may bring; without a length, the most.
func claimed(length int64) int64 {
	if length < 0 {
		return sds.MaxBlockSize
	}
	return length
}

// sized tells Receive how large a buffer to make.
type sized struct {
	io.Reader
	length int64
}

func (s sized) Len() int { return int(claimed(s.length)) }

// store reads the body once, for this edge's store and for the next edge.
func (h *Handler) store(r *http.Request, cid sds.CID, grant *meta.Grant, hops []meta.EdgeID) ([]meta.EdgeID, int64, error) {
	self := h.config.Peers.Now().ID()
	if len(hops) == 0 {
		n, err := sds.Receive(r.Context(), h.config.Store, cid, sized{r.Body, r.ContentLength}, sds.Pinned)
		return []meta.EdgeID{self}, n, err
	}
	shared := newFanout(r.Body, r.ContentLength)
	forwarded := make(chan []meta.EdgeID, 1)
	// The next edge has its own time: it must not keep this one from storing.
	ctx, cancel := context.WithTimeout(r.Context(), forwardTimeout)
	defer cancel()
	go func() { // ends with ctx, and is waited for below
		forwarded <- h.forward(ctx, cid, grant, hops, shared.reader(), r.ContentLength)
	}()
	n, err := sds.Receive(r.Context(), h.config.Store, cid, sized{shared.source(), r.ContentLength}, sds.Pinned)
	if err != nil {
		shared.fail(err)
		cancel()
		<-forwarded
		return nil, 0, err
	}
	return append([]meta.EdgeID{self}, <-forwarded...), n, nil
}

// forwardTimeout is how long the rest of the chain may take for one slice.
const forwardTimeout = 45 * time.Second

// grant reads and checks the leave that comes with a write.
func (h *Handler) grant(r *http.Request) (*meta.Grant, error) {
	text := r.Header.Get(GrantField)
	if text == "" {
		return nil, refused(nil, "a slice is stored only under a grant of a meta node")
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, refused(err, "the grant is not base64url")
	}
	grant, err := meta.DecodeGrant(raw)
	if err != nil {
		return nil, refused(err, "the grant is malformed")
	}
	network := h.config.Peers.Now()
	key, ok := network.Authorities[grant.Authority]
	if !ok {
		return nil, refused(nil, fmt.Sprintf("authority %d is unknown", grant.Authority))
	}
	if err := grant.Verify(key, network.ChainID); err != nil {
		return nil, refused(err, "the grant is not signed by its authority")
	}
	if network.ID() == 0 || !slices.Contains(grant.Edges, network.ID()) {
		return nil, refused(nil, fmt.Sprintf("the grant does not name this edge, %d", network.ID()))
	}
	if !h.config.Now().Before(grant.Until) {
		return nil, refused(nil, "the grant has ended").WithHint("renew the upload")
	}
	return grant, nil
}

func refused(err error, detail string) *httperr.Problem {
	return httperr.Wrap(err, http.StatusForbidden, "grant", detail)
}

// parseHops reads the edges that come after this one; each must be in the grant.
func parseHops(text string, grant *meta.Grant) ([]meta.EdgeID, error) {
	var out []meta.EdgeID
	for text != "" {
		var one string
		one, text, _ = strings.Cut(text, ",")
		id, err := strconv.ParseUint(strings.TrimSpace(one), 10, 32)
		if err != nil {
			return nil, httperr.Wrap(err, http.StatusBadRequest, "malformed", HopsField+" is not a list of edge numbers")
		}
		if !slices.Contains(grant.Edges, meta.EdgeID(id)) || slices.Contains(out, meta.EdgeID(id)) {
			return nil, refused(nil, fmt.Sprintf("edge %d is not in the grant, or named twice", id))
		}
		out = append(out, meta.EdgeID(id))
	}
	return out, nil
}

// forward sends the slice down the chain. When the next edge cannot be reached
// the one after it is tried, so that one dead edge does not cut off the rest.
func (h *Handler) forward(ctx context.Context, cid sds.CID, grant *meta.Grant, hops []meta.EdgeID, body *fanoutReader, length int64) []meta.EdgeID {
	for i, hop := range hops {
		durable, err := h.send(ctx, cid, grant, hop, hops[i+1:], body.again(), length)
		if err == nil {
			return durable
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

func (h *Handler) send(ctx context.Context, cid sds.CID, grant *meta.Grant, hop meta.EdgeID, rest []meta.EdgeID, body *fanoutReader, length int64) ([]meta.EdgeID, error) {
	network := h.config.Peers.Now()
	edge, ok := network.Edge(hop)
	if !ok || network.Base(edge) == "" {
		return nil, fmt.Errorf("edge %d is unknown", hop)
	}
	header := http.Header{GrantField: {base64.RawURLEncoding.EncodeToString(grant.Encode())}}
	if len(rest) > 0 {
		texts := make([]string, len(rest))
		for i, id := range rest {
			texts[i] = strconv.FormatUint(uint64(id), 10)
		}
		header.Set(HopsField, strings.Join(texts, ","))
	}
	client := slicehttp.Client{Base: network.Base(edge), HTTP: h.config.HTTP, Sign: h.config.Sign, Timeout: forwardTimeout}
	text, err := client.PutStream(ctx, cid, body, length, header)
	if err != nil {
		return nil, err
	}
	var answer Answer
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("answer of edge %d: %w", hop, err)
	}
	// An edge speaks for those after it alone, and not for others.
	allowed := append([]meta.EdgeID{hop}, rest...)
	return slices.DeleteFunc(answer.Durable, func(id meta.EdgeID) bool { return !slices.Contains(allowed, id) }), nil
}
