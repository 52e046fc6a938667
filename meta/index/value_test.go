package index

import (
	"bytes"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// What a view store gives back may have been changed there.
func FuzzDecodeName(f *testing.F) {
	n := Name{
		Record: meta.Record{
			Kind: meta.Bundle, Root: sds.Sum(sds.DagPB, nil), Manifest: sds.Sum(sds.Raw, nil), Size: 1, Objects: 1,
			Units: []meta.UnitKey{{1}}, Replicas: 3, Height: 9, Modified: time.Unix(1, 2).UTC(),
		},
		OwnerTime: time.Unix(3, 4).UTC(), Drawn: "acme/a", Random: [][16]byte{{7}}, Durable: []meta.EdgeID{1}, RenamedTo: "acme/b",
	}
	f.Add(n.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := decodeName("acme/a", b)
		if err == nil && !bytes.Equal(n.encode(), b) {
			t.Fatalf("%x decodes and encodes to %x", b, n.encode())
		}
	})
}
