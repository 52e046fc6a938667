package fill

import (
	"bytes"
	"context"
	"sync"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/sds"
)

// keep stores what a fetch brought. What this edge must hold was lost here, and
// is put back before anybody goes on; a cached copy is written behind them.
func (f *Filler) keep(ctx context.Context, cid sds.CID, block []byte, want peers.Want) {
	if want.Class == sds.Pinned {
		if _, err := sds.Receive(ctx, f.config.Store, cid, bytes.NewReader(block), sds.Pinned); err != nil {
			f.Counters.Unstored.Add(1)
		}
		return
	}
	if f.config.Filled != nil {
		f.config.Filled(want.Unit)
	}
	f.behind.put(cid, block)
}

// behind writes cached blocks to the store after they were handed out.
type behind struct {
	filler *Filler
	queue  chan queued
	wg     sync.WaitGroup
	once   sync.Once
}

type queued struct {
	cid   sds.CID
	block []byte
}

const (
	// behindQueue bounds the blocks that wait for the disk: 32 MiB.
	behindQueue   = 32
	behindWorkers = 4
)

func newBehind(f *Filler) *behind {
	b := &behind{filler: f, queue: make(chan queued, behindQueue)}
	for range behindWorkers {
		b.wg.Go(b.work)
	}
	return b
}

// put queues a block; when the disk is too slow the block is not kept, and
// counted.
func (b *behind) put(cid sds.CID, block []byte) {
	select {
	case b.queue <- queued{cid, block}:
	default:
		b.filler.Counters.Unstored.Add(1)
	}
}

func (b *behind) work() {
	for q := range b.queue {
		_, err := sds.Receive(context.Background(), b.filler.config.Store, q.cid, bytes.NewReader(q.block), sds.Cached)
		if err != nil {
			b.filler.Counters.Unstored.Add(1)
		}
	}
}

// close waits for the queue to run dry. No fetch may be under way.
func (b *behind) close() {
	b.once.Do(func() { close(b.queue) })
	b.wg.Wait()
}
