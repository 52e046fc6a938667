package disk

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stratos-mesh/stratos/sds"
)

// blocksOf makes n blocks of one size that differ in their first bytes.
func blocksOf(n, size int) (cids []sds.CID, blocks [][]byte) {
	for i := range n {
		_, b := block(1, size)
		binary.BigEndian.PutUint64(b, uint64(i))
		cids, blocks = append(cids, sds.Sum(sds.Raw, b)), append(blocks, b)
	}
	return cids, blocks
}

// each runs f for 0 to n-1 by so many workers.
func each(workers, n int, f func(i int)) {
	var wait sync.WaitGroup
	var next atomic.Int64
	for range workers {
		wait.Go(func() {
			for i := int(next.Add(1) - 1); i < n; i = int(next.Add(1) - 1) {
				f(i)
			}
		})
	}
	wait.Wait()
}

// BenchmarkPut stores blocks durably, 64 to a folder of their own, and does the
// same with files that are written and synced one by one, to compare.
func BenchmarkPut(b *testing.B) {
	const n = 64
	for _, size := range []int{sds.SliceSize, 10_000} {
		cids, blocks := blocksOf(n, size)
		for _, workers := range []int{1, 16} {
			b.Run(fmt.Sprintf("store/%d/writers=%d", size, workers), func(b *testing.B) {
				b.SetBytes(int64(n * size))
				for b.Loop() {
					b.StopTimer()
					s, err := Open(Config{Dir: b.TempDir()})
					if err != nil {
						b.Fatal(err)
					}
					warm(b, s)
					b.StartTimer()
					each(workers, n, func(i int) {
						if err := s.Put(context.Background(), cids[i], blocks[i], sds.Pinned); err != nil {
							b.Error(err)
						}
					})
					b.StopTimer()
					if err := s.Close(); err != nil {
						b.Fatal(err)
					}
					os.RemoveAll(s.config.Dir)
					b.StartTimer()
				}
			})
			b.Run(fmt.Sprintf("plain/%d/writers=%d", size, workers), func(b *testing.B) {
				b.SetBytes(int64(n * size))
				for b.Loop() {
					b.StopTimer()
					dir := b.TempDir()
					b.StartTimer()
					each(workers, n, func(i int) { writeSynced(b, filepath.Join(dir, fmt.Sprint(i)), blocks[i]) })
					b.StopTimer()
					os.RemoveAll(dir)
					b.StartTimer()
				}
			})
		}
	}
}

// warm makes all folders of a store, as they are after its first minutes.
func warm(b *testing.B, s *Store) {
	for first := range 256 {
		if err := s.files.fs.MkdirAll(s.files.shard(sds.Pinned, byte(first)), 0o755); err != nil {
			b.Fatal(err)
		}
		s.files.shards[sds.Pinned][first] = true
	}
}

func writeSynced(b *testing.B, name string, block []byte) {
	f, err := os.Create(name)
	if err != nil {
		b.Error(err)
		return
	}
	if _, err := f.Write(block); err != nil {
		b.Error(err)
	}
	if err := f.Sync(); err != nil {
		b.Error(err)
	}
	if err := f.Close(); err != nil {
		b.Error(err)
	}
}

// BenchmarkPutCached is what a miss costs at an edge: nothing is synced.
func BenchmarkPutCached(b *testing.B) {
	s, err := Open(Config{Dir: b.TempDir(), CachedLimit: 256 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	_, blocks := blocksOf(1, sds.SliceSize)
	var n atomic.Uint64
	b.SetBytes(sds.SliceSize)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			// The name is wrong, which Put cannot know: hashing is not measured.
			cid := sds.CID{Codec: sds.Raw}
			binary.BigEndian.PutUint64(cid.Digest[:], n.Add(1)*0x9E3779B97F4A7C15)
			if err := s.Put(b.Context(), cid, blocks[0], sds.Cached); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	for _, size := range []int{sds.SliceSize, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, err := Open(Config{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			cids, blocks := blocksOf(16, size)
			for i := range cids {
				if err := s.Put(b.Context(), cids[i], blocks[i], sds.Pinned); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				if _, err := s.Get(b.Context(), cids[i%len(cids)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHasNot(b *testing.B) {
	s, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		if _, err := s.Has(b.Context(), sds.CID{Codec: sds.Raw}); err != nil {
			b.Fatal(err)
		}
	}
}
