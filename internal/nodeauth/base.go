package nodeauth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// prefix of the header fields that must be covered when they are there.
const prefix = "Stratos-"

// components of a request in the order in which Sign covers them.
func components(r *http.Request) []string {
	names := []string{"@method", "@authority", "@path", "@query"}
	if len(r.Header["Content-Digest"]) > 0 {
		names = append(names, "content-digest")
	}
	var own []string
	for name := range r.Header {
		if strings.HasPrefix(name, prefix) {
			own = append(own, strings.ToLower(name))
		}
	}
	slices.Sort(own)
	return append(names, own...)
}

// base is the signature base of RFC 9421 section 2.5. A component with
// parameters never gets here, so a name is its own identifier.
func base(r *http.Request, names []string, params string) ([]byte, error) {
	var b strings.Builder
	b.Grow(512)
	for _, name := range names {
		value, err := component(r, name)
		if err != nil {
			return nil, err
		}
		b.WriteString(`"` + name + `": ` + value + "\n")
	}
	b.WriteString(`"@signature-params": ` + params)
	return []byte(b.String()), nil
}

func component(r *http.Request, name string) (string, error) {
	switch name {
	case "@method":
		return r.Method, nil
	case "@authority":
		return authority(r), nil
	case "@path":
		// The escaped form: two URLs that differ must not sign alike, and a
		// decoded line break would be a line of the base.
		if path := r.URL.EscapedPath(); path != "" {
			return path, nil
		}
		return "/", nil
	case "@query":
		return "?" + r.URL.RawQuery, nil
	}
	if name != "content-digest" && !strings.HasPrefix(name, strings.ToLower(prefix)) {
		return "", fmt.Errorf("%w: component %q is not of our profile", ErrUnsigned, name)
	}
	values := r.Header.Values(name)
	if len(values) != 1 {
		return "", fmt.Errorf("%w: want one field %s, got %d", ErrUnsigned, name, len(values))
	}
	return strings.TrimSpace(values[0]), nil
}

// authority is normalised as in RFC 9421 section 2.2.3. Behind a proxy that
// ends TLS the scheme is lost, so both default ports are dropped on both ends.
func authority(r *http.Request) string {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	host = strings.ToLower(host)
	if h, ok := strings.CutSuffix(host, ":80"); ok {
		return h
	}
	return strings.TrimSuffix(host, ":443")
}
