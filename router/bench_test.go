package router

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/issue"
	"github.com/stratos-mesh/stratos/router/geo"
)

// cities hold the edges and the clients of the benchmarks.
func cities() [][2]float64 {
	return [][2]float64{
		{50.1, 8.7},
		{51.5, -0.1},
		{48.9, 2.4},
		{52.4, 4.9},
		{40.4, -3.7},
		{45.5, 9.2},
		{59.3, 18.1},
		{52.2, 21.0},
		{41.0, 29.0},
		{55.8, 37.6},
		{40.7, -74.0},
		{39.0, -77.5},
		{41.9, -87.6},
		{32.8, -96.8},
		{34.1, -118.2},
		{37.3, -121.9},
		{47.6, -122.3},
		{43.7, -79.4},
		{19.4, -99.1},
		{25.8, -80.2},
		{-23.5, -46.6},
		{-34.6, -58.4},
		{4.7, -74.1},
		{-33.4, -70.7},
		{-12.0, -77.0},
		{35.7, 139.7},
		{34.7, 135.5},
		{37.6, 127.0},
		{31.2, 121.5},
		{39.9, 116.4},
		{22.3, 114.2},
		{25.0, 121.5},
		{1.35, 103.8},
		{-6.2, 106.8},
		{13.8, 100.5},
		{19.1, 72.9},
		{12.97, 77.6},
		{28.6, 77.2},
		{-33.9, 151.2},
		{-37.8, 145.0},
		{-26.2, 28.0},
		{6.5, 3.4},
		{-1.3, 36.8},
		{30.0, 31.2},
		{25.2, 55.3},
		{24.7, 46.7},
		{32.1, 34.8},
		{33.6, -7.6},
		{14.6, 121.0},
		{10.8, 106.7},
	}
}

// fleet is n edges around the cities, some of them busy, failing or not live.
func fleet(n int, random *rand.Rand) []meta.Edge {
	places := cities()
	edges := make([]meta.Edge, n)
	for i := range edges {
		place := places[i%len(places)]
		edges[i] = meta.Edge{
			ID: meta.EdgeID(i + 1), URL: fmt.Sprintf("http://e%d.test", i+1), TLSURL: fmt.Sprintf("https://e%d.test", i+1),
			Region: fmt.Sprintf("r%d", i%len(places)), Lat: place[0] + random.NormFloat64(), Lon: place[1] + random.NormFloat64(),
			Capacity: 1e9, State: meta.Live, Load: meta.Load{Sending: random.Int64N(9e8)},
		}
		switch random.IntN(20) {
		case 0:
			edges[i].State = meta.Suspect
		case 1:
			edges[i].Load.Failures = random.Int64N(100)
		}
	}
	return edges
}

// queries of clients around the cities for units with three holders each.
func queries(n int, edges []meta.Edge, random *rand.Rand, anywhere bool) []Query {
	places := cities()
	out := make([]Query, n)
	for i := range out {
		place := places[random.IntN(len(places))]
		q := &out[i]
		q.Lat, q.Lon = place[0]+random.NormFloat64(), place[1]+random.NormFloat64()
		if anywhere {
			q.Lat, q.Lon = math.Asin(2*random.Float64()-1)*180/math.Pi, random.Float64()*360-180
		}
		for j := range q.Unit {
			q.Unit[j] = byte(random.Uint32())
		}
		for range 3 {
			q.Holders = append(q.Holders, edges[random.IntN(len(edges))].ID)
		}
		q.Maybe = []meta.EdgeID{edges[random.IntN(len(edges))].ID}
		q.Bits, q.Requests = random.ExpFloat64()*1e8, random.ExpFloat64()*3
	}
	return out
}

// BenchmarkRank is a ranking in one goroutine with 1,000 edges registered.
func BenchmarkRank(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	edges := fleet(1000, random)
	for i := range edges {
		// The worst: all edges are in one group, and every one is weighed.
		edges[i].Load = meta.Load{}
	}
	metro := slices.Clone(edges)
	for i := range metro {
		metro[i].Lat, metro[i].Lon, metro[i].State = 50+random.Float64(), 8+random.Float64(), meta.Live
	}
	loaded := fleet(1000, random)
	for _, test := range []struct {
		name     string
		edges    []meta.Edge
		anywhere bool
	}{
		{"edges=1000/clients=cities", loaded, false},
		{"edges=1000/clients=anywhere", loaded, true},
		{"edges=1000/one-metro", metro, false},
	} {
		b.Run(test.name, func(b *testing.B) {
			table := NewTable(test.edges, true, nil)
			asked := queries(1<<14, test.edges, random, test.anywhere)
			choice := new(Choice)
			group := 0
			b.ReportAllocs()
			began := cpuSeconds()
			for i := 0; b.Loop(); i++ {
				Rank(table, &asked[i&(len(asked)-1)], choice)
				group += choice.Group
			}
			b.ReportMetric(float64(b.N)/(cpuSeconds()-began), "rankings/cpu-s")
			b.ReportMetric(float64(group)/float64(b.N), "group")
		})
	}
}

// BenchmarkTable is what a new version of the network costs.
func BenchmarkTable(b *testing.B) {
	edges := fleet(1000, rand.New(rand.NewPCG(1, 2)))
	table := NewTable(edges, true, nil)
	b.ReportAllocs()
	for b.Loop() {
		table = NewTable(edges, true, table)
	}
}

// redirects is a router and the requests for its benchmark: 64 names, clients of
// so many networks. Tickets come from an issuer as a meta node has it, with its
// log on disk.
type redirects struct {
	meta     *fakeMeta
	router   *Router
	names    []string
	networks uint32
	began    float64
}

