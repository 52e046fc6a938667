package issue

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/stratos-mesh/stratos/receipt"
)

// errTorn: a frame that is not whole.
var errTorn = errors.New("torn frame")

type frames struct{ in *bufio.Reader }

func newFrames(r io.Reader) frames { return frames{bufio.NewReaderSize(r, 1<<20)} }

// next returns a frame with its head, io.EOF at the end, or errTorn.
func (f frames) next() ([]byte, error) {
	head := make([]byte, frameHead)
	if n, err := io.ReadFull(f.in, head); err != nil {
		if n > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errTorn
		}
		return nil, err
	}
	length := binary.BigEndian.Uint32(head)
	if length > receipt.MaxTicketSize {
		return nil, errTorn
	}
	b := append(head, make([]byte, length)...)
	if _, err := io.ReadFull(f.in, b[frameHead:]); err != nil {
		return nil, errTorn
	}
	if crc32.Checksum(b[8:], castagnoli()) != binary.BigEndian.Uint32(b[4:]) {
		return nil, errTorn
	}
	return b, nil
}
