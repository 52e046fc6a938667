package index_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/index"
	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/viewstore"
)

func bundles(count int) []*journal.Record {
	now := time.Unix(1_800_000_000, 0).UTC()
	out := []*journal.Record{{Height: 1, Time: now, Entry: &journal.Claimed{Namespace: "acme", Owner: public("owner")}}}
	for i := range count {
		name := meta.Name(fmt.Sprint("acme/dir/", i))
		out = append(out, &journal.Record{Height: uint64(i + 2), Time: now, Entry: &journal.Moved{
			Publication: meta.Publication{
				Name: name, Kind: meta.Bundle, Root: cid(fmt.Sprint(i)), Manifest: cid("m"), Owner: public("owner"), Time: now,
			},
			Drawn: name, Random: [][16]byte{{1}},
		}})
	}
	return out
}

func benchWorld(b *testing.B, records []*journal.Record) *index.Index {
	b.Helper()
	store, err := viewstore.OpenEmbedded(viewstore.Config{Dir: b.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	x := index.New(store)
	if _, err := x.Begin(b.Context()); err != nil {
		b.Fatal(err)
	}
	if _, err := x.Apply(b.Context(), records, func(_ *journal.Record, err error) { b.Fatal(err) }); err != nil {
		b.Fatal(err)
	}
	return x
}

// BenchmarkRebuild is how fast a wiped index comes back.
func BenchmarkRebuild(b *testing.B) {
	records := bundles(2000)
	for b.Loop() {
		benchWorld(b, records)
	}
	b.ReportMetric(float64(b.N*len(records))/b.Elapsed().Seconds(), "records/s")
}
