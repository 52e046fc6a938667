package pipeline

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// fillers is how many blocks are copied to replacements at once.
const fillers = 8

// Fill brings every block under the roots to edges of the grant that do not
// have them all, reading from those that do, and returns the edges that have
// everything then. It does nothing where nothing is lacking.
func (s *Session) Fill(ctx context.Context, tally Tally, roots ...sds.CID) ([]meta.EdgeID, error) {
	// An edge may fail while it is filled; its replacement is filled again.
	for range 4 {
		grant, _, err := s.current(ctx)
		if err != nil {
			return nil, err
		}
		var full []meta.EdgeID
		for _, e := range grant.Edges {
			if tally.Full(e) {
				full = append(full, e)
			}
		}
		if len(full) == len(grant.Edges) {
			return full, nil
		}
		// Edges outside the grant may still have what they acknowledged.
		sources := append(full, without(tally.Holders(), grant.Edges)...)
		if len(full) == 0 {
			sources = append(sources, grant.Edges...)
		}
		for _, root := range roots {
			if err := s.fill(ctx, s.writer.Getter(sources), root, full); err != nil {
				return nil, fmt.Errorf("fill replaced edges: %w", err)
			}
		}
		tally = tally.clone()
		for _, e := range grant.Edges {
			tally.Edges[e] = tally.Blocks
		}
	}
	return nil, fmt.Errorf("fill replaced edges: %w", meta.ErrNoEdges)
}

// fill copies the blocks under one root to the grant's edges but full.
func (s *Session) fill(ctx context.Context, from sds.Getter, root sds.CID, full []meta.EdgeID) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(fillers)
	err := sds.Walk(ctx, from, root, func(cid sds.CID, _ int64) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		group.Go(func() error { return s.copy(ctx, from, cid, full) })
		return nil
	})
	if failed := group.Wait(); failed != nil {
		return failed
	}
	return err
}

// copy brings one block to the edges that lack it.
func (s *Session) copy(ctx context.Context, from sds.Getter, cid sds.CID, full []meta.EdgeID) error {
	grant, _, err := s.current(ctx)
	if err != nil {
		return err
	}
	have := full
	for _, e := range without(grant.Edges, full) {
		if held, err := s.writer.has(ctx, e, cid); err == nil && held {
			have = append(have[:len(have):len(have)], e)
		}
	}
	if len(without(grant.Edges, have)) == 0 {
		return nil
	}
	block, err := from.Get(ctx, cid)
	if err != nil {
		return err
	}
	s.writer.config.Counters.Filled.Add(1)
	_, err = s.deliver(ctx, cid, block, have)
	return err
}
