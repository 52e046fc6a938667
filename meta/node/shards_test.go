package node_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/inventory"
)

func TestALargeBundleIsSeveralUnitsAndKeepsTheFirstAsItGrows(t *testing.T) {
	t.Parallel()
	simulate(t, 5, nil, func(w *world) {
		var last []meta.UnitKey
		for version, shards := range []int{1, 3, 2, 4} {
			time.Sleep(time.Millisecond)
			g, err := w.node.Begin(w.Context(), meta.Upload{Name: "acme/films", Kind: meta.Bundle, MaxBytes: 1})
			if err != nil {
				w.Fatal(err)
			}
			p := publication("acme/films", cid(fmt.Sprint("version ", version)), g.Edges...)
			p.Size = int64(shards-1)*meta.ShardSize + 1
			p.Sign(key("owner"), chainID)
			rec, err := w.node.Publish(w.Context(), p)
			if err != nil {
				w.Fatal(err)
			}
			if len(rec.Units) != shards || rec.Units[0] != g.Unit {
				w.Fatalf("version %d: %d units, the first %x; want %d, %x", version, len(rec.Units), rec.Units[0], shards, g.Unit)
			}
			if same := min(len(last), shards); !slices.Equal(rec.Units[:same], last[:same]) {
				w.Errorf("version %d has other units", version)
			}
			last = rec.Units
		}
		w.pass(20 * time.Second)
		// Every shard of the newest version is complete on three edges.
		held := map[meta.UnitKey]int{}
		for _, e := range w.edges {
			for v := range e.holds {
				if v.Root == cid("version 3") {
					held[v.Unit]++
				}
			}
		}
		for i, unit := range last {
			if held[unit] < 3 {
				w.Errorf("shard %d is on %d edges", i, held[unit])
			}
		}
		found := w.resolves("acme/films", nil)
		for i, holders := range append([][]meta.EdgeID{found.Holders}, found.Shards...) {
			for _, id := range holders {
				if v := (inventory.Version{Unit: last[i], Root: cid("version 3")}); w.edges[id-1].holds[v] != meta.Complete {
					w.Errorf("edge %d is told to hold shard %d, which it does not", id, i)
				}
			}
			if len(holders) < 3 {
				w.Errorf("shard %d is held by %v", i, holders)
			}
		}
		if len(found.Shards) != 3 {
			w.Errorf("holders of %d further shards, want 3", len(found.Shards))
		}
	})
}

func TestLooseObjectsShareUnitsAndTheirEdges(t *testing.T) {
	t.Parallel()
	simulate(t, 5, nil, func(w *world) {
		units := map[meta.UnitKey]bool{}
		for i := range 200 {
			time.Sleep(time.Millisecond)
			name := meta.Name(fmt.Sprint("acme/", i))
			g, err := w.node.Begin(w.Context(), meta.Upload{Name: name, Kind: meta.Object, MaxBytes: 1})
			if err != nil {
				w.Fatal(err)
			}
			p := publication(name, cid(string(name)), g.Edges...)
			p.Kind = meta.Object
			p.Sign(key("owner"), chainID)
			rec, err := w.node.Publish(w.Context(), p)
			if err != nil || !slices.Equal(rec.Units, []meta.UnitKey{g.Unit}) {
				w.Fatalf("%+v, %v; want unit %x", rec, err, g.Unit)
			}
			units[g.Unit] = true
		}
		if len(units) > 64 || len(units) < 50 {
			w.Errorf("%d units for 200 objects, want nearly 64", len(units))
		}
		w.pass(2 * time.Minute)
		for i := range 200 {
			if res := w.resolves(fmt.Sprint("acme/", i), nil); len(res.Holders) != 3 {
				w.Errorf("object %d is held by %v", i, res.Holders)
			}
			if got := len(w.holders(cid(fmt.Sprint("acme/", i)))); got != 3 {
				w.Errorf("object %d is on %d edges", i, got)
			}
		}
	})
}

// What becomes a bundle draws a unit of its own and leaves the shared one.
func TestAnObjectThatBecomesABundleHasAUnitOfItsOwn(t *testing.T) {
	t.Parallel()
	simulate(t, 3, nil, func(w *world) {
		publish := func(kind meta.Kind, root string) meta.Record {
			time.Sleep(time.Millisecond)
			p := publication("acme/a", cid(root), 1, 2, 3)
			p.Kind = kind
			p.Sign(key("owner"), chainID)
			rec, err := w.node.Publish(w.Context(), p)
			if err != nil {
				w.Fatal(err)
			}
			return rec
		}
		object, bundle := publish(meta.Object, "1"), publish(meta.Bundle, "2")
		if slices.Equal(object.Units, bundle.Units) {
			w.Error("the bundle lies in the unit of loose objects")
		}
		if again := publish(meta.Object, "3"); !slices.Equal(again.Units, object.Units) {
			w.Error("an object again has another unit than before")
		}
	})
}
