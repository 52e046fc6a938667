package serve

import (
	"net/http"

	"github.com/stratos-mesh/stratos/internal/httperr"
)

// allowed methods of every door for viewers.
const allowed = "GET, HEAD, OPTIONS"

// otherMethod answers OPTIONS, a preflight or not, and refuses the rest.
func (h *Handler) otherMethod(w http.ResponseWriter, r *http.Request) error {
	header := w.Header()
	header.Set("Allow", allowed)
	if r.Method != http.MethodOptions {
		return httperr.New(http.StatusMethodNotAllowed, "method", "an edge answers GET, HEAD and OPTIONS here")
	}
	openHeader(header)
	header.Set("Access-Control-Allow-Methods", allowed)
	header.Set("Access-Control-Allow-Headers", "Range, If-Range, If-None-Match, If-Match, Cache-Control")
	header.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
	h.Counters.Count(ClassNone, http.StatusNoContent)
	return nil
}
