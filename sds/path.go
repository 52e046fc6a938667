package sds

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of a path inside a bundle, in bytes of UTF-8.
const (
	MaxPath      = 1024
	MaxComponent = 255
)

// CleanPath checks a path inside a bundle and returns it in Unicode's normal
// form C, in which names are kept and compared. It neither begins nor ends with
// a slash. Empty components, ".", "..", control characters, an encoded slash
// (%2F), bytes that are not UTF-8 and too much of anything are ErrMalformed.
func CleanPath(path string) (string, error) {
	// The normal form may be shorter, never by more than a factor of 3.
	if len(path) > 3*MaxPath {
		return "", fmt.Errorf("path of %d bytes: %w: at most %d", len(path), ErrMalformed, MaxPath)
	}
	if !utf8.ValidString(path) {
		return "", fmt.Errorf("path %.80q: %w: not UTF-8", path, ErrMalformed)
	}
	clean := norm.NFC.String(path)
	if len(clean) > MaxPath {
		return "", fmt.Errorf("path %.80q…: %w: %d bytes, at most %d", clean, ErrMalformed, len(clean), MaxPath)
	}
	for component := range strings.SplitSeq(clean, "/") {
		if err := checkComponent(component); err != nil {
			return "", fmt.Errorf("path %.80q: %w: %w", path, ErrMalformed, err)
		}
	}
	return clean, nil
}

// checkComponent refuses what no entry of a directory may be called. The normal
// form is not its matter: a directory made elsewhere may hold both.
func checkComponent(name string) error {
	switch {
	case name == "":
		return errors.New("an empty component")
	case name == "." || name == "..":
		return fmt.Errorf("a component %q", name)
	case len(name) > MaxComponent:
		return fmt.Errorf("a component of %d bytes, at most %d", len(name), MaxComponent)
	case strings.Contains(name, "/"):
		return errors.New("a slash in a component")
	case strings.Contains(name, "%2F") || strings.Contains(name, "%2f"):
		return errors.New("an encoded slash")
	case !utf8.ValidString(name):
		return errors.New("a component that is not UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("a control character")
	}
	return nil
}
