package disk

import (
	"encoding/binary"
	"fmt"

	"github.com/stratos-mesh/stratos/sds"
)

// Keys of the index: a letter, then what the letter says. An id is the digest
// followed by the codec, 33 bytes, so that the order of the keys is the order
// of the folders.
//
//	m id             the entry of a block, see below
//	v id             the bytes of a block without a file
//	u used id        nothing; one for each cached block, in order of last use
//	s                how far the scrubber is
//
// An entry is 22 bytes, numbers big endian:
//
//	0      version, 1
//	1      bit 0: pinned; bit 1: the bytes are under v
//	2-5    size
//	6-13   stored, seconds since 1970
//	14-21  last used, seconds since 1970
const (
	entryPrefix = 'm'
	valuePrefix = 'v'
	usedPrefix  = 'u'
	scrubPrefix = 's'

	idSize       = 33
	entrySize    = 22
	entryVersion = 1

	pinnedFlag = 1 << 0
	inlineFlag = 1 << 1
)

// entry is what the index knows of a block.
type entry struct {
	class  sds.Class
	inline bool
	size   int64
	stored int64
	used   int64
}

func (e entry) encode() []byte {
	b := make([]byte, entrySize)
	b[0] = entryVersion
	if e.class == sds.Pinned {
		b[1] |= pinnedFlag
	}
	if e.inline {
		b[1] |= inlineFlag
	}
	binary.BigEndian.PutUint32(b[2:], uint32(e.size))
	binary.BigEndian.PutUint64(b[6:], uint64(e.stored))
	binary.BigEndian.PutUint64(b[14:], uint64(e.used))
	return b
}

func decodeEntry(b []byte) (entry, error) {
	if len(b) != entrySize || b[0] != entryVersion || b[1]&^(pinnedFlag|inlineFlag) != 0 {
		return entry{}, fmt.Errorf("entry %x: %w: want %d bytes of version %d", b, sds.ErrMalformed, entrySize, entryVersion)
	}
	e := entry{
		inline: b[1]&inlineFlag != 0,
		size:   int64(binary.BigEndian.Uint32(b[2:])),
		stored: int64(binary.BigEndian.Uint64(b[6:])),
		used:   int64(binary.BigEndian.Uint64(b[14:])),
	}
	if b[1]&pinnedFlag != 0 {
		e.class = sds.Pinned
	}
	if e.size > sds.MaxBlockSize {
		return entry{}, fmt.Errorf("entry of %d bytes: %w: no block is so large", e.size, sds.ErrMalformed)
	}
	return e, nil
}

func appendID(b []byte, cid sds.CID) []byte {
	return append(append(b, cid.Digest[:]...), byte(cid.Codec))
}

func entryKey(cid sds.CID) []byte {
	return appendID(append(make([]byte, 0, 1+idSize), entryPrefix), cid)
}

func valueKey(cid sds.CID) []byte {
	return appendID(append(make([]byte, 0, 1+idSize), valuePrefix), cid)
}

func usedKey(used int64, cid sds.CID) []byte {
	b := append(make([]byte, 0, 1+8+idSize), usedPrefix)
	return appendID(binary.BigEndian.AppendUint64(b, uint64(used)), cid)
}

// idOf reads the id at the end of a key, whatever stands before it.
func idOf(key []byte) (sds.CID, error) {
	if len(key) < 1+idSize {
		return sds.CID{}, fmt.Errorf("key %x: %w: want %d bytes or more", key, sds.ErrMalformed, 1+idSize)
	}
	id := key[len(key)-idSize:]
	cid := sds.CID{Codec: sds.Codec(id[idSize-1])}
	copy(cid.Digest[:], id)
	if cid.Codec != sds.Raw && cid.Codec != sds.DagPB {
		return sds.CID{}, fmt.Errorf("key %x: %w: codec %#x", key, sds.ErrMalformed, byte(cid.Codec))
	}
	return cid, nil
}
