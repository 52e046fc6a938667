package meta

import (
	"fmt"
	"strings"

	"github.com/stratos-mesh/stratos/sds"
)

// Bounds of a name, and of what stands between its slashes, in bytes.
const (
	MaxName      = 1024
	MaxComponent = sds.MaxComponent
)

// ParseName checks a name and brings it into Unicode form NFC. The namespace is
// 3 to 63 of a-z, 0-9 and -, not beginning with - and not reserved; the path
// keeps the rules of paths inside bundles (sds.CleanPath). Whatever breaks this
// is ErrInvalid, and the error says how.
//
// That no name lies above another is a matter of all names: the index sees to
// it.
func ParseName(text string) (Name, error) {
	namespace, path, found := strings.Cut(text, "/")
	if err := CheckNamespace(namespace); err != nil {
		return "", err
	}
	if !found || path == "" {
		return "", fmt.Errorf("name %.80q: %w: a path must follow the namespace, as in %s/file", text, ErrInvalid, namespace)
	}
	path, err := sds.CleanPath(path)
	if err != nil {
		return "", fmt.Errorf("name %.80q: %w: %w", text, ErrInvalid, err)
	}
	name := Name(namespace + "/" + path)
	if len(name) > MaxName {
		return "", fmt.Errorf("name %.80q: %w: %d bytes, at most %d", text, ErrInvalid, len(name), MaxName)
	}
	return name, nil
}

// CheckNamespace tells whether a namespace may be claimed.
func CheckNamespace(namespace string) error {
	if len(namespace) < 3 || len(namespace) > 63 {
		return fmt.Errorf("namespace %.80q: %w: 3 to 63 characters", namespace, ErrInvalid)
	}
	for i := range len(namespace) {
		c := namespace[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (c != '-' || i == 0) {
			return fmt.Errorf("namespace %.80q: %w: only a-z, 0-9 and -, not beginning with -", namespace, ErrInvalid)
		}
	}
	switch namespace {
	case "api", "assets", "dashboard", "embed", "healthz", "ipfs", "ipns", "metrics", "oembed", "readyz", "slices",
		"static", "status", "upload", "watch", "well-known", "www":
		return fmt.Errorf("namespace %q: %w: reserved", namespace, ErrInvalid)
	}
	return nil
}

// Namespace is the part before the first slash.
func (n Name) Namespace() string {
	namespace, _, _ := strings.Cut(string(n), "/")
	return namespace
}

// Path is the part behind the namespace.
func (n Name) Path() string {
	_, path, _ := strings.Cut(string(n), "/")
	return path
}

// Ancestors are the names that would lie above n, shortest first.
func (n Name) Ancestors() []Name {
	var out []Name
	from := len(n.Namespace()) + 1
	for i := from; i < len(n); i++ {
		if n[i] == '/' {
			out = append(out, n[:i])
		}
	}
	return out
}
