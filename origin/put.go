package origin

import (
	"context"
	"crypto/rand"
	"hash"
	"io"
	"mime"
	"net/http"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/apikey"
	"github.com/stratos-mesh/stratos/origin/pipeline"
	"github.com/stratos-mesh/stratos/sds"
)

// putFile answers PUT /v1/files/{namespace}/{path}: one object, whole.
func (o *Origin) putFile(w http.ResponseWriter, r *http.Request, path string) error {
	name, err := meta.ParseName(path)
	if err != nil {
		return err
	}
	key, err := o.authorize(w, r, apikey.Write, name.Namespace())
	if err != nil {
		return err
	}
	conditions := parseConditions(r.Header)
	before, err := o.newest(r.Context(), name)
	if err != nil {
		return err
	}
	if err := conditions.hold(before); err != nil {
		return err
	}
	in, err := o.accept(w, r, key, name.Namespace(), string(name))
	if err != nil {
		return err
	}
	defer in.close()
	u := meta.Upload{Name: name, Kind: meta.Object, MaxBytes: covering(in.expected()), Replicas: o.config().Replicas}
	_, _ = rand.Read(u.ID[:]) // never fails
	session, err := o.writer.Open(r.Context(), u, nil, 0)
	if err != nil {
		return err
	}
	batch := session.Batch(r.Context(), pipeline.Tally{})
	defer batch.Close()
	file, err := in.importInto(r.Context(), session, batch)
	if err != nil {
		return err
	}
	unlock, err := o.names.lock(r.Context(), string(name))
	if err != nil {
		return err
	}
	defer unlock()
	if conditions != (conditionsNone) {
		if before, err = o.newest(r.Context(), name); err != nil {
			return err
		}
		if err := conditions.hold(before); err != nil {
			return err
		}
	}
	result, err := o.publishObject(r.Context(), u, key.ID, session, batch, file)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if before != nil {
		status = http.StatusOK
	}
	w.Header().Set("ETag", etag(result.Root))
	result.announce(w.Header())
	return writeJSON(w, status, result)
}

var conditionsNone = conditions{}

// covering is how many bytes a grant must cover for an object of a size: nodes
// and manifest are less than a hundredth of it, and a little; edges count slices
// again that were sent again.
func covering(size int64) int64 { return size + size/8 + 64<<20 }

// incoming is a request's body that was let in.
type incoming struct {
	origin *Origin
	body   *body
	size   int64 // as announced, 0 when it was not
	known  bool
	digest wanted
	kind   string
	leave  func()
}

// accept checks what a request says about its body and takes room for it.
func (o *Origin) accept(w http.ResponseWriter, r *http.Request, key *apikey.Key, namespace, path string) (*incoming, error) {
	if r.Header.Get("Content-Range") != "" { // RFC 9110, section 14.5
		return nil, httperr.New(http.StatusBadRequest, "content-range", "a PUT brings the whole object; use /v1/uploads to send it in pieces")
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return nil, httperr.New(http.StatusUnsupportedMediaType, "content-encoding", "send the object without content coding")
	}
	digest, err := parseDigests(r.Header)
	if err != nil {
		return nil, err
	}
	kind, err := mediaType(r.Header.Get("Content-Type"), path)
	if err != nil {
		return nil, err
	}
	if r.ContentLength > o.config().MaxUpload {
		return nil, tooLarge(o.config().MaxUpload)
	}
	leave, err := o.enter(key)
	if err != nil {
		return nil, err
	}
	size := max(r.ContentLength, 0)
	room, err := o.ledger.reserve(key.ID, key.MaxBytes, namespace, o.config().NamespaceLimit, size)
	if err != nil {
		leave()
		o.counters.Refused.Add(1)
		return nil, err
	}
	return &incoming{
		origin: o, body: o.newBody(w, r, o.config().MaxUpload, room, size), size: size, known: r.ContentLength >= 0, digest: digest, kind: kind,
		leave: func() {
			room.release()
			leave()
		},
	}, nil
}

// expected is what a grant is first asked for; it grows when more comes.
func (in *incoming) expected() int64 {
	if in.known {
		return in.size
	}
	return 256 << 20
}

func (in *incoming) close() { in.leave() }

// importInto cuts the body while it arrives, and returns the file when its last
// slice is on its way and its digest agrees.
func (in *incoming) importInto(ctx context.Context, session *pipeline.Session, batch *pipeline.Batch) (sds.Object, error) {
	more := in.digest.hasher()
	splitter := sds.NewSplitter(session.Sink(batch))
	if err := pour(ctx, in.body, splitter, more); err != nil {
		return sds.Object{}, err
	}
	built, err := splitter.Finish(ctx)
	if err != nil {
		return sds.Object{}, err
	}
	if err := in.digest.check(built.SHA256, more); err != nil {
		return sds.Object{}, err
	}
	return sds.Object{CID: built.Root, Size: built.Size, SHA256: built.SHA256, Type: in.kind, First: built.First}, nil
}

// pour cuts all of a stream. A body's own error comes out of it as it is: it
// says more than what it led to.
func pour(ctx context.Context, from io.Reader, splitter *sds.Splitter, more hash.Hash) error {
	if more != nil {
		from = io.TeeReader(from, more)
	}
	return splitter.ReadAll(ctx, from)
}

// mediaType is what the client says, or what the name says. The type that curl
// puts on any body says nothing.
func mediaType(field, path string) (string, error) {
	if field == "" || field == "application/x-www-form-urlencoded" || field == "application/offset+octet-stream" {
		return sds.MediaType(path), nil
	}
	kind, parameters, err := mime.ParseMediaType(field)
	if err == nil {
		field = mime.FormatMediaType(kind, parameters)
	}
	if err != nil || field == "" || len(field) > 255 {
		return "", httperr.New(http.StatusBadRequest, "content-type", "Content-Type is no media type")
	}
	return field, nil
}
