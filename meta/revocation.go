package meta

import (
	"time"

	"github.com/stratos-mesh/stratos/sds"
)

// Revocation orders every edge to stop serving a root, or objects, at once.
// Numbers grow by one, so a gap is seen.
type Revocation struct {
	Number    uint64
	Authority uint16
	// Root that is no longer served under any name.
	Root sds.CID
	// Objects of a ban: refused in whatever bundle they are wrapped.
	Objects   []sds.CID
	Reason    string
	Time      time.Time
	Signature [64]byte
}
