package index

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/layout"
	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/sds"
)

// admitted keeps the record itself, under the edge's number and under the key.
func (c *change) admitted(ctx context.Context, rec *journal.Record, e *journal.Admitted) error {
	if err := c.invited(ctx, e); err != nil {
		return err
	}
	key := hexKey("k/", e.Key)
	known, err := c.node(ctx, key)
	if err != nil {
		return err
	}
	if known != nil && (known.Kind != e.Kind || known.ID != e.ID) {
		return refuse(meta.ErrConflict, "this key belongs to another node")
	}
	value := rec.Encode()
	if e.Kind != meta.EdgeNode {
		c.use(e)
		c.set(key, value)
		return nil
	}
	s, err := c.state(ctx)
	if err != nil {
		return err
	}
	if e.ID == 0 || e.ID > s.Edges+1 {
		return refuse(meta.ErrConflict, "edge number %d, the next one is %d", e.ID, s.Edges+1)
	}
	before, err := c.node(ctx, edgeKey(e.ID))
	if err != nil {
		return err
	}
	if before != nil && !bytes.Equal(before.Key, e.Key) {
		c.delete(hexKey("k/", before.Key))
	}
	c.use(e)
	s.Edges = max(s.Edges, e.ID)
	c.setState(s)
	c.set(key, value)
	c.set(edgeKey(e.ID), value)
	return nil
}

func (c *change) invited(ctx context.Context, e *journal.Admitted) error {
	if e.Invitation == [16]byte{} {
		return nil
	}
	used, err := c.get(ctx, hexKey("i/", e.Invitation[:]))
	if err != nil {
		return err
	}
	if used != nil && !bytes.Equal(used, e.Key) {
		return refuse(meta.ErrForbidden, "this invitation was used for another node; ask for a new one")
	}
	return nil
}

// use notes that an invitation was used.
func (c *change) use(e *journal.Admitted) {
	if e.Invitation != [16]byte{} {
		c.set(hexKey("i/", e.Invitation[:]), e.Key)
	}
}

func edgeKey(id meta.EdgeID) string { return fmt.Sprintf("e/%08x", uint32(id)) }

func (c *change) node(ctx context.Context, key string) (*journal.Admitted, error) {
	b, err := c.get(ctx, key)
	if err != nil || b == nil {
		return nil, err
	}
	return decodeNode(b)
}

func decodeNode(b []byte) (*journal.Admitted, error) {
	rec, err := journal.Decode(b)
	if err != nil {
		return nil, err
	}
	e, ok := rec.Entry.(*journal.Admitted)
	if !ok {
		return nil, fmt.Errorf("%w: %T where a node belongs", layout.ErrMalformed, rec.Entry)
	}
	return e, nil
}

// Node finds an admitted node by its key; nil when there is none.
func (x *Index) Node(ctx context.Context, key ed25519.PublicKey) (*journal.Admitted, error) {
	n, err := x.begin().node(ctx, hexKey("k/", key))
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return n, nil
}

// Nodes are all that are admitted, edges by number, then the others by key.
func (x *Index) Nodes(ctx context.Context) ([]*journal.Admitted, error) {
	var out []*journal.Admitted
	for _, prefix := range []string{"e/", "k/"} {
		err := viewstore.All(ctx, x.scope, prefix, func(e viewstore.Entry) error {
			n, err := decodeNode(e.Value)
			if err == nil && (prefix == "e/" || n.Kind != meta.EdgeNode) {
				out = append(out, n)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("index: %w", err)
		}
	}
	return out, nil
}

func (c *change) view(ctx context.Context, e *journal.View) error {
	before, err := c.get(ctx, "v")
	if err != nil {
		return err
	}
	if before != nil {
		r := layout.NewReader(before)
		if epoch := r.U64(); e.Epoch < epoch {
			return refuse(meta.ErrConflict, "view of epoch %d after that of %d", e.Epoch, epoch)
		}
	}
	var w layout.Writer
	w.U64(e.Epoch)
	w.CID(e.CID)
	c.set("v", w.Done())
	return nil
}

// View returns the newest view's epoch and CID; a zero CID when there is none.
func (x *Index) View(ctx context.Context) (epoch uint64, cid sds.CID, err error) {
	b, err := x.begin().get(ctx, "v")
	if err != nil || b == nil {
		return 0, sds.CID{}, err
	}
	r := layout.NewReader(b)
	epoch, cid = r.U64(), r.CID()
	return epoch, cid, r.Done()
}
