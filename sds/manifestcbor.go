package sds

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// manifestVersion is the version of the encoding below.
const manifestVersion = 1

// A manifest is a CBOR map in core deterministic encoding (RFC 8949, 4.2.1)
// with integer keys; docs/formats/slices.md has the layout with an example.
// What follows from other fields is left out, so no two fields can disagree.
type manifestText struct {
	Version int          `cbor:"0,keyasint"`
	Profile string       `cbor:"1,keyasint"`
	Root    []byte       `cbor:"2,keyasint"`
	Objects []objectText `cbor:"3,keyasint,omitempty"`
	Dirs    []string     `cbor:"4,keyasint,omitempty"`
}

// objectText leaves digest and first slice out where the object is one slice.
type objectText struct {
	Path   string `cbor:"0,keyasint,omitempty"`
	CID    []byte `cbor:"1,keyasint"`
	Size   uint64 `cbor:"2,keyasint"`
	Type   string `cbor:"3,keyasint"`
	SHA256 []byte `cbor:"4,keyasint,omitempty"`
	First  []byte `cbor:"5,keyasint,omitempty"`
}

func (m *Manifest) marshal() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	text := manifestText{
		Version: manifestVersion, Profile: Profile, Root: m.Root.Bytes(),
		Objects: make([]objectText, len(m.Objects)), Dirs: m.Dirs,
	}
	for i, o := range m.Objects {
		t := objectText{Path: o.Path, CID: o.CID.Bytes(), Size: uint64(o.Size), Type: o.Type}
		if o.CID.Codec != Raw {
			if !o.hasDigest() {
				return nil, fmt.Errorf("object %.80q: %w: no digest", o.Path, ErrMalformed)
			}
			t.SHA256, t.First = o.SHA256[:], o.First.Bytes()
		}
		text.Objects[i] = t
	}
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	out, err := mode.Marshal(text)
	if err != nil {
		return nil, err
	}
	if len(out) > MaxManifestSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(out), MaxManifestSize)
	}
	return out, nil
}

// unmarshalManifest takes exactly the bytes that marshal makes.
func unmarshalManifest(text []byte) (*Manifest, error) {
	if len(text) > MaxManifestSize {
		return nil, fmt.Errorf("manifest of %d bytes: %w: at most %d", len(text), ErrTooLarge, MaxManifestSize)
	}
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:   4,
		MaxArrayElements:  maxObjects,
		MaxMapPairs:       16,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode()
	if err != nil {
		return nil, err
	}
	var parsed manifestText
	if err := mode.Unmarshal(text, &parsed); err != nil {
		return nil, fmt.Errorf("manifest of %d bytes: %w: %w", len(text), ErrMalformed, err)
	}
	m, err := parsed.manifest()
	if err != nil {
		return nil, err
	}
	again, err := m.marshal()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, text) {
		return nil, fmt.Errorf("manifest of %d bytes: %w: not the one encoding of its content", len(text), ErrMalformed)
	}
	return m, nil
}

func (t *manifestText) manifest() (*Manifest, error) {
	if t.Version != manifestVersion {
		return nil, fmt.Errorf("manifest: %w: version %d, want %d", ErrMalformed, t.Version, manifestVersion)
	}
	if t.Profile != Profile {
		return nil, fmt.Errorf("manifest: %w: profile %.80q, want %q", ErrMalformed, t.Profile, Profile)
	}
	root, err := ParseBytes(t.Root)
	if err != nil {
		return nil, fmt.Errorf("manifest: root: %w", err)
	}
	m := &Manifest{Root: root, Objects: make([]Object, len(t.Objects)), Dirs: t.Dirs}
	for i, o := range t.Objects {
		if m.Objects[i], err = o.object(); err != nil {
			return nil, fmt.Errorf("manifest: object %d, %.80q: %w", i, o.Path, err)
		}
	}
	return m, nil
}

func (t *objectText) object() (Object, error) {
	cid, err := ParseBytes(t.CID)
	if err != nil {
		return Object{}, err
	}
	if t.Size > maxFileSize {
		return Object{}, fmt.Errorf("%w: size %d", ErrMalformed, t.Size)
	}
	o := Object{Path: t.Path, CID: cid, Size: int64(t.Size), Type: t.Type}
	if cid.Codec == Raw {
		o.First, o.SHA256 = cid, cid.Digest
		return o, nil
	}
	if copy(o.SHA256[:], t.SHA256) != len(t.SHA256) || len(t.SHA256) != len(o.SHA256) {
		return Object{}, fmt.Errorf("%w: digest of %d bytes", ErrMalformed, len(t.SHA256))
	}
	o.First, err = ParseBytes(t.First)
	return o, err
}
