package origin

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/origin/apikey"
)

// gate bounds what each key does at a time and in a minute.
type gate struct {
	now func() time.Time

	mu   sync.Mutex // guards keys
	keys map[string]*usage
}

// usage of one key.
type usage struct {
	uploads  int
	window   time.Time // when the current minute began
	requests int
}

func newGate(now func() time.Time) *gate { return &gate{now: now, keys: map[string]*usage{}} }

// of returns a key's usage; mu is held.
func (g *gate) of(id string) *usage {
	u := g.keys[id]
	if u == nil {
		u = &usage{}
		g.keys[id] = u
	}
	return u
}

// pass counts a request, tells in the RateLimit fields what is left, and
// refuses one more than limit; 0 is none.
func (g *gate) pass(h http.Header, key *apikey.Key, limit int) error {
	if limit == 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	u, now := g.of(key.ID), g.now()
	if now.Sub(u.window) >= time.Minute {
		u.window, u.requests = now, 0
	}
	reset := u.window.Add(time.Minute).Sub(now)
	refused := u.requests >= limit
	if !refused {
		u.requests++
	}
	seconds := int(reset.Seconds() + 0.999)
	h.Set("RateLimit-Policy", fmt.Sprintf(`"requests";q=%d;w=60`, limit))
	h.Set("RateLimit", fmt.Sprintf(`"requests";r=%d;t=%d`, limit-u.requests, seconds))
	if !refused {
		return nil
	}
	p := httperr.New(http.StatusTooManyRequests, "rate", fmt.Sprintf("this API key may make %d requests a minute", limit))
	p.RetryAfter = time.Duration(max(1, seconds)) * time.Second
	return p
}

// enter takes one of the key's limit places for an upload; leave gives it back.
func (g *gate) enter(key *apikey.Key, limit int) (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	u := g.of(key.ID)
	if u.uploads >= limit {
		p := httperr.New(http.StatusTooManyRequests, "uploads", fmt.Sprintf("this API key has %d uploads under way, the most it may have", limit))
		p.RetryAfter = retryLater
		return nil, p
	}
	u.uploads++
	var once sync.Once
	return func() {
		once.Do(func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			u.uploads--
		})
	}, nil
}
