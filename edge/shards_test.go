package edge

import (
	"fmt"
	"testing"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// A bundle of three units, each on an edge of its own, is published, read,
// repaired and read again.
func TestABundleOfSeveralUnitsIsReadFromTheHoldersOfEach(t *testing.T) {
	t.Parallel()
	const shardSize = 4 << 20
	w := newWorld(t, 0)
	for range 7 {
		w.addSharded(EdgeConfig{}, shardSize)
	}
	upload, holders, cold, spare, later := w.edges[0], w.edges[1:4], w.edges[4], w.edges[5], w.edges[6]
	files := make(map[string][]byte)
	for i := range 6 {
		files[fmt.Sprintf("%d.m4s", i)] = content(i+1, 2<<20) // two a unit
	}
	p := w.publish("acme/large", files, upload)
	p.record.Units = []meta.UnitKey{{1}, {2}, {3}}
	give := func(e *testEdge, shard int, source *testEdge) {
		w.meta.give(e.id, meta.Work{
			Number: w.next.Add(1), Kind: meta.Replicate, Unit: p.record.Units[shard], Shard: shard, Record: p.record,
			Sources: []meta.EdgeID{source.id},
		})
		w.eventually("the unit is complete", func() bool { return e.completed(p.record) })
	}
	state := func(e *testEdge, s meta.EdgeState) {
		w.meta.change(func(n *meta.Network) { n.Edges[e.id-1].State = s })
		w.settle()
	}
	locate := func(shards ...*testEdge) {
		w.meta.mu.Lock()
		defer w.meta.mu.Unlock()
		w.meta.records[p.record.Root.Digest] = meta.Resolution{
			Record: p.record, Holders: []meta.EdgeID{shards[0].id}, Shards: [][]meta.EdgeID{{shards[1].id}, {shards[2].id}},
		}
	}
	for shard, e := range holders {
		give(e, shard, upload)
	}
	locate(holders...)
	state(upload, meta.Down)
	p.holders = []meta.EdgeID{holders[0].id} // as a ticket has them

	for shard, e := range holders {
		for i := range 6 {
			has, err := e.disk.Has(t.Context(), sds.Sum(sds.Raw, files[fmt.Sprintf("%d.m4s", i)][:1<<20]))
			if err != nil || has != (i/2 == shard) {
				t.Errorf("the holder of unit %d has a slice of file %d: %t, %v", shard, i, has, err)
			}
		}
	}
	read := func(e *testEdge) {
		t.Helper()
		door := "/t/" + w.ticket(p, nil, e) + "/acme/large/"
		for path, body := range files {
			r, got := e.get(t, door+path)
			want(t, r, 200)
			same(t, got, body)
		}
	}
	read(cold)
	// Who holds one unit reads the others, and pins nothing of theirs.
	pinned, _ := holders[0].disk.Usage()
	read(holders[0])
	if after, _ := holders[0].disk.Usage(); after != pinned {
		t.Errorf("pinned %+v, before it served other units %+v", after, pinned)
	}
	for shard, e := range holders[1:] {
		if failed := cold.fill.Counters.Failed.Load(); failed > 0 {
			t.Errorf("%d fetches failed", failed)
		}
		if e.reads.Load() == 0 {
			t.Errorf("nobody read unit %d from its holder", shard+1)
		}
	}

	// The holder of the second unit is lost, but for a copy made from it before.
	give(spare, 1, holders[1])
	locate(holders[0], spare, holders[2])
	state(holders[1], meta.Down)
	state(cold, meta.Down) // its cache must not help
	read(later)
}
