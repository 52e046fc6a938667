package origin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/stratos-mesh/stratos/origin/pipeline"
	"github.com/stratos-mesh/stratos/sds"
)

// partsKept is how long parts stay after they were concatenated, for a client
// that missed the answer and asks again.
const partsKept = 10 * time.Minute

// complete publishes an upload whose bytes are all here. Doing it again, after
// a crash in the middle, leads to the same.
func (u *uploads) complete(ctx context.Context, id string) error {
	s, err := u.loadWhole(id)
	if err != nil {
		return err
	}
	if s.Result != nil {
		return nil
	}
	if s.Asset != "" {
		return u.intoAsset(ctx, s)
	}
	way, err := u.route(ctx, s)
	if err != nil {
		return err
	}
	if s.Final { // its blocks are made here; half of them may be from before a crash
		s.splitter, s.Tally = nil, pipeline.Tally{}
	}
	batch := way.session.Batch(ctx, s.Tally)
	defer batch.Close()
	splitter, err := s.resume(way.session.Sink(batch))
	if err != nil {
		return fmt.Errorf("upload %s: %w", id, err)
	}
	for _, part := range s.Parts {
		if err := u.pourPart(ctx, part, splitter); err != nil {
			return err
		}
	}
	if splitter.Size() != s.Size {
		return fmt.Errorf("upload %s: %d bytes, want %d: %w", id, splitter.Size(), s.Size, sds.ErrMalformed)
	}
	built, err := splitter.Finish(ctx)
	if err != nil {
		return err
	}
	file := sds.Object{Path: s.Path, CID: built.Root, Size: built.Size, SHA256: built.SHA256, Type: s.Type, First: built.First}
	if s.Bundle != "" {
		s.Result, err = u.intoBundle(ctx, s, batch, file)
	} else {
		unlock, locked := u.origin.names.lock(ctx, string(s.Name))
		if locked != nil {
			return locked
		}
		s.Result, err = u.origin.publishObject(ctx, way.request, s.Key, way.session, batch, file)
		unlock()
	}
	if err != nil {
		return err
	}
	s.Offset, s.splitter, s.Grant, s.Tally = s.Size, nil, nil, pipeline.Tally{}
	if err := u.save(s); err != nil {
		return err
	}
	u.count(s.Key, -1)
	u.release(id)
	u.retire(s.Parts)
	return nil
}

// intoBundle makes the file one of its bundle's.
func (u *uploads) intoBundle(ctx context.Context, s *upload, batch *pipeline.Batch, file sds.Object) (*Result, error) {
	b := u.origin.bundles.get(s.Bundle)
	if b == nil {
		return nil, errNoBundle()
	}
	tally, err := batch.Wait()
	if err != nil {
		return nil, err
	}
	if err := b.add(ctx, file, tally); err != nil {
		return nil, err
	}
	return &Result{
		Name: b.info.Name, Path: s.Path, Kind: "object", Root: file.CID, Size: file.Size, Objects: 1,
		Type: file.Type, SHA256: digest(file.SHA256), Durable: tally.Holders(),
	}, nil
}

// pourPart cuts a part's bytes.
func (u *uploads) pourPart(ctx context.Context, id string, splitter *sds.Splitter) error {
	p, err := u.load(id)
	if err != nil {
		return fmt.Errorf("part %s: %w", id, err)
	}
	if p.Size == 0 {
		return nil
	}
	f, err := os.Open(u.part(id))
	if err != nil {
		return fmt.Errorf("part %s: %w", id, err)
	}
	defer f.Close()
	return pour(ctx, f, splitter, nil)
}

// retire lets parts that were used end soon.
func (u *uploads) retire(parts []string) {
	for _, id := range parts {
		s, err := u.load(id)
		if err != nil {
			continue
		}
		s.Expires = u.origin.config().Now().Add(min(partsKept, u.origin.config().Expire)).UTC()
		if err := u.store(s); err != nil && !errors.Is(err, os.ErrNotExist) {
			u.origin.config().Logger.Warn("a part that was used stays until it expires", "id", id, "error", err)
		}
	}
}
