package router

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
)

// maxPath bounds what is looked up: a name and a path inside its bundle.
const maxPath = 4096

// cleanPath checks the path of a canonical URL, without the leading slash, as it
// stands in the request and decoded. It returns the path in Unicode form NFC and
// keeps one slash at the end, which asks for a directory's index.
func cleanPath(escaped, path string) (string, error) {
	bad := func(why string) error { return httperr.New(http.StatusBadRequest, "bad-path", why) }
	switch {
	case len(path) > maxPath:
		return "", bad("the path is longer than 4,096 bytes")
	case !utf8.ValidString(path):
		return "", bad("the path is not UTF-8")
	case strings.Contains(strings.ToLower(escaped), "%2f"):
		return "", bad("an escaped slash is no part of a name")
	}
	path = norm.NFC.String(path)
	if len(path) > maxPath { // composing may lengthen
		return "", bad("the path is longer than 4,096 bytes")
	}
	namespace, rest, found := strings.Cut(path, "/")
	if err := meta.CheckNamespace(namespace); err != nil {
		return "", httperr.Wrap(err, http.StatusNotFound, "not-found", "no namespace can have this name")
	}
	if !found || rest == "" {
		return "", httperr.New(http.StatusNotFound, "not-found", "a path must follow the namespace")
	}
	for component := range strings.SplitSeq(strings.TrimSuffix(rest, "/"), "/") {
		switch {
		case component == "":
			return "", bad("a component of the path is empty")
		case component == "." || component == "..":
			return "", bad("a component of the path is " + component)
		case len(component) > meta.MaxComponent:
			return "", bad("a component of the path is longer than 255 bytes")
		case strings.ContainsFunc(component, unicode.IsControl):
			return "", bad("the path has a control character")
		}
	}
	return path, nil
}

// passedOn are the parameters of a canonical URL that mean something to an
// edge. The others end here: they must not become part of anybody's cache key.
var passedOn = [...]string{"format", "CMCD"}

const maxPassedOn = 2048
