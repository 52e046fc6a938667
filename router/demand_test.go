package router

import (
	"math"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

func TestDemandDecays(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	d := newDemand(func() time.Time { return now })
	key := meta.UnitKey{1}
	if bits, before := d.look(key); bits != 0 || before != 0 {
		t.Errorf("never asked for: got %g bit/s, %g requests", bits, before)
	}
	// Ten MB a second for ten minutes are 80 Mbit/s.
	var bits, before float64
	for range 600 {
		now = now.Add(time.Second)
		bits, before = d.add(key, 10e6)
	}
	if math.Abs(bits-80e6) > 1e6 || math.Abs(before-60) > 1 {
		t.Errorf("got %g bit/s and %g requests before, want 80e6 and 60", bits, before)
	}
	now = now.Add(10 * time.Minute)
	if bits, before = d.look(key); bits > 1e4 || before > 0.01 {
		t.Errorf("ten minutes later: got %g bit/s, %g requests", bits, before)
	}
	if bits, _ = d.add(meta.UnitKey{2}, math.MaxInt64); bits > demandCap {
		t.Errorf("one request for everything counts %g bit/s", bits)
	}
	if bits, _ = d.add(meta.UnitKey{3}, -5); bits != 0 {
		t.Errorf("a negative size counts %g bit/s", bits)
	}
}

func TestAHotUnitIsNotForgottenForManyColdOnes(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	d := newDemand(func() time.Time { return now })
	hot := meta.UnitKey{9}
	for range 50 {
		d.add(hot, 1e6)
	}
	for i := range 500_000 {
		d.add(meta.UnitKey{byte(i), byte(i >> 8), byte(i >> 16), 0, 0, 0, 0, 0, byte(i >> 11), byte(i >> 3), byte(i), 1, 2, byte(i >> 8), byte(i), 3}, 1)
	}
	if _, before := d.look(hot); before < 49 {
		t.Errorf("%g requests are left of 50", before)
	}
}
