// Package car writes and reads blocks one after the other: content-addressable
// archives, CARv1 (https://ipld.io/specs/transport/car/carv1/).
//
// An edge answers `?format=nodes` with one, and whoever knows a root can check
// every byte that came against it. Both ends are here.
package car

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"

	"github.com/stratos-mesh/stratos/sds"
)

// MediaType of an archive whose blocks come in depth-first order, a node that
// several parents share only once (IPIP-412).
const MediaType = "application/vnd.ipld.car; version=1; order=dfs; dups=n"

// header is a CBOR map; a root is the binary CID behind a zero byte, tag 42.
type header struct {
	Roots   []cbor.Tag `cbor:"roots"`
	Version uint64     `cbor:"version"`
}

const (
	linkTag   = 42
	cidLength = 36
	// maxHeader is room for a hundred roots.
	maxHeader = 4 << 10
)

// Writer writes an archive.
type Writer struct{ w io.Writer }

// NewWriter begins an archive that names one root.
func NewWriter(w io.Writer, root sds.CID) (*Writer, error) {
	mode, err := cbor.EncOptions{Sort: cbor.SortLengthFirst}.EncMode()
	if err != nil {
		return nil, err
	}
	text, err := mode.Marshal(header{Version: 1, Roots: []cbor.Tag{{Number: linkTag, Content: append([]byte{0}, root.Bytes()...)}}})
	if err != nil {
		return nil, fmt.Errorf("archive's header: %w", err)
	}
	if _, err := w.Write(append(binary.AppendUvarint(nil, uint64(len(text))), text...)); err != nil {
		return nil, err
	}
	return &Writer{w}, nil
}

// Block adds a block, of which the caller knows that it is what cid names.
func (w *Writer) Block(cid sds.CID, block []byte) error {
	head := append(binary.AppendUvarint(nil, uint64(cidLength+len(block))), cid.Bytes()...)
	if _, err := w.w.Write(head); err != nil {
		return err
	}
	_, err := w.w.Write(block)
	return err
}

// Reader reads an archive that somebody else wrote.
type Reader struct{ r *bufio.Reader }

// NewReader reads an archive's header. The roots that it names are whatever its
// writer liked, so nobody is told.
func NewReader(r io.Reader) (*Reader, error) {
	in := bufio.NewReader(r)
	text, err := section(in, maxHeader)
	if err != nil {
		return nil, fmt.Errorf("archive's header: %w", err)
	}
	var h header
	if err := cbor.Unmarshal(text, &h); err != nil {
		return nil, fmt.Errorf("archive's header: %w: %w", sds.ErrMalformed, err)
	}
	if h.Version != 1 {
		return nil, fmt.Errorf("archive of version %d: %w: want 1", h.Version, sds.ErrMalformed)
	}
	return &Reader{in}, nil
}

// Next returns a block whose bytes are what its name says, and io.EOF behind
// the last one. Other bytes are ErrCorrupt.
func (r *Reader) Next() (sds.CID, []byte, error) {
	text, err := section(r.r, cidLength+sds.MaxBlockSize)
	if errors.Is(err, io.EOF) { // only when nothing began
		return sds.CID{}, nil, io.EOF
	}
	if err != nil {
		return sds.CID{}, nil, fmt.Errorf("archive: %w", err)
	}
	if len(text) < cidLength {
		return sds.CID{}, nil, fmt.Errorf("archive: a section of %d bytes: %w", len(text), sds.ErrMalformed)
	}
	cid, err := sds.ParseBytes(text[:cidLength])
	if err != nil {
		return sds.CID{}, nil, fmt.Errorf("archive: %w", err)
	}
	block := text[cidLength:]
	if sds.Sum(cid.Codec, block) != cid {
		return sds.CID{}, nil, fmt.Errorf("archive: block %s: %w", cid, sds.ErrCorrupt)
	}
	return cid, block, nil
}

// All reads the blocks that are left, by their names.
func (r *Reader) All() (map[sds.CID][]byte, error) {
	blocks := make(map[sds.CID][]byte)
	for {
		cid, block, err := r.Next()
		if errors.Is(err, io.EOF) {
			return blocks, nil
		}
		if err != nil {
			return nil, err
		}
		blocks[cid] = block
	}
}

// section reads a length and that many bytes. Its memory grows with what comes,
// not with what the length says.
func section(r *bufio.Reader, most uint64) ([]byte, error) {
	length, err := binary.ReadUvarint(r)
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", sds.ErrMalformed, err)
	}
	if length > most {
		return nil, fmt.Errorf("a section of %d bytes: %w: at most %d", length, sds.ErrTooLarge, most)
	}
	var text bytes.Buffer
	n, err := io.Copy(&text, io.LimitReader(r, int64(length)))
	if err == nil && n < int64(length) {
		err = io.ErrUnexpectedEOF
	}
	return text.Bytes(), err
}
