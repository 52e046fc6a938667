package viewstore_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/meta/viewstore/viewstoretest"
)

func BenchmarkEmbedded(b *testing.B) {
	s, err := viewstore.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	benchmark(b, s)
}

func BenchmarkRedis(b *testing.B) {
	s, err := viewstore.OpenRedis(viewstoretest.StartServer(b).URL())
	if err != nil {
		b.Fatal(err)
	}
	benchmark(b, s)
}

func benchmark(b *testing.B, s viewstore.Store) {
	b.Cleanup(func() { s.Close() })
	ctx, scope := b.Context(), s.Scope("a")
	if _, err := scope.Begin(ctx); err != nil {
		b.Fatal(err)
	}
	const keys, hot = 100_000, 5_000
	batch := new(viewstore.Batch)
	for n := range keys {
		batch.Set(fmt.Sprintf("n/%06d", n), make([]byte, 200), 0)
		if batch.Full() || n == keys-1 {
			if err := scope.Apply(ctx, batch); err != nil {
				b.Fatal(err)
			}
			batch = new(viewstore.Batch)
		}
	}
	b.Run("get", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			if _, err := scope.Get(ctx, fmt.Sprintf("n/%06d", n%hot)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("get of what is not there", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			if _, err := scope.Get(ctx, fmt.Sprintf("n/%06d/more", n%hot)); !errors.Is(err, viewstore.ErrNotFound) {
				b.Fatal(err)
			}
		}
	})
	b.Run("get in parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for n := 0; pb.Next(); n++ {
				if _, err := scope.Get(ctx, fmt.Sprintf("n/%06d", n%hot)); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("scan of 100", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			if _, err := scope.Scan(ctx, "n/", fmt.Sprintf("n/%06d", n%keys), 100); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("batch of 5", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			var batch viewstore.Batch
			for i := range 5 {
				batch.Set(fmt.Sprintf("n/%06d", (n+i)%keys), make([]byte, 200), 0)
			}
			if err := scope.Apply(ctx, &batch); err != nil {
				b.Fatal(err)
			}
		}
	})
}
