package hls

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// Integrity is the one digest of a presentation: the SHA-256 over the sorted
// lines "<stable id> <digest>\n" of all media playlists that the multivariant
// playlist names. It stays the same when variants are copied to further pathways,
// moved, or get other URIs. A playlist without a stable id or digest, and an id
// that stands for two digests, are errors: they would not be covered.
func (m *Multivariant) Integrity() (Digest, error) {
	var lines []string
	digests := map[string]Digest{}
	add := func(line int, id string, d Digest) error {
		switch old, ok := digests[id]; {
		case !isStableID(id):
			return fail(line-1, "it has no stable id of letters, digits and +/=.-_: add STABLE-VARIANT-ID or STABLE-RENDITION-ID")
		case d.IsZero():
			return fail(line-1, "it has no attribute %s: add the digest of its media playlist", attrDigest)
		case !ok:
			digests[id] = d
			lines = append(lines, id+" "+d.String()+"\n")
		case old != d:
			return fail(line-1, "the stable id %.60q stands for another digest above: give each media playlist an id of its own", id)
		}
		return nil
	}
	for _, v := range slices.Concat(m.Variants, m.IFrames) {
		if err := add(v.Line, v.StableID, v.Digest); err != nil {
			return Digest{}, err
		}
	}
	for _, r := range m.Renditions {
		if r.URI == "" {
			continue
		}
		if err := add(r.Line, r.StableID, r.Digest); err != nil {
			return Digest{}, err
		}
	}
	slices.Sort(lines)
	return sha256.Sum256([]byte(strings.Join(lines, ""))), nil
}

// FormatIntegrity writes a digest as pages pin it, as Subresource Integrity does:
// sha256- and base64.
func FormatIntegrity(d Digest) string { return "sha256-" + base64.StdEncoding.EncodeToString(d[:]) }

// ParseIntegrity reads what FormatIntegrity wrote.
func ParseIntegrity(text string) (Digest, error) {
	encoded, ok := strings.CutPrefix(text, "sha256-")
	b, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(b) != sha256.Size || len(encoded) != base64.StdEncoding.EncodedLen(sha256.Size) {
		return Digest{}, fmt.Errorf("hls: %.80q is no integrity: want sha256- and 44 characters of base64", text)
	}
	return Digest(b), nil
}
