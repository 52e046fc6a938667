package origin

import (
	"io"
	"net/http"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
)

const (
	// maxUnread is the body up to which net/http itself looks after a refusal.
	maxUnread = 256 << 10
	// maxLinger and lingerFor bound what is read of a body after its refusal.
	maxLinger = 64 << 20
	lingerFor = 2 * time.Second
)

// refuse answers at once a request with a large body. Left alone, net/http reads
// a quarter of a MiB before it sends the head of an answer, because a server
// that wraps bodies hides from it how much is to come: who waits for the answer
// would wait for ever. After it, some more is read and thrown away, for an end of
// the connection while the client still writes may take the answer with it.
func refuse(w http.ResponseWriter, r *http.Request, p *httperr.Problem) {
	control := http.NewResponseController(w)
	if control.EnableFullDuplex() != nil {
		httperr.Write(w, r, p)
		return
	}
	w.Header().Set("Connection", "close")
	httperr.Write(w, r, p)
	if control.Flush() != nil {
		return
	}
	over := time.AfterFunc(lingerFor, func() { _ = control.SetReadDeadline(time.Now()) })
	defer over.Stop()
	_, _ = io.CopyN(io.Discard, r.Body, maxLinger)
}
