package pipeline

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/slicehttp"
)

// stored is an edge's answer to a write.
type stored struct {
	Durable []meta.EdgeID `json:"durable"`
}

// client talks to one edge.
func (w *Writer) client(ctx context.Context, edge meta.EdgeID) (*slicehttp.Client, error) {
	base, err := w.network.url(ctx, edge)
	if err != nil {
		return nil, err
	}
	return &slicehttp.Client{Base: base, HTTP: w.config.HTTP, Sign: w.config.Sign, Timeout: w.config.BlockTimeout}, nil
}

// put sends a block to the first of edges, which forwards it to the others, and
// returns those on which it is durable. An error means that the first edge does
// not have it.
func (w *Writer) put(ctx context.Context, grant *meta.Grant, edges []meta.EdgeID, cid sds.CID, block []byte) ([]meta.EdgeID, error) {
	client, err := w.client(ctx, edges[0])
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	header.Set("Stratos-Grant", base64.RawURLEncoding.EncodeToString(grant.Encode()))
	if len(edges) > 1 {
		hops := make([]string, 0, len(edges)-1)
		for _, e := range edges[1:] {
			hops = append(hops, strconv.FormatUint(uint64(e), 10))
		}
		header.Set("Stratos-Hops", strings.Join(hops, ","))
	}
	text, err := client.PutTo(ctx, cid, block, header)
	if err != nil {
		return nil, fmt.Errorf("edge %d: %w", edges[0], err)
	}
	var answer stored
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("edge %d: answer to a write: %w: %w", edges[0], sds.ErrMalformed, err)
	}
	if !slices.Contains(answer.Durable, edges[0]) {
		return nil, fmt.Errorf("edge %d: its answer does not name itself as durable: %w", edges[0], sds.ErrMalformed)
	}
	// Only whom we asked for counts, each once.
	var out []meta.EdgeID
	for _, e := range edges {
		if slices.Contains(answer.Durable, e) {
			out = append(out, e)
		}
	}
	return out, nil
}

// refused tells a quarrel about the grant from trouble at the edge.
func refused(err error) bool {
	var answer *slicehttp.StatusError
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestEntityTooLarge:
		return true
	}
	return false
}

// unreachable tells that nobody listens there.
func unreachable(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" || errors.Is(err, meta.ErrNotFound)
}
