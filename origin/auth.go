package origin

import (
	"net/http"
	"strings"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/origin/apikey"
)

// authorize finds the request's key and checks that it may do scope in the
// namespace; an empty namespace asks for the scope alone. It counts the request
// against the key's rate.
func (o *Origin) authorize(w http.ResponseWriter, r *http.Request, scope apikey.Scope, namespace string) (*apikey.Key, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, httperr.New(http.StatusUnauthorized, "no-key", "send an API key: Authorization: Bearer KEY")
	}
	key := o.config().Keys.Find(strings.TrimSpace(token))
	if key == nil {
		return nil, httperr.New(http.StatusUnauthorized, "unknown-key", "this API key is unknown, removed or expired")
	}
	if err := o.gate.pass(w.Header(), key, or(key.RequestsPerMinute, o.config().RequestsPerMinute)); err != nil {
		o.counters.Refused.Add(1)
		return nil, err
	}
	return key, allow(key, scope, namespace)
}

// enter takes one of the key's places for an upload under way.
func (o *Origin) enter(key *apikey.Key) (leave func(), err error) {
	out, err := o.gate.enter(key, or(key.MaxUploads, o.config().MaxUploads))
	if err != nil {
		o.counters.Refused.Add(1)
		return nil, err
	}
	o.counters.Uploads.Add(1)
	return func() {
		out()
		o.counters.Uploads.Add(-1)
	}, nil
}

// allow checks scope and namespace of a key that is known already.
func allow(key *apikey.Key, scope apikey.Scope, namespace string) error {
	if !key.May(scope, "") {
		return httperr.New(http.StatusForbidden, "scope", "this API key lacks the scope "+string(scope))
	}
	if !key.May(scope, namespace) {
		return httperr.New(http.StatusForbidden, "namespace", "this API key may not use the namespace "+namespace)
	}
	return nil
}
