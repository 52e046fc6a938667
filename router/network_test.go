package router

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// following is a router that follows a fake meta node in a bubble.
func following(t *testing.T, m *fakeMeta) (*Router, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := New(Config{Meta: m, Development: true, Logger: slog.New(slog.DiscardHandler)})
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	return r, func() { cancel(); <-done }
}

func TestTheNetworkIsFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newFakeMeta(t, world()...)
		r, stop := following(t, m)
		defer stop()
		synctest.Wait()
		if s := r.memory.network.Load(); s == nil || len(s.table.Edges) != 5 {
			t.Fatal("the first network was not taken at once")
		}
		time.Sleep(time.Hour)
		if age := time.Since(r.memory.network.Load().seen); age > pollWait+time.Second {
			t.Errorf("in a quiet network the snapshot is %s old", age)
		}
		m.change(func(n *meta.Network) { n.Edges = n.Edges[:2] })
		time.Sleep(2 * leastPause)
		synctest.Wait()
		if n := len(r.memory.network.Load().table.Edges); n != 2 {
			t.Errorf("%d edges, want the 2 of the change", n)
		}
	})
}

func TestAnOldNetworkIsKeptWhileNoMetaNodeAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newFakeMeta(t, world()...)
		r, stop := following(t, m)
		defer stop()
		synctest.Wait()
		m.fail(errors.New("connection refused"))
		m.change(func(n *meta.Network) { n.Edges = n.Edges[:1] })
		time.Sleep(time.Hour)
		s := r.memory.network.Load()
		if len(s.table.Edges) != 5 || time.Since(s.seen) < 59*time.Minute {
			t.Errorf("%d edges, %s old: want the 5 of an hour ago", len(s.table.Edges), time.Since(s.seen))
		}
		m.fail(nil)
		time.Sleep(mostPause + time.Second)
		synctest.Wait()
		if n := len(r.memory.network.Load().table.Edges); n != 1 {
			t.Errorf("%d edges %s after the meta node came back, want 1", n, mostPause)
		}
	})
}

func TestARouterStartsBeforeItsMetaNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newFakeMeta(t, world()...)
		m.fail(errors.New("connection refused"))
		r, stop := following(t, m)
		defer stop()
		time.Sleep(time.Minute)
		if r.memory.network.Load() != nil {
			t.Fatal("a network out of nowhere")
		}
		m.fail(nil)
		time.Sleep(mostPause)
		synctest.Wait()
		if r.memory.network.Load() == nil {
			t.Errorf("not ready %s after the meta node", mostPause)
		}
	})
}

func TestANetworkThatChangesAllTheTimeIsFetchedAFewTimesASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newFakeMeta(t, world()...)
		r, stop := following(t, m)
		defer stop()
		tables, last := 0, (*Table)(nil)
		for range 1000 {
			m.change(func(n *meta.Network) { n.Edges[0].Load.Sending++ })
			time.Sleep(time.Millisecond)
			if s := r.memory.network.Load(); s.table != last {
				tables, last = tables+1, s.table
			}
		}
		if tables > 12 || tables < 5 {
			t.Errorf("%d tables were made in a second, want about 10", tables)
		}
	})
}
