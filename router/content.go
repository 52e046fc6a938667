package router

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/car"
)

// maxNodes bounds the nodes on the way to a playlist: directories of a few
// thousand entries each.
const maxNodes = 32 << 20

// errDenied: an edge says that a path is not there, which proves nothing.
var errDenied = fmt.Errorf("the edge says so: %w", sds.ErrNotFound)

// source reads files of a bundle from one edge, and believes nothing: an edge
// gives the directory nodes on the way from the root to a path, which prove what
// the path leads to, and the bytes, which must be that.
type source struct {
	http *http.Client
	// at is the URL of the bundle on the edge, with its ticket and a slash.
	at string
}

func (s source) get(ctx context.Context, path, query string, limit int64) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.at+escaped(path)+query, nil)
	if err != nil {
		return nil, err
	}
	response, err := s.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%s: %w", path, errDenied)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: the edge answered %s", path, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", path, sds.ErrTooLarge, limit)
	}
	return body, err
}

// nodes fetches the nodes on the way to a path.
func (s source) nodes(ctx context.Context, path string) (proof, error) {
	archive, err := s.get(ctx, path, "?format=nodes", maxNodes)
	if err != nil {
		return nil, err
	}
	r, err := car.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	return r.All()
}

// file reads a file of one slice and checks it against what the nodes say of its
// path.
func (s source) file(ctx context.Context, nodes proof, root sds.CID, path string) ([]byte, error) {
	cid, err := sds.Lookup(ctx, nodes, root, path)
	if err != nil {
		return nil, err
	}
	if cid.Codec != sds.Raw {
		return nil, fmt.Errorf("%s: %w: more than a slice", path, sds.ErrTooLarge)
	}
	body, err := s.get(ctx, path, "", sds.SliceSize)
	if errors.Is(err, errDenied) || errors.Is(err, sds.ErrTooLarge) {
		return nil, fmt.Errorf("%s: %w: not what its nodes prove", path, sds.ErrCorrupt)
	}
	if err != nil {
		return nil, err
	}
	if sent := sds.Sum(sds.Raw, body); sent != cid {
		return nil, fmt.Errorf("%s: %w: the edge sent %s, the root has %s", path, sds.ErrCorrupt, sent, cid)
	}
	return body, nil
}

// has tells whether a path is in the tree, as far as the nodes show.
func has(ctx context.Context, nodes proof, root sds.CID, path string) bool {
	_, err := sds.Lookup(ctx, nodes, root, path)
	return err == nil
}

// proof is the nodes that an edge sent. One that is not among them proves
// nothing, least of all that a path is not there.
type proof map[sds.CID][]byte

// Get finds a node.
func (p proof) Get(_ context.Context, cid sds.CID) ([]byte, error) {
	if block, ok := p[cid]; ok {
		return block, nil
	}
	return nil, fmt.Errorf("node %s is not among what the edge sent: %w", cid, sds.ErrCorrupt)
}