func newRedirects(b *testing.B, networks uint32) *redirects {
	b.Helper()
	edges := fleet(1000, rand.New(rand.NewPCG(1, 2)))
	r := &redirects{meta: newFakeMeta(b, edges...), networks: networks}
	for i := range 64 {
		r.names = append(r.names, fmt.Sprintf("pub/film-%d.mp4", i))
		r.meta.add(r.names[i], meta.Object, 5<<20, edges[i%len(edges)].ID, edges[(i+7)%len(edges)].ID, edges[(i+77)%len(edges)].ID)
	}
	issuer, err := issue.Open(issue.Config{
		Dir: b.TempDir(), ChainID: "bench-1", Key: r.meta.key, Authority: 1, Logger: slog.New(slog.DiscardHandler),
		Known: func(meta.EdgeID) bool { return true }, Banned: func([32]byte) bool { return false },
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := issuer.Close(); err != nil {
			b.Error(err)
		}
	})
	r.meta.issuer = issuer
	r.router = newTestRouter(b, r.meta)
	r.router.config.Geo = geo.Chain{everywhere{}}
	r.began = cpuSeconds()
	return r
}

// ask sends request n of a worker and returns how long the answer took.
func (r *redirects) ask(b *testing.B, worker, n uint32) time.Duration {
	network := n % r.networks
	req := httptest.NewRequest(http.MethodGet, "/"+r.names[n%uint32(len(r.names))], nil)
	addr := netip.AddrFrom4([4]byte{byte(worker), byte(network >> 8), byte(network), byte(network >> 16)})
	req.RemoteAddr = netip.AddrPortFrom(addr, 80).String()
	w := &discard{header: http.Header{}}
	began := time.Now()
	r.router.ServeHTTP(w, req)
	took := time.Since(began)
	if w.status != http.StatusTemporaryRedirect {
		b.Errorf("got status %d", w.status)
	}
	return took
}

// report adds what go test does not say by itself.
func (r *redirects) report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	b.ReportMetric(float64(b.N)/(cpuSeconds()-r.began), "requests/cpu-s")
	b.ReportMetric(float64(r.meta.sequence.Load())/float64(b.N), "tickets/request")
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-µs")
}

// BenchmarkRedirect is a whole request, from the URL to the Location, as many as
// go: with a ticket signed for each, and with those of the last minute used
// again.
func BenchmarkRedirect(b *testing.B) {
	for _, test := range []struct {
		name     string
		networks uint32
	}{{"ticket=signed", 1 << 24}, {"ticket=shared", 16}} {
		b.Run(test.name, func(b *testing.B) {
			r := newRedirects(b, test.networks)
			var mu sync.Mutex
			var took []time.Duration
			var workers atomic.Uint32
			b.SetParallelism(4)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				self := workers.Add(1)
				mine := make([]time.Duration, 0, 1<<16)
				for n := uint32(0); pb.Next(); n++ {
					mine = append(mine, r.ask(b, self, n))
				}
				mu.Lock()
				defer mu.Unlock()
				took = append(took, mine...)
			})
			r.report(b, took)
		})
	}
}

// BenchmarkRedirectAlone sends one request after the other on one processor,
// each with a ticket of its own, and tells how long each takes: on the wall, and
// in time of the processor. The latter is all that this process did between the
// request and its answer, garbage collection included, and nothing that other
// programs of a shared machine did meanwhile.
func BenchmarkRedirectAlone(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	r := newRedirects(b, 1<<24)
	took, used := make([]time.Duration, b.N), make([]float64, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	for n := range b.N {
		before := cpuSeconds()
		took[n] = r.ask(b, 0, uint32(n))
		used[n] = cpuSeconds() - before
	}
	r.report(b, took)
	slices.Sort(used)
	b.ReportMetric(used[len(used)/2]*1e6, "p50-cpu-µs")
	b.ReportMetric(used[len(used)*99/100]*1e6, "p99-cpu-µs")
	b.ReportMetric(used[len(used)*999/1000]*1e6, "p99.9-cpu-µs")
}

// BenchmarkRedirectPaced sends 15,000 requests a second, each with a ticket of
// its own, evenly spread, and tells how long they take: the p99 of a router
// that has as much to do as it must be able to do.
func BenchmarkRedirectPaced(b *testing.B) {
	const rate, workers = 15_000, 16
	r := newRedirects(b, 1<<24)
	all := make([][]time.Duration, workers)
	var running sync.WaitGroup
	b.ResetTimer()
	began := time.Now()
	for worker := range workers {
		running.Go(func() {
			for n := range b.N / workers {
				due := began.Add(time.Duration(n*workers+worker) * time.Second / rate)
				time.Sleep(time.Until(due))
				all[worker] = append(all[worker], r.ask(b, uint32(worker), uint32(n)))
			}
		})
	}
	running.Wait()
	if took := slices.Concat(all...); len(took) > 0 {
		r.report(b, took)
	}
}

// everywhere puts a client into a city by its address.
type everywhere struct{}

func (everywhere) Locate(addr netip.Addr) (geo.Answer, bool) {
	all := cities()
	b := addr.As16()
	place := all[(int(b[13])*31+int(b[14]))%len(all)]
	return geo.Answer{Source: geo.FromCity, Location: geo.Location{Lat: place[0] + float64(b[14]%8)/10, Lon: place[1]}}, true
}

// discard is a ResponseWriter that costs nothing.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
