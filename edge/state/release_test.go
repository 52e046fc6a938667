package state

import (
	"crypto/sha256"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

func TestReleaseEndsOnlyUploadsThatBroughtTheManifest(t *testing.T) {
	t.Parallel()
	s, err := Open(t.TempDir(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	block := func(name string) sds.CID { return sds.CID{Codec: sds.Raw, Digest: sha256.Sum256([]byte(name))} }
	unit, other := meta.UnitKey{1}, meta.UnitKey{2}
	for _, l := range []struct {
		upload byte
		unit   meta.UnitKey
		blocks []string
	}{
		{1, unit, []string{"slice", "manifest"}},
		{2, unit, []string{"slice", "of an upload under way"}},
		{3, other, []string{"elsewhere", "manifest"}},
	} {
		if err := s.PutLease(Lease{Upload: [16]byte{l.upload}, Unit: l.unit, Until: time.Unix(1, 0), Bytes: 5}); err != nil {
			t.Fatal(err)
		}
		for _, b := range l.blocks {
			if err := s.Leased([16]byte{l.upload}, block(b)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Release(unit, block("manifest")); err != nil {
		t.Fatal(err)
	}
	var left []byte
	if err := s.EachLeased(func(upload [16]byte, _ sds.CID) error {
		left = append(left, upload[0])
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if slices.Sort(left); !cmp.Equal(left, []byte{2, 2, 3, 3}) {
		t.Errorf("uploads with protected slices: %v, want 2 and 3 with two each", left)
	}
	leases, err := s.Leases()
	if err != nil || len(leases) != 3 || leases[0].Bytes != 5 {
		t.Errorf("leases %+v, %v: want all three with their bytes", leases, err)
	}
}
