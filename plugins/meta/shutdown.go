package caddymeta

import (
	"context"
	"net/http"
	"sync"
)

// shutdown ends calls that only wait as soon as the server that they came
// through begins to shut down: a graceful end waits for all requests, and these
// would have it wait for half a minute.
type shutdown struct {
	mu      sync.Mutex // guards servers
	servers map[*http.Server]context.Context
}

// ends returns the request with a context that also ends with its server, and a
// function to be called after it.
func (s *shutdown) ends(r *http.Request) (*http.Request, func()) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok { // HTTP/3, whose server does not tell
		return r, func() {}
	}
	ctx, cancel := context.WithCancel(r.Context())
	forget := context.AfterFunc(s.of(server), cancel)
	return r.WithContext(ctx), func() { forget(); cancel() }
}

// of is a context that ends when the server begins to shut down.
func (s *shutdown) of(server *http.Server) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx, known := s.servers[server]; known {
		return ctx
	}
	ctx, cancel := context.WithCancel(context.Background())
	server.RegisterOnShutdown(cancel)
	if s.servers == nil {
		s.servers = make(map[*http.Server]context.Context)
	}
	s.servers[server] = ctx
	return ctx
}
