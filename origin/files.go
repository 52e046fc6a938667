package origin

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/apikey"
	"github.com/stratos-mesh/stratos/sds"
)

// serveFiles answers /v1/files/{namespace}/{path}.
func (o *Origin) serveFiles(w http.ResponseWriter, r *http.Request, path string) error {
	switch r.Method {
	case http.MethodPut:
		return o.putFile(w, r, path)
	case http.MethodGet, http.MethodHead:
		return o.getFile(w, r, path)
	case http.MethodDelete:
		return o.deleteFile(w, r, path)
	case http.MethodPost:
		return o.moveFile(w, r, path)
	}
	return methodNotAllowed(w, "GET, HEAD, PUT, POST, DELETE")
}

// getFile describes a name or a path inside a bundle, or sends its bytes.
func (o *Origin) getFile(w http.ResponseWriter, r *http.Request, path string) error {
	clean, err := meta.ParseName(strings.TrimSuffix(path, "/"))
	if err != nil {
		return err
	}
	if _, err := o.authorize(w, r, apikey.Read, clean.Namespace()); err != nil {
		return err
	}
	content, err := flag(r, "content")
	if err != nil {
		return err
	}
	found, err := o.config().Meta.Resolve(r.Context(), string(clean))
	if err != nil {
		return err
	}
	if content {
		return o.sendContent(w, r, found)
	}
	result, err := o.describe(r.Context(), found)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", etag(result.Root))
	return writeJSON(w, http.StatusOK, result)
}

// describe is the record with what the manifest adds. Where no edge answers
// with the manifest, a name's own description stays without it.
func (o *Origin) describe(ctx context.Context, found meta.Resolution) (*Result, error) {
	result := o.result(ctx, found.Record)
	result.Holders = found.Holders
	if found.Record.Kind == meta.Bundle && found.Rest == "" {
		return result, nil
	}
	object, err := o.object(ctx, found)
	if err != nil {
		if found.Rest == "" {
			result.Type = sds.MediaType(string(found.Record.Name))
			return result, nil
		}
		return nil, err
	}
	result.Path, result.Kind, result.Root, result.Manifest = found.Rest, "object", object.CID, sds.CID{}
	result.Size, result.Objects, result.Type, result.SHA256 = object.Size, 1, object.Type, digest(object.SHA256)
	if found.Rest != "" {
		result.URL = o.publicURL(ctx, string(found.Record.Name)+"/"+found.Rest)
	} else {
		result.Manifest = found.Record.Manifest
	}
	return result, nil
}

// object finds what a resolution names in the manifest of its root.
func (o *Origin) object(ctx context.Context, found meta.Resolution) (sds.Object, error) {
	blocks := o.writer.Getter(found.Holders)
	manifest, err := sds.LoadManifest(ctx, blocks, found.Record.Manifest, found.Record.Root)
	if err != nil {
		return sds.Object{}, unreadable(err)
	}
	object, ok := manifest.Find(found.Rest)
	if !ok {
		return sds.Object{}, httperr.New(http.StatusNotFound, "not-found", "the bundle "+string(found.Record.Name)+" has no file "+found.Rest)
	}
	return object, nil
}

// unreadable is content that no edge would give us now.
func unreadable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	p := httperr.New(http.StatusBadGateway, "unreadable", "no edge answered with the content")
	p.Err, p.RetryAfter = err, retryLater
	return p
}

// deleteFile takes a name away.
func (o *Origin) deleteFile(w http.ResponseWriter, r *http.Request, path string) error {
	name, err := meta.ParseName(path)
	if err != nil {
		return err
	}
	if _, err := o.authorize(w, r, apikey.Delete, name.Namespace()); err != nil {
		return err
	}
	now, err := flag(r, "now")
	if err != nil {
		return err
	}
	unlock, err := o.names.lock(r.Context(), string(name))
	if err != nil {
		return err
	}
	defer unlock()
	if c := parseConditions(r.Header); c != conditionsNone {
		record, err := o.newest(r.Context(), name)
		if err != nil {
			return err
		}
		if err := c.hold(record); err != nil {
			return err
		}
	}
	if err := o.removeName(r.Context(), name, now); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// removeName takes a name away; its lock is held.
func (o *Origin) removeName(ctx context.Context, name meta.Name, now bool) error {
	owner, chain, err := o.signer(ctx, name)
	if err != nil {
		return err
	}
	removal := meta.Removal{Name: name, Now: now, Time: o.stamp()}
	removal.Sign(owner, chain)
	if err := o.config().Meta.Remove(ctx, removal); err != nil {
		return err
	}
	o.ledger.removed(name)
	o.counters.Removed.Add(1)
	return nil
}

// moveFile gives a name's content another name: POST with ?move-to=.
func (o *Origin) moveFile(w http.ResponseWriter, r *http.Request, path string) error {
	from, err := meta.ParseName(path)
	if err != nil {
		return err
	}
	if _, err := o.authorize(w, r, apikey.Write, from.Namespace()); err != nil {
		return err
	}
	target := r.URL.Query().Get("move-to")
	if target == "" {
		return httperr.New(http.StatusBadRequest, "move-to", "say where to: POST /v1/files/{namespace}/{path}?move-to={namespace}/{path}")
	}
	to, err := meta.ParseName(target)
	if err != nil {
		return err
	}
	if from.Namespace() != to.Namespace() {
		return httperr.New(http.StatusBadRequest, "move-to", "a name moves inside its namespace, because each namespace has an owner key of its own")
	}
	unlock, err := o.names.lock(r.Context(), string(from))
	if err != nil {
		return err
	}
	defer unlock()
	owner, chain, err := o.signer(r.Context(), from)
	if err != nil {
		return err
	}
	rename := meta.Rename{From: from, To: to, Time: o.stamp()}
	rename.Sign(owner, chain)
	record, err := o.config().Meta.Rename(r.Context(), rename)
	if err != nil {
		return err
	}
	o.ledger.renamed(from, to)
	w.Header().Set("ETag", etag(record.Root))
	return writeJSON(w, http.StatusOK, o.result(r.Context(), record))
}

// flag reads a query parameter that is 1, 0 or not there.
func flag(r *http.Request, name string) (bool, error) {
	switch v := r.URL.Query().Get(name); v {
	case "", "0":
		return false, nil
	case "1":
		return true, nil
	default:
		return false, httperr.New(http.StatusBadRequest, "query", name+" is 1 or 0")
	}
}
