package origin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"net/http"

	tusd "github.com/tus/tusd/v2/pkg/handler"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/apikey"
)

// tusStore is the tusd.DataStore over uploads.
type tusStore struct{ uploads *uploads }

// NewUpload makes an upload from what POST said of it.
func (t *tusStore) NewUpload(ctx context.Context, info tusd.FileInfo) (tusd.Upload, error) {
	request := requestOf(ctx)
	s, err := t.uploads.begin(ctx, request, info)
	if err != nil {
		return nil, request.asTus(err)
	}
	return &tusUpload{uploads: t.uploads, state: s}, nil
}

// begin checks metadata and quotas and writes the first state.
func (u *uploads) begin(ctx context.Context, request *tusRequest, info tusd.FileInfo) (*upload, error) {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	s := &upload{
		ID: hex.EncodeToString(id[:]), Key: request.key.ID, Metadata: info.MetaData, Size: info.Size,
		Partial: info.IsPartial, Final: info.IsFinal, Parts: info.PartialUploads,
	}
	if err := u.admit(request.key); err != nil {
		return nil, err
	}
	if s.Size > u.origin.config().MaxUpload {
		return nil, tooLarge(u.origin.config().MaxUpload)
	}
	namespace := ""
	switch {
	case s.Partial: // what its final upload becomes is said there
		if u.parts.Load()+s.Size > u.origin.config().PartsLimit {
			return nil, httperr.New(http.StatusInsufficientStorage, "parts", "this origin has no room for more partial uploads; send the file as one upload")
		}
	case info.MetaData["asset"] != "":
		a, err := u.origin.assets.target(info.MetaData["asset"], s.Size)
		if err != nil {
			return nil, err
		}
		s.Asset, namespace = a.id, a.name.Namespace()
	case info.MetaData["bundle"] != "":
		b, path, err := u.origin.bundles.target(info.MetaData["bundle"], info.MetaData["path"])
		if err != nil {
			return nil, err
		}
		s.Bundle, s.Path, namespace = b.id, path, b.info.Name.Namespace()
	default:
		name, err := meta.ParseName(info.MetaData["name"])
		if err != nil {
			return nil, err
		}
		s.Name, namespace = name, name.Namespace()
	}
	if err := allow(request.key, apikey.Write, namespace); err != nil {
		return nil, err
	}
	for _, part := range s.Parts {
		if p, err := u.find(request.key, part); err != nil {
			return nil, err
		} else if !p.Partial {
			return nil, httperr.New(http.StatusBadRequest, "concat", "upload "+part+" is not a partial one")
		}
	}
	path := string(s.Name)
	if s.Bundle != "" {
		path = s.Path
	}
	kind, err := mediaType(info.MetaData["filetype"], path)
	if err != nil {
		return nil, err
	}
	s.Type = kind
	if !s.Partial {
		if err := u.reserve(s.ID, request.key, namespace, s.Size); err != nil {
			return nil, err
		}
	}
	if err := u.create(s); err != nil {
		u.release(s.ID)
		return nil, err
	}
	return s, nil
}

// reserve takes room in the quotas until the upload is published or removed.
func (u *uploads) reserve(id string, key *apikey.Key, namespace string, n int64) error {
	room, err := u.origin.ledger.reserve(key.ID, key.MaxBytes, namespace, u.origin.config().NamespaceLimit, n)
	if err != nil {
		u.origin.counters.Refused.Add(1)
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.rooms[id] = room
	return nil
}

// GetUpload finds an upload that enter has let through.
func (t *tusStore) GetUpload(ctx context.Context, id string) (tusd.Upload, error) {
	if !validID(id) {
		return nil, tusd.ErrNotFound
	}
	s, err := t.uploads.load(id)
	if err != nil {
		return nil, tusd.ErrNotFound
	}
	return &tusUpload{uploads: t.uploads, state: s}, nil
}

// AsTerminatableUpload implements tusd.TerminaterDataStore.
func (t *tusStore) AsTerminatableUpload(u tusd.Upload) tusd.TerminatableUpload {
	return u.(*tusUpload)
}

// AsConcatableUpload implements tusd.ConcaterDataStore.
func (t *tusStore) AsConcatableUpload(u tusd.Upload) tusd.ConcatableUpload { return u.(*tusUpload) }

// tusUpload is one upload in one request; tusd holds its lock.
type tusUpload struct {
	uploads *uploads
	state   *upload
}

// GetInfo tells tusd what it must know.
func (t *tusUpload) GetInfo(context.Context) (tusd.FileInfo, error) {
	s := t.state
	return tusd.FileInfo{
		ID: s.ID, Size: s.Size, Offset: s.Offset, MetaData: s.Metadata,
		IsPartial: s.Partial, IsFinal: s.Final, PartialUploads: s.Parts,
	}, nil
}

// GetReader is never called: downloads are off.
func (t *tusUpload) GetReader(context.Context) (io.ReadCloser, error) {
	return nil, tusd.ErrNotImplemented
}

// WriteChunk takes a request's bytes in; those that it counts survive a crash.
func (t *tusUpload) WriteChunk(ctx context.Context, offset int64, src io.Reader) (int64, error) {
	request := requestOf(ctx)
	if t.state.Final {
		return 0, tusd.ErrModifyFinal
	}
	write := t.uploads.write
	if t.state.Partial || t.state.Asset != "" {
		write = t.uploads.writePart
	}
	request.reading.Store(request.control != nil)
	defer request.reading.Store(false)
	n, err := write(ctx, t.state, &watched{src, request}, request.checksum)
	t.uploads.origin.assets.arrived(t.state)
	return n, request.asTus(err)
}

// FinishUpload publishes.
func (t *tusUpload) FinishUpload(ctx context.Context) error {
	if t.state.Partial {
		return nil
	}
	return requestOf(ctx).asTus(t.finish(ctx))
}

// ConcatUploads makes a final upload of its parts; complete reads them from the
// state. One that failed is forgotten, as the client was never told its URL: it
// concatenates the parts again.
func (t *tusUpload) ConcatUploads(ctx context.Context, _ []tusd.Upload) error {
	err := t.finish(ctx)
	if err != nil && ctx.Err() == nil {
		err = errors.Join(err, t.uploads.remove(t.state))
	}
	return requestOf(ctx).asTus(err)
}

// finish waits for the upload to be published, keeping the connection's write
// deadline ahead meanwhile: concatenating and filling may take minutes.
func (t *tusUpload) finish(ctx context.Context) error {
	stop := requestOf(ctx).patience(ctx)
	defer stop()
	return t.uploads.finish(ctx, t.state.ID)
}

// Terminate forgets the upload.
func (t *tusUpload) Terminate(context.Context) error { return t.uploads.remove(t.state) }
