package serve

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/sds"
)

func cid(n byte) sds.CID { return sds.Sum(sds.Raw, []byte{n}) }

func TestSlicesUnderWayAreBoundedAndCountOnceHoweverManyViewers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlying(2 << 20)
		hold := func(n byte) func() {
			release, err := f.hold(t.Context(), cid(n), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			return release
		}
		first, again, second := hold(1), hold(1), hold(2)
		if f.used != 2<<20 || f.roomFor(1) {
			t.Errorf("%d bytes counted, want two slices", f.used)
		}
		// A third slice waits until one is released by all who hold it.
		done := make(chan time.Duration)
		begun := time.Now()
		go func() {
			hold(3)()
			done <- time.Since(begun)
		}()
		time.Sleep(time.Second)
		first()
		time.Sleep(time.Second)
		again()
		if waited := <-done; waited != 2*time.Second {
			t.Errorf("the third waited %s, want 2 s", waited)
		}
		second()
		if f.used != 0 || len(f.held) != 0 {
			t.Errorf("%d bytes of %d slices are left", f.used, len(f.held))
		}
	})
}

func TestAnAnswerThatFindsNoRoomIsTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlying(1 << 20)
		release, err := f.hold(t.Context(), cid(1), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		begun := time.Now()
		_, err = f.hold(t.Context(), cid(2), 1<<20)
		var problem *httperr.Problem
		if !errors.As(err, &problem) || problem.Status != 503 || problem.RetryAfter == 0 || time.Since(begun) != holdPatience {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := f.hold(ctx, cid(2), 1<<20); !errors.Is(err, context.Canceled) {
			t.Errorf("a client that left: %v", err)
		}
		if _, err := f.hold(t.Context(), cid(2), smallBlock); err != nil {
			t.Errorf("a small block: %v", err)
		}
	})
}

func TestABudgetFillsUpOverADay(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	b := NewBudget(2400, func() time.Time { return now })
	for _, step := range []struct {
		after time.Duration
		take  int64
		ok    bool
	}{{0, 2400, true}, {0, 1, false}, {time.Hour, 101, false}, {0, 100, true}, {100 * time.Hour, 2401, false}, {0, 2400, true}} {
		now = now.Add(step.after)
		if got := b.Take(step.take); got != step.ok {
			t.Errorf("at %s take %d: %t", now.UTC().Format(time.TimeOnly), step.take, got)
		}
	}
	if (*Budget)(nil).Take(1) || NewBudget(0, nil).Take(1) {
		t.Error("an edge that gives nothing gave")
	}
}
