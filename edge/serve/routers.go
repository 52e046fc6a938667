package serve

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/edge/peers"
)

// Routers finds a router that answers.
type Routers struct {
	peers *peers.Table
	http  *http.Client
	// good and bad are how long an answer is believed; patience how long a
	// router may take.
	good, bad, patience time.Duration

	mu      sync.Mutex // guards following
	base    string
	until   time.Time
	probing chan struct{}
}

// NewRouters asks the routers of the network, each within 2 s.
func NewRouters(table *peers.Table, client *http.Client) *Routers {
	return &Routers{peers: table, http: client, good: 5 * time.Second, bad: time.Second, patience: 2 * time.Second}
}

// Pick returns the base URL of a router that answered within the last seconds.
// The nil Routers knows none.
func (r *Routers) Pick(ctx context.Context) (string, bool) {
	if r == nil {
		return "", false
	}
	for {
		r.mu.Lock()
		if time.Now().Before(r.until) {
			defer r.mu.Unlock()
			return r.base, r.base != ""
		}
		probing := r.probing
		if probing == nil {
			probing = make(chan struct{})
			r.probing = probing
			go r.probe(probing) // ends after patience
		}
		r.mu.Unlock()
		select {
		case <-probing:
		case <-ctx.Done():
			return "", false
		}
	}
}

// probe asks all routers at once and takes the first that answers.
func (r *Routers) probe(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), r.patience)
	defer cancel()
	bases := r.peers.Now().Routers
	bases = bases[:min(len(bases), 8)]
	answers := make(chan string, len(bases))
	for _, base := range bases {
		go func() { // ends with ctx
			if r.alive(ctx, base) {
				answers <- strings.TrimSuffix(base, "/")
				return
			}
			answers <- ""
		}()
	}
	found := ""
	for range bases {
		if found = <-answers; found != "" {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.base, r.until = found, time.Now().Add(r.bad)
	if found != "" {
		r.until = time.Now().Add(r.good)
	}
	r.probing = nil
	close(done)
}

func (r *Routers) alive(ctx context.Context, base string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+"/healthz", nil)
	if err != nil {
		return false
	}
	response, err := r.http.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, 4096)
	return response.StatusCode < 500
}
