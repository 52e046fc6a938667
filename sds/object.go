package sds

import (
	"crypto/sha256"
	"fmt"
)

// An Object is one file as a manifest lists it.
type Object struct {
	// Path inside the bundle; empty for a loose object.
	Path string
	// CID is the object's own root.
	CID CID
	// Size in bytes.
	Size int64
	// SHA256 of the content, as in Repr-Digest.
	SHA256 [sha256.Size]byte
	// Type is the media type, with parameters.
	Type string
	// First names the first slice: what a player or a probe asks for first.
	First CID
}

// maxType bounds a media type in bytes.
const maxType = 255

// check sees to it that the fields agree with each other and keep their bounds.
func (o *Object) check() error {
	if o.Path != "" {
		clean, err := CleanPath(o.Path)
		if err != nil {
			return err
		}
		if clean != o.Path {
			return fmt.Errorf("path %.80q: %w: not in normal form C", o.Path, ErrMalformed)
		}
	}
	if err := o.checkContent(); err != nil {
		return fmt.Errorf("object %.80q: %w: %w", o.Path, ErrMalformed, err)
	}
	return nil
}

func (o *Object) checkContent() error {
	switch {
	case !o.CID.Defined():
		return fmt.Errorf("no CID")
	case o.Size < 0 || o.Size > maxFileSize:
		return fmt.Errorf("size %d", o.Size)
	case o.First.Codec != Raw:
		return fmt.Errorf("first slice %q, want a raw block", o.First)
	case o.CID.Codec == Raw && (o.Size > MaxBlockSize || o.First != o.CID || o.SHA256 != o.CID.Digest):
		return fmt.Errorf("one slice %s, but %d bytes, first slice %s, digest %x", o.CID, o.Size, o.First, o.SHA256)
	case len(o.Type) == 0 || len(o.Type) > maxType:
		return fmt.Errorf("media type of %d bytes, want 1 to %d", len(o.Type), maxType)
	}
	for i := range len(o.Type) {
		if c := o.Type[i]; c < ' ' || c > '~' {
			return fmt.Errorf("media type %q", o.Type)
		}
	}
	return nil
}

// hasDigest tells a described object from an outlined one.
func (o *Object) hasDigest() bool { return o.SHA256 != [sha256.Size]byte{} }

// complete fills what the other fields say already.
func (o Object) complete() Object {
	if o.Type == "" {
		o.Type = MediaType(o.Path)
	}
	if o.CID.Codec == Raw {
		o.First, o.SHA256 = o.CID, o.CID.Digest
	}
	return o
}
