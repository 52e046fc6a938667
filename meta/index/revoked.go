package index

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/layout"
	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/sds"
)

// Ban is why a digest is not served.
type Ban struct {
	// Number of the revocation.
	Number uint64
	Kind   meta.RevocationKind
}

func (b *Ban) encode() []byte {
	var w layout.Writer
	w.U64(b.Number)
	w.U8(uint8(b.Kind))
	return w.Done()
}

func decodeBan(v []byte) (Ban, error) {
	r := layout.NewReader(v)
	b := Ban{Number: r.U64(), Kind: meta.RevocationKind(r.U8())}
	return b, r.Done()
}

func (c *change) ban(ctx context.Context, cid sds.CID) (Ban, bool, error) {
	v, err := c.get(ctx, rootKey("b/", cid))
	if err != nil || v == nil {
		return Ban{}, false, err
	}
	b, err := decodeBan(v)
	return b, true, err
}

// served refuses a root that is revoked.
func (c *change) served(ctx context.Context, root sds.CID) error {
	b, banned, err := c.ban(ctx, root)
	if err != nil {
		return err
	}
	if banned {
		return refuse(meta.ErrBanned, "%s by revocation %d", root, b.Number)
	}
	return nil
}

func (c *change) revoked(ctx context.Context, v *meta.Revocation) error {
	s, err := c.state(ctx)
	if err != nil {
		return err
	}
	if v.Number != s.Revocation+1 {
		return refuse(meta.ErrConflict, "revocation %d after %d", v.Number, s.Revocation)
	}
	before, banned, err := c.ban(ctx, v.Root)
	if err != nil {
		return err
	}
	b := Ban{Number: v.Number, Kind: v.Kind}
	switch {
	case v.Kind == meta.Lifted && (!banned || before.Kind != meta.ByOwner):
		return refuse(meta.ErrConflict, "%s was not revoked by its owner", v.Root)
	case v.Kind == meta.Lifted:
		c.delete(rootKey("b/", v.Root))
	case v.Kind == meta.Unbanned:
		if err := c.unbanned(ctx, v); err != nil {
			return err
		}
	case v.Root.Defined() && (!banned || v.Kind == meta.ByNetwork):
		c.set(rootKey("b/", v.Root), b.encode())
	}
	if v.Kind == meta.ByNetwork {
		for _, object := range v.Objects {
			c.set(rootKey("b/", object), b.encode())
		}
	}
	c.set(numberKey("x/", v.Number), v.Encode())
	s.Revocation = v.Number
	c.setState(s)
	return nil
}

// unbanned serves again what operators revoked.
func (c *change) unbanned(ctx context.Context, v *meta.Revocation) error {
	for _, cid := range append(v.Objects[:len(v.Objects):len(v.Objects)], v.Root) {
		before, banned, err := c.ban(ctx, cid)
		if err != nil {
			return err
		}
		if banned && before.Kind == meta.ByNetwork {
			c.delete(rootKey("b/", cid))
		}
	}
	return nil
}

// Ban tells whether a digest is not served, and why.
func (x *Index) Ban(ctx context.Context, root sds.CID) (Ban, bool, error) {
	b, banned, err := x.begin().ban(ctx, root)
	if err != nil {
		return Ban{}, false, fmt.Errorf("index: %w", err)
	}
	return b, banned, nil
}

// Revocations returns up to limit revocations above a number, in order.
func (x *Index) Revocations(ctx context.Context, after uint64, limit int) ([]meta.Revocation, error) {
	entries, err := x.scope.Scan(ctx, "x/", numberKey("x/", after), limit)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	out := make([]meta.Revocation, 0, len(entries))
	for _, e := range entries {
		v, err := meta.DecodeRevocation(e.Value)
		if err != nil {
			return nil, fmt.Errorf("index: %w", err)
		}
		out = append(out, *v)
	}
	return out, nil
}

// Bans calls each for every digest that is not served.
func (x *Index) Bans(ctx context.Context, each func(digest [32]byte, b Ban)) error {
	err := viewstore.All(ctx, x.scope, "b/", func(e viewstore.Entry) error {
		var digest [32]byte
		if n, err := hex.Decode(digest[:], []byte(strings.TrimPrefix(e.Key, "b/"))); err != nil || n != len(digest) {
			return fmt.Errorf("%w: key %q", layout.ErrMalformed, e.Key)
		}
		b, err := decodeBan(e.Value)
		each(digest, b)
		return err
	})
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	return nil
}
