package sds_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/mem"
)

func BenchmarkImport(b *testing.B) {
	for _, size := range []int64{10_000, 1 << 20, 64 << 20} {
		b.Run(fmt.Sprintf("%d KiB", size>>10), func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := sds.Import(b.Context(), &pattern{size: size}, discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReceive(b *testing.B) {
	for _, size := range []int64{10_000, 1 << 20} {
		b.Run(fmt.Sprintf("%d KiB", size>>10), func(b *testing.B) {
			block := content(size)
			cid := sds.Sum(sds.Raw, block)
			store := mem.New()
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := sds.Receive(b.Context(), store, cid, bytes.NewReader(block), sds.Cached); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSpans(b *testing.B) {
	store := mem.New()
	f, err := sds.OpenFile(b.Context(), store, deepFile(b, store, 8192))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		from := i % 8000 << 20
		if spans, err := f.Spans(b.Context(), from, from+2<<20); err != nil || len(spans) != 2 {
			b.Fatal(len(spans), err)
		}
	}
}

func BenchmarkOpenFile(b *testing.B) {
	store := mem.New()
	root := deepFile(b, store, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sds.OpenFile(b.Context(), store, root); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFolder(b *testing.B) {
	objects := bundle(b, mem.New(), many(6000)).Objects
	b.ReportAllocs()
	for b.Loop() {
		folder := sds.NewFolder()
		for _, o := range objects {
			if err := folder.Add(o); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := folder.Build(b.Context(), discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkManifest(b *testing.B) {
	store := mem.New()
	m := bundle(b, store, many(6000))
	cid, err := m.Encode(b.Context(), sds.Into(store, sds.Pinned))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.Encode(b.Context(), discard); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := sds.LoadManifest(b.Context(), store, cid, m.Root); err != nil {
				b.Fatal(err)
			}
		}
	})
}
