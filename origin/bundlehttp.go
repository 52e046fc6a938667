package origin

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/apikey"
	"github.com/stratos-mesh/stratos/origin/pipeline"
)

// bundleView is a bundle as clients see it.
type bundleView struct {
	ID      string    `json:"id"`
	Name    meta.Name `json:"name"`
	State   string    `json:"state"` // open or published
	Objects int       `json:"objects"`
	Size    int64     `json:"size"`
	Expires time.Time `json:"expires"`
	// Files that are done, in byte order of their paths, from after the cursor.
	Files []fileView `json:"files"`
	Dirs  []string   `json:"dirs,omitempty"`
	// Next is the cursor of the next page of files; empty at the end.
	Next   string  `json:"next,omitempty"`
	Result *Result `json:"result,omitempty"`
}

type fileView struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Type   string `json:"type,omitempty"`
}

// serveBundles answers /v1/bundles and below.
func (o *Origin) serveBundles(w http.ResponseWriter, r *http.Request, rest string) error {
	if rest == "" {
		if r.Method != http.MethodPost {
			return methodNotAllowed(w, "POST")
		}
		return o.postBundle(w, r)
	}
	id, rest, _ := strings.Cut(rest, "/")
	key, err := o.authorize(w, r, apikey.Write, "")
	if err != nil {
		return err
	}
	b := o.bundles.get(id)
	if b == nil || b.info.Asset != "" || !key.May(apikey.Write, b.info.Name.Namespace()) {
		return errNoBundle() // who may not use it need not know of it
	}
	what, path, _ := strings.Cut(rest, "/")
	switch {
	case rest == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		return o.getBundle(w, r, b)
	case rest == "" && r.Method == http.MethodDelete:
		if err := o.bundles.remove(b); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	case rest == "":
		return methodNotAllowed(w, "GET, HEAD, DELETE")
	case rest == "publish":
		if r.Method != http.MethodPost {
			return methodNotAllowed(w, "POST")
		}
		return o.publishBundle(w, r, b)
	case what == "files" || what == "dirs":
		if r.Method != http.MethodPut {
			return methodNotAllowed(w, "PUT")
		}
		if path, err = bundlePath(path); err != nil {
			return err
		}
		if what == "dirs" {
			if err := b.addDir(r.Context(), path); err != nil {
				return err
			}
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return o.putBundleFile(w, r, key, b, path)
	}
	return httperr.New(http.StatusNotFound, "not-found", "a bundle has files/, dirs/ and publish")
}

// postBundle makes a bundle for a name.
func (o *Origin) postBundle(w http.ResponseWriter, r *http.Request) error {
	var ask struct {
		Name string `json:"name"`
		// Resume asks for an unpublished bundle of this key and name, if there is one.
		Resume bool `json:"resume"`
		// HLS says that the files are a ladder; its playlists get digests.
		HLS bool `json:"hls"`
	}
	d := json.NewDecoder(io.LimitReader(r.Body, 64<<10))
	d.DisallowUnknownFields()
	key, err := o.authorize(w, r, apikey.Write, "")
	if err != nil {
		return err
	}
	if err := d.Decode(&ask); err != nil {
		return httperr.New(http.StatusBadRequest, "json", `send {"name": "namespace/path"}`)
	}
	name, err := meta.ParseName(ask.Name)
	if err != nil {
		return err
	}
	if err := allow(key, apikey.Write, name.Namespace()); err != nil {
		return err
	}
	b, made, err := o.bundles.create(name, key.ID, ask.Resume, ask.HLS)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if made {
		status = http.StatusCreated
	}
	w.Header().Set("Location", "/v1/bundles/"+b.id)
	return writeJSON(w, status, b.view("", 0))
}

// maxBundlePage is the most files in one answer.
const maxBundlePage = 10_000

// getBundle tells which files are done, so that a client goes on with the rest.
func (o *Origin) getBundle(w http.ResponseWriter, r *http.Request, b *bundle) error {
	query, limit := r.URL.Query(), 1000
	if text := query.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxBundlePage {
			return httperr.New(http.StatusBadRequest, "query", "limit is 1 to "+strconv.Itoa(maxBundlePage))
		}
	}
	return writeJSON(w, http.StatusOK, b.view(query.Get("cursor"), limit))
}

// view is the bundle with at most limit files after cursor.
func (b *bundle) view(cursor string, limit int) *bundleView {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := &bundleView{
		ID: b.id, Name: b.info.Name, State: "open", Objects: len(b.files), Size: b.bytes,
		Expires: b.used.Add(b.origin.config().Expire).UTC().Truncate(time.Second), Files: []fileView{}, Result: b.info.Result,
	}
	if v.Result != nil {
		v.State = "published"
	}
	if limit == 0 {
		return v
	}
	if cursor == "" {
		v.Dirs = slices.Sorted(maps.Keys(b.dirs))
	}
	for _, path := range slices.Sorted(maps.Keys(b.files)) {
		if path <= cursor {
			continue
		}
		if len(v.Files) == limit {
			v.Next = v.Files[limit-1].Path
			break
		}
		f := b.files[path]
		v.Files = append(v.Files, fileView{Path: path, Size: f.Size, SHA256: f.SHA256, Type: f.Type})
	}
	return v
}

// putBundleFile takes one file in, whole.
func (o *Origin) putBundleFile(w http.ResponseWriter, r *http.Request, key *apikey.Key, b *bundle, path string) error {
	if err := b.admits(path); err != nil {
		return err
	}
	in, err := o.accept(w, r, key, b.info.Name.Namespace(), path)
	if err != nil {
		return err
	}
	defer in.close()
	session, err := b.session(r.Context())
	if err != nil {
		return err
	}
	batch := session.Batch(r.Context(), pipeline.Tally{})
	defer batch.Close()
	file, err := in.importInto(r.Context(), session, batch)
	if err != nil {
		return err
	}
	tally, err := batch.Wait()
	if err != nil {
		return err
	}
	file.Path = path
	if err := b.add(r.Context(), file, tally); err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, fileView{Path: path, Size: file.Size, SHA256: digest(file.SHA256), Type: file.Type})
}

// publishBundle moves the name to what was uploaded. The work goes on when the
// client goes away; asking again waits for it or returns the same result.
func (o *Origin) publishBundle(w http.ResponseWriter, r *http.Request, b *bundle) error {
	stop := (&tusRequest{control: http.NewResponseController(w)}).patience(r.Context())
	defer stop()
	type outcome struct {
		result *Result
		err    error
	}
	done := make(chan outcome, 1)
	o.tasks.Go(func() {
		result, err := b.publish(o.ctx)
		done <- outcome{result, err}
	})
	select {
	case got := <-done:
		if got.err != nil {
			return got.err
		}
		w.Header().Set("ETag", etag(got.result.Root))
		got.result.announce(w.Header())
		return writeJSON(w, http.StatusOK, got.result)
	case <-r.Context().Done():
		return context.Cause(r.Context())
	}
}
