package origin

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/apikey"
)

// listing is a page of names.
type listing struct {
	Names []*Result `json:"names"`
	// Next is the cursor of the next page; empty at the end.
	Next string `json:"next,omitempty"`
}

// serveList answers GET /v1/list/{prefix}: names that begin with the prefix, in
// byte order. A prefix without a whole namespace needs a key for all of them.
func (o *Origin) serveList(w http.ResponseWriter, r *http.Request, prefix string) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return methodNotAllowed(w, "GET, HEAD")
	}
	if len(prefix) > meta.MaxName {
		return badPath("the prefix is longer than a name")
	}
	namespace, _, whole := strings.Cut(prefix, "/")
	key, err := o.authorize(w, r, apikey.Read, "")
	if err != nil {
		return err
	}
	if whole {
		err = allow(key, apikey.Read, namespace)
	} else if meta.CheckNamespace(prefix) == nil && key.May(apikey.Read, prefix) {
		prefix += "/" // a whole namespace, and not others that begin like it
	} else {
		err = allow(key, apikey.Read, "-") // no namespace begins so: only * covers it
	}
	if err != nil {
		return err
	}
	query := r.URL.Query()
	limit := 0
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > 1000 {
			return httperr.New(http.StatusBadRequest, "query", "limit is 1 to 1000")
		}
	}
	page, err := o.config().Meta.List(r.Context(), prefix, query.Get("cursor"), limit)
	if err != nil {
		return err
	}
	out := listing{Names: make([]*Result, 0, len(page.Records)), Next: page.Next}
	for _, record := range page.Records {
		out.Names = append(out.Names, o.result(r.Context(), record))
	}
	return writeJSON(w, http.StatusOK, out)
}
