package origin

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/pipeline"
	"github.com/stratos-mesh/stratos/sds"
)

// publishAttempts at moving a name before its upload is told to come again.
const publishAttempts = 5

// publishObject makes an imported file the newest version of a name: its
// manifest goes to the edges, replaced edges are filled, the name moves.
func (o *Origin) publishObject(ctx context.Context, u meta.Upload, key string, session *pipeline.Session, batch *pipeline.Batch, file sds.Object) (*Result, error) {
	manifest, err := sds.NewObjectManifest(file).Encode(ctx, batch.Sink)
	if err != nil {
		return nil, err
	}
	tally, err := batch.Wait()
	if err != nil {
		return nil, err
	}
	fill := func(ctx context.Context) ([]meta.EdgeID, error) { return session.Fill(ctx, tally, file.CID, manifest) }
	p := meta.Publication{
		Name: u.Name, Kind: meta.Object, Root: file.CID, Manifest: manifest,
		Size: file.Size, Objects: 1, Replicas: u.Replicas, Upload: u.ID,
	}
	record, err := o.publish(ctx, key, &p, session, fill)
	if err != nil {
		return nil, err
	}
	result := o.result(ctx, record)
	result.SHA256, result.Type, result.Durable = digest(file.SHA256), file.Type, p.Durable
	return result, nil
}

// publish fills the edges of the session's grant, signs a publication and moves
// the name. Repeating is harmless, so trouble on the way to the meta node is
// retried here. Where more edges are alive than the grant names, those get the
// blocks too.
func (o *Origin) publish(ctx context.Context, key string, p *meta.Publication, session *pipeline.Session, fill func(context.Context) ([]meta.EdgeID, error)) (record meta.Record, err error) {
	owner, chain, err := o.signer(ctx, p.Name)
	if err != nil {
		return meta.Record{}, err
	}
	if p.Durable, err = fill(ctx); err != nil {
		return meta.Record{}, err
	}
	p.Time = o.stamp()
	p.Sign(owner, chain)
	for attempt := range publishAttempts {
		if attempt > 0 {
			if err := sleep(ctx, 100*time.Millisecond<<attempt); err != nil {
				return meta.Record{}, err
			}
		}
		if record, err = o.config().Meta.Publish(ctx, *p); err == nil {
			o.ledger.published(p.Name, key, p.Size)
			o.counters.Published.Add(1)
			return record, nil
		}
		if settled(err) || ctx.Err() != nil {
			return meta.Record{}, fmt.Errorf("publish %s: %w", p.Name, err)
		}
		if !errors.Is(err, meta.ErrNoEdges) || session.Widen(ctx) != nil {
			continue
		}
		durable, failed := fill(ctx)
		if failed != nil {
			err = failed
			continue
		}
		p.Durable, p.Time = durable, o.stamp()
		p.Sign(owner, chain)
	}
	return meta.Record{}, unavailable(fmt.Errorf("publish %s: %w", p.Name, err))
}

// settled errors are the same when one asks again.
func settled(err error) bool {
	for _, e := range []error{meta.ErrConflict, meta.ErrForbidden, meta.ErrInvalid, meta.ErrBanned, meta.ErrDeleted, meta.ErrNotFound} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// unavailable tells a client to come again.
func unavailable(err error) error {
	p := httperr.New(503, "unavailable", "edges or the meta node cannot be reached; nothing that was acknowledged is lost")
	p.Err, p.RetryAfter = err, retryLater
	return p
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
