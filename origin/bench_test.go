package origin

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// BenchmarkPut is an object of 64 MiB through a client, the origin, and three
// edges that keep it in memory; all of them share this machine.
func BenchmarkPut(b *testing.B) {
	s := start(b, func(c *Config) { c.MaxBundleFiles = 1 << 30 })
	data := content(64 << 20)
	b.SetBytes(int64(len(data)))
	for i := 0; b.Loop(); i++ {
		s.want(http.StatusCreated, "PUT", fmt.Sprintf("/v1/files/demo/%d", i), reader(data))
	}
}

// BenchmarkBundleFile is a file of 10 kB into a bundle, 16 at a time.
func BenchmarkBundleFile(b *testing.B) {
	s := start(b, func(c *Config) { c.MaxBundleFiles = 1 << 30 })
	at := s.want(http.StatusCreated, "POST", "/v1/bundles", strings.NewReader(`{"name":"demo/many"}`)).Header.Get("Location")
	var next atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			i := next.Add(1)
			s.want(http.StatusCreated, "PUT", fmt.Sprintf("%s/files/%d", at, i), reader(content(10_000)))
		}
	})
}
