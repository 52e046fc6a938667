package meta

import "time"

// Grant is a meta node's leave to write the slices of one upload to the edges
// it names. It travels with every write, so edges need not ask.
type Grant struct {
	Authority uint16
	// Upload under which the slices are leased until a name is published.
	Upload [16]byte
	Unit   UnitKey
	// Edges in the order in which they are written.
	Edges []EdgeID
	// MaxBytes that one edge stores under this upload.
	MaxBytes int64
	// Until is when grant and lease end.
	Until     time.Time
	Signature [64]byte
}
