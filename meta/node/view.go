package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/issue"
	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/place"
	"github.com/stratos-mesh/stratos/sds"
)

// loadView reads the newest view that the journal names. One whose file is lost
// counts as none: the next one is published soon.
func (n *Node) loadView(ctx context.Context) (*place.View, sds.CID, error) {
	_, cid, err := n.index.View(ctx)
	if err != nil || !cid.Defined() {
		return &place.View{}, sds.CID{}, err
	}
	b, err := os.ReadFile(n.viewPath(cid))
	if err != nil || place.CID(b) != cid {
		n.cfg.Logger.Warn("view is not readable; another one will be published", "view", cid, "error", err)
		return &place.View{}, sds.CID{}, nil
	}
	v, err := place.Decode(b)
	if err != nil {
		return nil, sds.CID{}, fmt.Errorf("meta node: view %s: %w", cid, err)
	}
	return v, cid, nil
}

func (n *Node) viewPath(cid sds.CID) string { return filepath.Join(n.cfg.Dir, "views", cid.String()) }

// View returns the encoding of a published view, so that anyone can compute a
// placement again.
func (n *Node) View(cid sds.CID) ([]byte, error) {
	b, err := os.ReadFile(n.viewPath(cid))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("view %s: %w", cid, meta.ErrNotFound)
	}
	return b, err
}

// renewView publishes the live edges when an epoch begins and they are others
// than before, and at once when a live edge is missing that uploads need.
func (n *Node) renewView(ctx context.Context) error {
	n.viewing.Lock()
	defer n.viewing.Unlock()
	epoch := issue.EpochAt(n.cfg.Now(), n.cfg.EpochLength)
	n.mu.Lock()
	live := n.fleet.inState(meta.Live, meta.Suspect)
	var edges []meta.Edge
	for _, edge := range n.fleet.edges() {
		if live[edge.ID] {
			edges = append(edges, edge)
		}
	}
	before := n.view
	n.mu.Unlock()
	after := place.NewView(max(epoch, before.Epoch), edges)
	known := before.Keep(func(id meta.EdgeID) bool { return live[id] })
	few := len(known.Edges) < len(after.Edges) && (n.cfg.Development || len(known.Edges) < n.cfg.Replicas)
	if slices.Equal(before.Edges, after.Edges) || epoch <= before.Epoch && !few {
		return nil
	}
	b, err := after.Encode()
	if err != nil {
		return err
	}
	cid := place.CID(b)
	if err := writeSynced(n.viewPath(cid), b); err != nil {
		return fmt.Errorf("meta node: keep view %s: %w", cid, err)
	}
	return n.change(ctx, &journal.View{Epoch: after.Epoch, CID: cid})
}

func writeSynced(path string, b []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".view-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
